"""The pad's wide page: whole numbers, each digit read as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from ipywidgets import HTML, DOMWidget, HBox, VBox
from numpy.typing import ArrayLike
from torch import nn

from mnist_nb.data.arguments import check_arguments
from mnist_nb.drawing.preprocessing import EmptySketchError
from mnist_nb.drawing.sketch import Sketch, as_points
from mnist_nb.my_digits.reading import Number, read_number
from mnist_nb.widgets.canvas import InkCanvas
from mnist_nb.widgets.pad import html as pad_page
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.pad.paper import Paper

WIDTH, HEIGHT = 690, 220
BRUSHES = (4, 8, 24)  # narrowest, first and widest, in pixels
_ABOVE = 12  # pixels from a digit to what is read in it


class NumberPage(Paper, VBox):  # type: ignore[misc]
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
        self._pad, self._before, self.say = pad, before, pad.say
        self.sketch = self._drawn = Sketch(WIDTH)
        self.number: Number | None = None
        self.model: nn.Module | None = None
        self._ink = InkCanvas(
            WIDTH, HEIGHT, began=self._began, ended=lambda points: pad.attempt(partial(self._ended, points))
        )
        self._ink.on_key(self._key)
        self._reading = HTML()
        steps = "Take back the last stroke of the number", "Bring back the last stroke of the number"
        buttons = self._make_buttons(pad.attempt, 80, *steps, "Empty the wide page")
        self._make_brush(BRUSHES, 210, "Write with the pen")
        self._tool.style.button_width = "70px"
        row = HBox([*buttons, self._tool, self._brush], layout={"flex_flow": "row wrap"})
        super().__init__([self._ink.widget, row, self._reading])

    @check_arguments
    def replay(self, strokes: Sequence[ArrayLike], width: float = BRUSHES[1]) -> Number | None:
        """Write strokes `[n, 2]` in pixels of the page, x right and y down, as a hand would; what is read then."""
        with self._changing():
            for points in strokes:
                self.sketch.add_stroke(np.clip(as_points(points), 0, (WIDTH, HEIGHT)), width)
        return self.number

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

    def _began(self) -> None:
        self._take_brush()
        if not self.sketch.strokes:
            self._ink.show()  # without the hint

    def _key(self, key: str, shift: bool) -> None:
        if key == "Tab":  # or the keyboard could not leave the paper
            (self._before if shift else self._undo).focus()
