"""The pad's list of networks, and the panel that opens another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipywidgets import Dropdown, FileUpload, HBox, Text, VBox

from mnist_nb.checkpoints import CheckpointError
from mnist_nb.widgets.common import button, guarded, take

if TYPE_CHECKING:
    from mnist_nb.widgets.pad.panel import DrawingPad


class ModelPicker:
    """Chooses which network reads.

    Args:
        pad: whose network it is.

    Attributes:
        list: the list of networks, to stand above the pad.
        panel: opens a network from a file.
        key: of the network that reads, see `ModelCatalog`; empty if none does.
    """

    def __init__(self, pad: DrawingPad) -> None:
        self._pad = pad
        self.key = ""
        self.list = Dropdown(description="Read by", layout={"width": "440px"}, tooltip="Which network reads the pad")
        self.list.style.description_width = "initial"
        self.list.observe(self._chosen, "value")
        self._path = Text(placeholder="folder/model.safetensors", description="File", layout={"width": "340px"})
        self._path.style.description_width = "initial"
        self._upload = FileUpload(
            accept=".safetensors", description="Open from this computer", layout={"width": "auto"}
        )
        self._upload.observe(self._uploaded, "value")
        self.panel = VBox(
            [
                HBox([self._path, button("Open", "Let the network in this file read", self._open)]),
                HBox([self._upload, button("Look again", "See which files are there now", self._look)]),
            ]
        )

    def choose(self, reader: str) -> None:
        """Let another network read: a key from the list, or a model's file.

        Raises:
            CheckpointError: if the file does not hold a model; the one before goes on reading.
        """
        keys = [key for _, key in self._pad.readers.options()]
        key = reader if reader in keys else self._pad.readers.open_file(reader)
        self._pad.state.model, self.key = self._pad.readers.load(key), key
        self._offer()
        self._pad.refresh()

    def choose_first(self) -> None:
        """Let the first network read that can be loaded, and say why if none can."""
        problem = "There is no network to read with yet: train one (notebook 02), or open its file under Networks."
        for _, key in self._pad.readers.options():
            try:
                self._pad.state.model, self.key = self._pad.readers.load(key), key
                break
            except CheckpointError as error:
                problem = str(error)
        else:
            self.say(problem, wrong=True)
        self._offer()

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show a sentence under the pad."""
        self._pad.say(text, wrong=wrong)

    def _offer(self) -> None:
        """Show what can be chosen now, without choosing it."""
        options = self._pad.readers.options()
        if self.key not in [key for _, key in options]:
            options.insert(0, ("no longer there" if self.key else "none yet", self.key))
        self.list.unobserve(self._chosen, "value")
        try:
            self.list.options = options
            self.list.value = self.key
        finally:
            self.list.observe(self._chosen, "value")

    @guarded
    def _chosen(self) -> None:
        try:
            if self.list.value:
                self.choose(self.list.value)
                self.say("")
        finally:
            self._offer()  # which shows who still reads if that failed

    @guarded
    def _open(self) -> None:
        if path := self._path.value.strip():
            self.choose(path)
            self.say(f"{path} reads now.")

    @guarded
    def _uploaded(self) -> None:
        if (file := take(self._upload)) is not None:
            name, content = file
            self.choose(self._pad.readers.open_content(name, content))
            self.say(f"{name} reads now.")

    @guarded
    def _look(self) -> None:
        if self._pad.state.model is None:
            self.choose_first()
            self._pad.refresh()
        else:
            self._offer()
