"""The pad's wide page: whole numbers, each digit read as it is written, and kept as one of the
reader's own."""

import contextlib
from collections.abc import Callable, Sequence

import numpy as np
from ipywidgets import HTML, HBox, Text
from numpy.typing import ArrayLike

from mnist_nb.handwriting.numbers import Number, ReadDigit, read_number
from mnist_nb.handwriting.preprocessing import EmptySketchError
from mnist_nb.handwriting.sketch import Sketch, as_points
from mnist_nb.widgets.canvas import Sheet
from mnist_nb.widgets.common import describe_digit_count, labelled, make_button
from mnist_nb.widgets.pad import pad_markup as pad_page
from mnist_nb.widgets.pad.board import Board, Paper

WIDTH, HEIGHT = 690, 220
BRUSHES = (4, 8, 24)  # narrowest, first and widest, in pixels
_ABOVE = 12  # pixels from a digit to what is read in it
_MARGIN = 20  # pixels around a digit that is kept
_NOTHING = Number("", [], 0.0)


class NumberPage(Paper):
    """Paper for numbers: what is read stands above each digit, and the whole number below.

    Args:
        pad: whose network reads, and which says what could not be done.
        keep: keeps drawings with their labels.

    Attributes:
        number: what is read; it has no digits if the page is empty or nobody can read.
        truth: where the reader says what it really was.
    """

    def __init__(self, pad: Board, keep: Callable[[Sequence[Sketch], Sequence[int]], None]) -> None:
        strokes = (
            "Take back the last stroke of the number",
            "Bring back the last stroke of the number",
        )
        super().__init__(
            (WIDTH, HEIGHT),
            BRUSHES,
            "Paper to write a number on",
            (*strokes, "Empty the wide page"),
        )
        self._pad, self._keep = pad, keep
        self.number = _NOTHING
        self._reading = HTML()
        self.truth = labelled(
            Text,
            "That was",
            "220px",
            tooltip="The digits that stand on the page, from left to right",
        )
        hint = "Keep each digit of the number as one of mine"
        answer = HBox(
            [
                self.truth,
                make_button(self.attempt, "Keep its digits", hint, self.keep, icon="check"),
            ]
        )
        self._brush.layout.width, self._tool.style.button_width = "210px", "70px"
        tools = HBox([*self._steps, self._tool, self._brush], layout={"flex_flow": "row wrap"})
        self.children = [self._ink, tools, self._reading, answer]

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Have the pad show a sentence."""
        self._pad.show_message(text, is_error=is_error)

    def replay(self, strokes: Sequence[ArrayLike], width: float = BRUSHES[1]) -> Number:
        """Write strokes `[n, 2]` in pixels of the page, x right and y down, as a hand would; what
        is read then."""
        with self._changing():
            for points in strokes:
                self.state.add_stroke(np.clip(as_points(points), 0, (WIDTH, HEIGHT)), width)
        return self.number

    def keep(self) -> None:
        """Keep each digit with its strokes, labelled as `truth` says.

        Raises:
            ValueError: if `truth` has more or fewer digits than there are on the page.
        """
        digits = self.number.digits
        labels = [int(sign) for sign in self.truth.value if sign.isdecimal()]
        if not digits or len(labels) != len(digits):
            raise ValueError(
                f"I see {describe_digit_count(len(digits))} on the page: write a number, then type all of its digits."
            )
        self._keep([_drawing(digit) for digit in digits], labels)

    def refresh(self) -> None:
        """Read what is on the page, and show it."""
        model = self.state.model = self._pad.state.model
        self.number = _NOTHING
        with contextlib.suppress(EmptySketchError):
            self.number = _NOTHING if model is None else read_number(self.state, model)
        notes = []
        for digit in self.number.digits:
            left, top, right, _ = digit.box
            notes.append(
                (np.clip((left + right) / 2, 8, WIDTH - 8), max(top - _ABOVE, 9), digit.text)
            )
        self._ink.show(Sheet(self.state.strokes, hint="write a number here: 2026", notes=notes))
        self._reading.value = pad_page.number(self.number)
        self.truth.value = self.number.text.replace("\n", " ")


def _drawing(digit: ReadDigit) -> Sketch:
    """A digit alone, in the middle of a canvas of its own."""
    corner, end = np.reshape(digit.box, (2, 2))
    side = max(end - corner) + 2 * _MARGIN
    sketch = Sketch(side)
    for stroke in digit.strokes:
        sketch.add_stroke(stroke.points + (side - corner - end) / 2, stroke.width)
    return sketch
