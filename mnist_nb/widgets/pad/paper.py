"""Paper to draw on, with a brush, an eraser, and steps taken back and forth: the pad's, and that of its wide page."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from ipywidgets import IntSlider, ToggleButtons, Widget

from mnist_nb.widgets.canvas import LOCK, InkCanvas, Point, Sheet
from mnist_nb.widgets.common import Panel, beside, button
from mnist_nb.widgets.pad.state import PadState

DRAW, ERASE = "Draw", "Erase"


class Paper(Panel):
    """A panel with paper, a brush, and the buttons Undo, Redo and Clear.

    Args:
        size: width and height in pixels.
        brushes: the narrowest, the first and the widest, in pixels.
        name: what the paper is called where it cannot be seen.
        tooltips: of the three buttons.

    Attributes:
        state: what is drawn, and the network that reads it.
        before: what the keyboard goes back to from the paper.
    """

    before: Widget

    def __init__(
        self, size: tuple[int, int], brushes: tuple[int, int, int], name: str, tooltips: tuple[str, str, str]
    ) -> None:
        super().__init__()
        self.state = PadState(size=size[0])
        self._ink = InkCanvas(
            *size,
            name=name,
            began=lambda: self.attempt(self._began),
            moved=lambda points: self.attempt(partial(self._moved, points)),
            ended=lambda points: self.attempt(partial(self._ended, points)),
        )
        self._ink.widget.on_key_down(self._key)
        self._tool = ToggleButtons(options=[DRAW, ERASE], tooltips=["Draw with the pen", "Take ink away"])
        low, first, high = brushes
        self._brush = beside(IntSlider, "Brush", "280px", first, low, high, tooltip="Width of the brush in pixels")
        steps = ("Undo", self.undo, "undo"), ("Redo", self.redo, "repeat"), ("Clear", self.clear, "trash")
        self._steps = [
            button(self.attempt, label, tooltip, step, icon=icon, width="90px")
            for (label, step, icon), tooltip in zip(steps, tooltips, strict=True)
        ]

    def undo(self) -> None:
        """Take a picture off the paper if one lies there, else take back the last stroke."""
        self._step(self.state.undo, "There is nothing to undo.")

    def redo(self) -> None:
        """Bring back the stroke that was taken back last."""
        self._step(self.state.redo, "There is nothing to redo.")

    def clear(self) -> None:
        """Leave the paper empty; `undo` brings the drawing back."""
        with self._changing():
            self.state.clear()

    def refresh(self) -> None:
        """Show what is on the paper, and read it."""
        raise NotImplementedError

    def _step(self, step: Callable[[], bool], nothing: str) -> None:
        with self._changing():
            self.say("" if step() else nothing)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """What is done inside is shown, however it ends; an open stroke ends before."""
        with LOCK:
            self._ink.finish()
            try:
                yield
            finally:
                self.refresh()

    # ---- what the hand does

    def _began(self) -> None:
        self._ink.width, self._ink.erasing = self._brush.value, self._tool.value == ERASE
        self.state.begin()
        if not self.state.strokes:
            self._ink.show(Sheet())  # without a picture or a hint

    def _moved(self, points: Sequence[Point]) -> None:
        """The open stroke has grown to these points."""

    def _ended(self, points: Sequence[Point]) -> None:
        self.state.add_stroke(points, self._ink.width, self._ink.erasing)
        self.refresh()

    def _key(self, key: str, shift: bool, *_: bool) -> None:
        if key == "Tab":  # or the keyboard could not leave the paper
            (self.before if shift else self._steps[0]).focus()
