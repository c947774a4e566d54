"""The pad's page for one digit."""

from typing import Any

from ipywidgets import HBox, VBox

from mnist_nb.widgets.pad.paper import Brushes, Paper, PaperNames
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.prediction import with_article

HINT = "draw a digit here"
BRUSHES = Brushes(6, 16, 40)
NAMES = PaperNames(
    paper="Paper to draw a digit on",
    undo="Undo the last stroke",
    redo="Redo the last stroke",
    clear="Clear the pad",
)


class DigitPage(VBox):  # type: ignore[misc]
    """Paper for one digit. Enter saves the digit that was asked for."""

    def __init__(self, state: PadState) -> None:
        self._state = state
        self.paper = Paper(state, state.drawing, BRUSHES, NAMES)
        self.paper.canvas.on_key_down(self._keep)
        buttons = HBox(self.paper.buttons)
        super().__init__([self.paper.sheet, self.paper.tool, self.paper.brush, buttons])
        state.drawing.observe(self._show, "content")
        state.collection.observe(self._show, "snapshot")
        self._show()

    def _show(self, _: Any = None) -> None:
        wanted = self._state.collection.wanted
        hint = HINT if wanted is None else f"draw {with_article(wanted)}"
        self.paper.show(hint)

    def _keep(self, key: str, *_: bool) -> None:
        if key == "Enter":
            self._state.attempt(self._state.keep_wanted)
