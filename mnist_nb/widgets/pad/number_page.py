"""The pad's page for whole numbers, which are read while they are written."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ipywidgets import HTML, HBox, Text, VBox
from numpy.typing import ArrayLike

from mnist_nb.handwriting.numbers import Number, ReadDigit, read_ink, read_number
from mnist_nb.handwriting.picture_files import Crop, load_grey
from mnist_nb.handwriting.pictures import ink_of_grey
from mnist_nb.handwriting.preprocessing import EmptySketchError
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.canvas import Note
from mnist_nb.widgets.common import labelled, make_button
from mnist_nb.widgets.pad import pad_markup
from mnist_nb.widgets.pad.drawing import Drawing
from mnist_nb.widgets.pad.paper import Brushes, Paper, PaperNames
from mnist_nb.widgets.pad.photo import PhotoPicker
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.prediction import describe_digit_count

WIDTH, HEIGHT = 690, 220  # pixels
HINT = "write a number here: 2026"
BRUSHES = Brushes(4, 8, 24)
NAMES = PaperNames(
    paper="Paper to write a number on",
    undo="Undo the last stroke of the number",
    redo="Redo the last stroke of the number",
    clear="Empty the wide page",
)
NOTHING = Number("", [], 0.0)

_NOTE_GAP = 12  # pixels from a digit to its reading
_NOTE_X, _NOTE_Y = 8, 9  # pixels between a note and the paper's edges
_KEPT_MARGIN = 20  # pixels around a saved digit


class NumberPage(VBox):  # type: ignore[misc]
    """Paper for numbers, with the reading beside each digit, and the whole number below.

    Args:
        state: the state of the pad, whose network reads.

    Attributes:
        drawing: the written number.
        number: the reading, without digits if there is no ink or no network.
        truth: a field for the correct number.
        photo: a button for a photo of a number, with the digits found in it.
    """

    def __init__(self, state: PadState) -> None:
        self._state = state
        self.drawing = Drawing(WIDTH, HEIGHT)
        self.number = NOTHING
        self.paper = Paper(state, self.drawing, BRUSHES, NAMES)
        self.paper.brush.layout.width = "210px"
        self.paper.tool.style.button_width = "70px"
        self._reading = HTML()
        tooltip = "The digits on the page, from left to right"
        self.truth = labelled(Text, "That was", "220px", tooltip=tooltip)
        tooltip = "Save each digit of the number among my digits"
        keep = make_button(state.attempt, "Save its digits", tooltip, self.keep, icon="check")
        self.paper.tool.layout.margin = "2px 0 0"  # in line with the buttons
        tools = HBox([*self.paper.buttons, self.paper.tool, self.paper.brush])
        self.photo = PhotoPicker("Photo of a number", self._read_photo)
        answer = HBox([self.truth, keep])
        super().__init__([self.paper.sheet, tools, self._reading, answer, self.photo])
        self.add_class("pad-numbers")
        self.drawing.observe(self._show, "content")
        state.observe(self._show, "model")
        state.observe(lambda _: self.photo.attempt(self.photo.refresh), "model")
        self._show()

    def replay(self, strokes: Sequence[ArrayLike], width: float = BRUSHES.first) -> Number:
        """Draw strokes, and return the reading.

        Args:
            strokes: each `[n, 2]` in pixels of the paper, x right and y down.
            width: the width of the brush in pixels.
        """
        self.drawing.add_strokes(strokes, width)
        return self.number

    def keep(self) -> None:
        """Save each digit with its strokes and its label from `truth`.

        Raises:
            ValueError: if `truth` has more or fewer digits than the paper.
        """
        digits = self.number.digits
        labels = [int(sign) for sign in self.truth.value if sign.isdecimal()]
        if not digits or len(labels) != len(digits):
            raise ValueError(
                f"I see {describe_digit_count(len(digits))} on the page: write a number, then type "
                "all of its digits."
            )
        self._state.keep_all([_sketch_of(digit) for digit in digits], labels)

    def _show(self, _: Any = None) -> None:
        with LOCK:
            self.number, problem = self._read()
            self.paper.show(HINT, [_note_beside(digit) for digit in self.number.digits])
            self._reading.value = pad_markup.number(self.number, problem)
            self.truth.value = self.number.text.replace("\n", " ")

    def _read(self) -> tuple[Number, str]:
        """Return the number, or nothing and the reason."""
        if self._state.model is None:
            return NOTHING, ""
        try:
            return read_number(self.drawing.sketch, self._state.model), ""
        except EmptySketchError:
            return NOTHING, ""
        except ValueError as error:
            return NOTHING, str(error)

    def _read_photo(self, _: str, photo: bytes, crop: Crop) -> str:
        """Return the digits of a photo in frames, its ink, and a sentence, as HTML."""
        picture = load_grey(photo, crop)
        ink = ink_of_grey(picture)
        if self._state.model is None:
            raise ValueError("there is no network that could read it: choose one above")
        number, problem = NOTHING, ""
        try:
            number = read_ink(ink, self._state.model)
        except ValueError as error:
            problem = str(error)
        return pad_markup.number_steps(picture, ink, number, problem)


def _note_beside(digit: ReadDigit) -> Note:
    """Return the reading of a digit above it, or below where there is no room above."""
    left, top, right, bottom = digit.box
    middle = (left + right) / 2
    x = np.clip(middle, _NOTE_X, WIDTH - _NOTE_X)
    above = top - _NOTE_GAP
    below = min(bottom + _NOTE_GAP, HEIGHT - _NOTE_Y)
    y = above if above >= _NOTE_Y else below
    return Note(float(x), float(y), digit.text)


def _sketch_of(digit: ReadDigit) -> Sketch:
    """Return a sketch of a single digit in the middle of a square."""
    corner, end = np.reshape(digit.box, (2, 2))  # [(x, y)]
    side = max(end - corner) + 2 * _KEPT_MARGIN
    to_middle = (side - corner - end) / 2
    sketch = Sketch(side)
    for stroke in digit.strokes:
        sketch.add_stroke(stroke.points + to_middle, stroke.width)
    return sketch
