"""The list of networks, and the panel that opens and exports them."""

from typing import Any

from ipywidgets import Dropdown, HBox, Text, VBox

from mnist_nb.widgets.common import labelled, make_button, make_upload, on_change
from mnist_nb.widgets.pad.state import PadState


class ModelList:
    """A dropdown of the networks, one of which reads the pad.

    Attributes:
        widget: the dropdown.
    """

    def __init__(self, state: PadState) -> None:
        self._state = state
        self._is_updating = False
        self.widget = labelled(Dropdown, "Read by", "440px", tooltip="Which network reads the pad")
        on_change(state.attempt, self.widget, self._choose)
        state.observe(self._show, ["model_options", "model_key"])
        self._show()

    def _show(self, _: Any = None) -> None:
        key = self._state.model_key
        options = list(self._state.model_options)
        if key not in [option_key for _, option_key in options]:
            options.insert(0, ("no longer there" if key else "none yet", key))
        self._is_updating = True  # setting the options selects the first
        self.widget.options = options
        self.widget.value = key
        self._is_updating = False

    def _choose(self) -> None:
        key = self.widget.value
        if self._is_updating or not key:
            return
        try:
            self._state.choose(key)
            self._state.show_message("")
        finally:
            self._show()  # if that failed, the previous network still reads


class ModelFiles(VBox):  # type: ignore[misc]
    """The panel that opens a network from a file, and saves the current one as a page."""

    def __init__(self, state: PadState) -> None:
        self._state = state
        self._path = labelled(Text, "File", "340px", placeholder="folder/model.safetensors")
        attempt = state.attempt
        open_file = make_button(
            attempt, "Open", "Let the network in this file read", self._open_path
        )
        upload = make_upload(attempt, ".safetensors", "Open from this computer", self._open_upload)
        refresh = make_button(attempt, "Refresh", "Update the list of files", self._refresh)
        tooltip = "Write this network and a pad into one HTML file"
        page = make_button(attempt, "Save as a page", tooltip, self._save_page)
        super().__init__([HBox([self._path, open_file]), HBox([upload, refresh, page])])

    def _refresh(self) -> None:
        self._state.refresh_models()
        if self._state.model is not None:  # else the message explains why not
            count = len(self._state.model_options)
            self._state.show_message(f"The list of networks is up to date. It has {count}.")

    def _open_path(self) -> None:
        self._state.choose(self._path.value.strip())
        self._show_opened()

    def _open_upload(self, name: str, content: bytes) -> None:
        self._state.open_model(name, content)
        self._show_opened()

    def _show_opened(self) -> None:
        name = self._state.catalog.file_name(self._state.model_key)
        self._state.show_message(f"Opened {name}. It now reads the pad.")

    def _save_page(self) -> None:
        path = self._state.save_page()
        self._state.show_message(
            f"{path} reads without Python: open it in any browser, or send it to your phone."
        )
