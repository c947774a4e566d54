"""What the pad's two papers have in common: a brush, an eraser, and steps taken back and forth."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ipywidgets import Button, IntSlider, ToggleButtons

from mnist_nb.drawing.sketch import Sketch
from mnist_nb.widgets.canvas import LOCK, InkCanvas, Point
from mnist_nb.widgets.common import Attempt, beside, button
from mnist_nb.widgets.pad.state import PadState

DRAW, ERASE = "Draw", "Erase"


class Paper:
    """Paper to draw on, for a panel that shows what it can be asked to `say` and, after each step, to `refresh`."""

    say: Callable[..., None]
    refresh: Callable[[], None]
    _ink: InkCanvas
    _drawn: PadState | Sketch  # what holds the strokes

    def undo(self) -> None:
        """Take a picture off the paper if one lies there, else take back the last stroke."""
        self._step(self._drawn.undo, "There is nothing to undo.")

    def redo(self) -> None:
        """Bring back the stroke that was taken back last."""
        self._step(self._drawn.redo, "There is nothing to redo.")

    def clear(self) -> None:
        """Leave the paper empty; `undo` brings the drawing back."""
        self._step(self._drawn.clear)

    def _step(self, step: Callable[[], object], nothing: str = "") -> None:
        with self._changing():
            done = step()
            if nothing:
                self.say("" if done else nothing)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """What is done inside is shown, however it ends; an open stroke ends before."""
        with LOCK:
            self._ink.finish()
            try:
                yield
            finally:
                self.refresh()

    def _make_brush(self, brushes: tuple[int, int, int], width: int, pen: str) -> None:
        """The choice between pen and eraser, and a slider for brushes: the narrowest, the first and the widest."""
        low, first, high = brushes
        self._tool = ToggleButtons(options=[DRAW, ERASE], tooltips=[pen, "Take ink away"])
        tooltip = "Width of the brush in pixels"
        self._brush = beside(IntSlider, "Brush", f"{width}px", first, low, high, tooltip=tooltip)

    def _make_buttons(self, attempt: Attempt, width: int, undo: str, redo: str, clear: str) -> list[Button]:
        """Undo, Redo and Clear, with these tooltips."""
        new: Any = partial(button, attempt, width=f"{width}px")
        self._undo = new("Undo", undo, self.undo, icon="undo")
        return [self._undo, new("Redo", redo, self.redo, icon="repeat"), new("Clear", clear, self.clear, icon="trash")]

    def _take_brush(self) -> None:
        self._ink.width, self._ink.erasing = self._brush.value, self._tool.value == ERASE

    def _ended(self, points: Sequence[Point]) -> None:
        self._drawn.add_stroke(points, self._ink.width, self._ink.erasing)
        self.refresh()
