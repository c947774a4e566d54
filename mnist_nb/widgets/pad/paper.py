"""Paper to draw on, with a brush, an eraser, and the buttons Undo, Redo and Clear.

`paper.js` adds in the browser what ipycanvas lacks: it follows a stroke beyond the edge and with
Shift held, lets the wheel scroll the page, and shows a notice if the kernel does not answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ipywidgets import HTML, IntSlider, ToggleButtons, VBox, Widget

from mnist_nb.handwriting.sketch import Stroke, as_points
from mnist_nb.widgets.canvas import InkCanvas, Note, Point, Sheet
from mnist_nb.widgets.common import labelled, make_button, on_change, page_script
from mnist_nb.widgets.pad import pad_markup
from mnist_nb.widgets.pad.drawing import Drawing
from mnist_nb.widgets.pad.state import PadState

ERASE = "Erase"
PAPER_SCRIPT = "pad/paper.js"


@dataclass(frozen=True)
class Brushes:
    """Diameters of the brushes in pixels."""

    narrowest: int
    first: int
    widest: int


@dataclass(frozen=True)
class PaperNames:
    """The names of the paper and its buttons for screen readers."""

    paper: str
    undo: str
    redo: str
    clear: str


class Paper:
    """The widgets for drawing, for a panel that arranges them.

    Args:
        state: shows errors.
        drawing: the drawing to change.
        brushes: the brushes to choose from.
        names: the names of the canvas and the buttons.

    Attributes:
        sheet: the canvas, and the notice that the kernel does not answer.
        canvas, tool, brush, buttons: the other widgets.
        previous: the widget before the canvas for Shift+Tab, because the canvas intercepts the key.
    """

    previous: Widget

    def __init__(
        self, state: PadState, drawing: Drawing, brushes: Brushes, names: PaperNames
    ) -> None:
        self._state = state
        self._drawing = drawing
        width, height = drawing.size
        self.canvas = InkCanvas(int(width), int(height), names.paper)
        self.canvas.moved = lambda points: state.attempt(partial(self._extend, points))
        self.canvas.ended = lambda points: state.attempt(partial(self._finish, points))
        self.canvas.on_key_down(self._leave)
        self._presses = 0
        self._notice = HTML(pad_markup.busy_notice(self._presses))
        self.sheet = VBox([self.canvas, self._notice, page_script(PAPER_SCRIPT)])
        self.sheet.add_class("pad-sheet")
        self.tool = ToggleButtons(
            options=["Draw", ERASE], tooltips=["Draw with the pen", "Take ink away"]
        )
        self.brush = labelled(
            IntSlider,
            "Brush",
            "280px",
            brushes.first,
            brushes.narrowest,
            brushes.widest,
            tooltip="Width of the brush in pixels",
        )
        for control in (self.tool, self.brush):
            on_change(state.attempt, control, self._set_brush)
        self._set_brush()
        new = partial(make_button, state.attempt, width="90px")
        self.buttons = [
            new("Undo", names.undo, self.undo, icon="undo"),
            new("Redo", names.redo, self.redo, icon="repeat"),
            new("Clear", names.clear, self.clear, icon="trash"),
        ]

    def show(self, hint: str, notes: Sequence[Note] = ()) -> None:
        """Show the drawing, with a hint if it is empty and notes above the ink."""
        content = self._drawing.content
        self.canvas.show(Sheet(content.strokes, content.picture, hint, notes))

    def undo(self) -> None:
        """Remove the picture if there is one, otherwise the last stroke."""
        self._step(self._drawing.undo, "There is nothing to undo.")

    def redo(self) -> None:
        """Restore the stroke undone last."""
        self._step(self._drawing.redo, "There is nothing to redo.")

    def clear(self) -> None:
        """Empty the paper. `undo` restores the drawing."""
        self.canvas.finish()
        self._drawing.clear()

    def _step(self, step: Callable[[], bool], problem: str) -> None:
        self.canvas.finish()  # the end of a stroke may have been missed
        self._state.show_message("" if step() else problem)

    def _set_brush(self) -> None:
        self.canvas.brush = self.brush.value
        self.canvas.is_erasing = self.tool.value == ERASE

    def _extend(self, points: Sequence[Point]) -> None:
        if len(points) == 1:
            self._presses += 1
            self._notice.value = pad_markup.busy_notice(self._presses)
        if self._drawing.content.picture is not None:  # a new drawing begins
            self._drawing.clear()
        self._drawing.unfinished = Stroke(
            as_points(points), self.canvas.brush, self.canvas.is_erasing
        )

    def _finish(self, points: Sequence[Point]) -> None:
        self._drawing.add_stroke(points, self.canvas.brush, self.canvas.is_erasing)

    def _leave(self, key: str, shift: bool, *_: bool) -> None:
        if key == "Tab":
            target = self.previous if shift else self.buttons[0]
            target.focus()
