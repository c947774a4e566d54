"""The drawing pad: draw with mouse, finger or pen, or pick a digit with the keyboard; see what is read in it."""

from functools import partial
from pathlib import Path
from typing import Any

from ipywidgets import HTML, Checkbox, HBox, Tab, VBox
from torch import nn

from mnist_nb.data import Mnist
from mnist_nb.widgets.canvas import LOCK
from mnist_nb.widgets.html import stylesheet
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.pad.model_picker import ModelPicker
from mnist_nb.widgets.pad.number_page import NumberPage
from mnist_nb.widgets.pad.teaching import Teaching
from mnist_nb.widgets.pad.transform import TransformPanel
from mnist_nb.widgets.prediction import with_article


class DrawingPad(Board):
    """A pad that reads what is drawn on it, as the last line of a cell.

    Args:
        data: where test images and, for teaching, training images come from; without it `load_mnist()` is called when
            they are needed.
        model: the network that reads first; without it the shipped one that reads hands best, else the one in `path`.
        path: where the reader's own network lies or will lie; networks taught a hand are saved beside it.
        digits: the file of the reader's own digits.

    Attributes:
        state: what is drawn, and the network that reads it.
        catalog: the networks that can read.
        model_picker, transform, teaching, numbers: its panels.
    """

    def __init__(
        self,
        data: Mnist | None = None,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        digits: str | Path = "my_digits.safetensors",
    ) -> None:
        super().__init__(data, model, path)
        self.model_picker = ModelPicker(self)
        self.teaching = Teaching(self, self.model_picker, digits)
        self.transform = TransformPanel(self, self.teaching.images_and_labels)
        self.numbers = NumberPage(self, self.model_picker.list)
        self._ink.on_key(self._key)
        self.children = self._build()
        self.add_class("mnist-pad")
        self.model_picker.choose_first()
        self.refresh()

    def choose(self, model: str) -> None:
        """Let another network read: the key of one in the list, such as "shipped:mlp", or a model's file.

        Raises:
            CheckpointError: if the file does not hold a model; the one before goes on reading.
        """
        with LOCK:
            self.model_picker.choose(model)

    def refresh(self) -> None:
        """Show what is on the pad, and read it; the number too if another network reads now."""
        super().refresh()
        if self.numbers.model is not self.state.model:
            self.numbers.refresh()

    def close(self) -> None:
        """End a lesson and wait for data that are being loaded, then take the pad out of the page; files stay."""
        if hasattr(self, "teaching"):
            self._waiting = []  # before the lesson, which waits for nothing that has not begun
            self.teaching.close()
        super().close()

    def _hint(self) -> str:
        wish = self.teaching.wish
        return super()._hint() if wish is None else f"draw {with_article(wish)}"

    def _let_refuse(self, refuses: bool) -> None:
        self.state.refuses = refuses
        self.refresh()

    def _key(self, key: str, shift: bool) -> None:
        if key == "Enter":
            self.attempt(self.teaching.key_enter)
        elif key == "Tab":  # or the keyboard could not leave the paper
            (self.model_picker.list if shift else self._undo).focus()

    # ---- how it looks

    def _build(self) -> list[Any]:
        steps = "Undo: take back the last stroke", "Redo: bring back the last stroke"
        actions = self._make_buttons(self.attempt, 90, *steps, "Clear the pad")
        drawing = VBox([self._ink.widget, self._tool, self._brush, HBox(actions), self._lag, self._line.widget])
        drawing.layout.flex = "none"  # however long the words beside it are
        refuse = Checkbox(True, description="Say when it is no digit", indent=False)
        refuse.observe(lambda change: self.attempt(partial(self._let_refuse, change["new"])), "value")
        reading = VBox([self._reading, refuse, self.teaching.answers, self._message], layout={"margin": "0 0 0 26px"})
        tabs = Tab([self.transform, self.numbers, *self.teaching.panels.values(), self.model_picker.panel])
        tabs.titles = ["Without a pen", "Whole numbers", *self.teaching.panels, "Networks"]
        whole = HBox([drawing, reading], layout={"margin": "8px 0 0"})
        return [HTML(stylesheet()), self.model_picker.list, whole, tabs]
