"""The pad's list of networks, and the panel that opens another."""

from pathlib import Path

from ipywidgets import Dropdown, HBox, Text, VBox

from mnist_nb.checkpoints import CheckpointError
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.common import labelled, make_button, make_upload, on_change
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.page import export_page


class ModelPicker:
    """Chooses which network reads.

    Args:
        pad: whose network it is.

    Attributes:
        list: the list of networks, to stand above the pad.
        panel: opens a network from a file.
        key: of the network that reads, see `ModelCatalog`; empty if none does.
    """

    def __init__(self, pad: Board) -> None:
        self._pad = pad
        self._offering = False
        self.key = ""
        networks = labelled(Dropdown, "Read by", "440px", tooltip="Which network reads the pad")
        self.list = on_change(pad.attempt, networks, self._chosen)
        self._path = labelled(Text, "File", "340px", placeholder="folder/model.safetensors")
        upload_file = make_upload(
            pad.attempt, ".safetensors", "Open from this computer", self._open
        )
        open_file = make_button(
            pad.attempt, "Open", "Let the network in this file read", self._open
        )
        look = make_button(pad.attempt, "Look again", "See which files are there now", self.look)
        page = make_button(
            pad.attempt,
            "Save as a page",
            "Write this network and a pad into one HTML file",
            self._save_page,
        )
        self.panel = VBox([HBox([self._path, open_file]), HBox([upload_file, look, page])])

    def choose(self, model: str) -> None:
        """Let another network read: a key from the list, or a model's file.

        Raises:
            CheckpointError: if the file does not hold a model; the one before goes on reading.
        """
        catalog = self._pad.catalog
        with LOCK:
            key = (
                model
                if model in {key for _, key in catalog.options()}
                else catalog.open_file(model)
            )
            self._pad.state.model, self.key = catalog.load(key), key
            self._offer()
            self._pad.refresh()

    def look(self) -> None:
        """Offer the networks that are there now; if none reads, the first reads that can be loaded,
        or it says why."""
        problem = "There is no network to read with yet: train one (notebook 02), or open its file under Networks."
        for _, key in self._pad.catalog.options():
            if self._pad.state.model is None:
                try:
                    self.choose(key)
                except CheckpointError as error:
                    problem = str(error)
        if self._pad.state.model is None:
            self._pad.show_message(problem, is_error=True)
            self._pad.refresh()
        self._offer()

    def _offer(self) -> None:
        """Show what can be chosen now, without choosing it."""
        options = self._pad.catalog.options()
        if self.key not in {key for _, key in options}:
            options.insert(0, ("no longer there" if self.key else "none yet", self.key))
        self._offering = True  # for setting the options chooses the first
        self.list.options = options
        self.list.value = self.key
        self._offering = False

    def _chosen(self) -> None:
        if self._offering or not self.list.value:
            return
        try:
            self.choose(self.list.value)
            self._pad.show_message("")
        finally:
            self._offer()  # which shows who still reads if that failed

    def _open(self, name: str = "", content: bytes = b"") -> None:
        """Let an uploaded file read, or else the one whose path was typed."""
        self.choose(
            self._pad.catalog.open_content(name, content) if name else self._path.value.strip()
        )
        self._pad.show_message(f"{self.key} reads now.")

    def _save_page(self) -> None:
        if self._pad.state.model is None:
            raise ValueError("There is no network to save yet: choose one above the pad.")
        path = self._pad.catalog.path.with_name(
            f"{Path(self.key).stem.removeprefix('shipped:')}.html"
        )
        export_page(self._pad.catalog.source(self.key), path)
        self._pad.show_message(
            f"{path} reads without Python: open it in any browser, or send it to your phone."
        )
