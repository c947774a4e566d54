"""The pad's wide page: whole numbers, each digit read as it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from ipywidgets import HTML, DOMWidget, HBox, IntSlider, ToggleButtons, VBox
from numpy.typing import ArrayLike
from torch import nn

from mnist_nb.drawing.preprocessing import EmptySketchError
from mnist_nb.drawing.sketch import Sketch, as_points
from mnist_nb.my_digits.reading import Number, read_number
from mnist_nb.widgets.canvas import LOCK, InkCanvas, Point
from mnist_nb.widgets.common import BESIDE, button
from mnist_nb.widgets.pad import html as pad_page
from mnist_nb.widgets.pad.board import DRAW, ERASE, Board

WIDTH, HEIGHT = 690, 220
BRUSHES = (4, 8, 24)  # narrowest, first and widest, in pixels
_ABOVE = 12  # pixels from a digit to what is read in it


class NumberPage(VBox):  # type: ignore[misc]
    """Paper for numbers: what is read stands above each digit, and the whole number below.

    Args:
        pad: whose network reads, and which says what could not be done.
        before: what the keyboard goes back to from the paper.

    Attributes:
        sketch: the drawing.
        number: what is read in it; None if it is empty or nobody can read.
        model: the network that read it.
    """

    def __init__(self, pad: Board, before: DOMWidget) -> None:
        self._pad, self._before = pad, before
        self.sketch = Sketch(WIDTH)
        self.number: Number | None = None
        self.model: nn.Module | None = None
        self._ink = InkCanvas(
            WIDTH, HEIGHT, began=self._began, ended=lambda points: pad.attempt(partial(self._ended, points))
        )
        self._ink.on_key(self._key)
        self._reading = HTML()
        new = partial(button, pad.attempt, width="80px")
        self._undo = new("Undo", "Take back the last stroke of the number", self.undo, icon="undo")
        redo = new("Redo", "Bring back the last stroke of the number", self.redo, icon="repeat")
        clear = new("Clear", "Empty the wide page", self.clear, icon="trash")
        self._tool = ToggleButtons(options=[DRAW, ERASE], tooltips=["Write with the pen", "Take ink away"])
        self._tool.style.button_width = "70px"
        low, first, high = BRUSHES
        self._brush = IntSlider(
            first, low, high, description="Brush", tooltip="Width of the brush in pixels", style=BESIDE,
            layout={"width": "210px"},
        )  # fmt: skip
        row = HBox([self._undo, redo, clear, self._tool, self._brush], layout={"flex_flow": "row wrap"})
        super().__init__([self._ink.widget, row, self._reading])

    def replay(self, strokes: Sequence[ArrayLike], width: float = BRUSHES[1]) -> Number | None:
        """Write strokes `[n, 2]` in pixels of the page, x right and y down, as a hand would; what is read then."""
        with LOCK:
            self._ink.finish()
            for points in strokes:
                self.sketch.add_stroke(np.clip(as_points(points), 0, (WIDTH, HEIGHT)), width)
            self.refresh()
            return self.number

    def undo(self) -> None:
        """Take back the last stroke."""
        self._step(self.sketch.undo, "There is nothing to undo.")

    def redo(self) -> None:
        """Bring back the stroke that was taken back last."""
        self._step(self.sketch.redo, "There is nothing to redo.")

    def clear(self) -> None:
        """Leave the page empty; `undo` brings the drawing back."""
        self._step(self.sketch.clear)

    def refresh(self) -> None:
        """Read what is on the page, and show it."""
        self.model = self._pad.state.model
        try:
            self.number = None if self.model is None else read_number(self.sketch, self.model)
        except EmptySketchError:
            self.number = None
        digits = [] if self.number is None else self.number.digits
        notes = [
            (min(max((box[0] + box[2]) / 2, 8), WIDTH - 8), max(box[1] - _ABOVE, 9), digit.text)
            for digit in digits for box in [digit.box]
        ]  # fmt: skip
        self._ink.show(self.sketch.strokes, hint="write a number here: 2026", notes=notes)
        self._reading.value = pad_page.number(self.number)

    def _step(self, step: Callable[[], object], nothing: str = "") -> None:
        with LOCK:
            self._ink.finish()
            self._pad.say(nothing if step() is False else "")
            self.refresh()

    def _began(self) -> None:
        self._ink.width, self._ink.erasing = self._brush.value, self._tool.value == ERASE
        if not self.sketch.strokes:
            self._ink.show()  # without the hint

    def _ended(self, points: Sequence[Point]) -> None:
        self.sketch.add_stroke(points, self._ink.width, self._ink.erasing)
        self.refresh()

    def _key(self, key: str, shift: bool) -> None:
        if key == "Tab":  # or the keyboard could not leave the paper
            (self._before if shift else self._undo).focus()
