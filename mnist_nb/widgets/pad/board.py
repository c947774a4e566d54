"""The pad's paper, what is read on it, and what the panels around it share: MNIST's images, the
reader's digits."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from threading import Thread

import numpy as np
from ipywidgets import HTML, Checkbox, IntSlider, ToggleButtons, Widget
from numpy.typing import ArrayLike
from torch import nn

from mnist_nb.data import Mnist, load_mnist
from mnist_nb.handwriting.my_digits import DigitsError, MyDigits
from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.sketch import Sketch, as_points
from mnist_nb.widgets.callbacks import LOCK, describe_error
from mnist_nb.widgets.canvas import InkCanvas, Point, Sheet
from mnist_nb.widgets.common import Panel, labelled, make_button, on_change
from mnist_nb.widgets.markup import message
from mnist_nb.widgets.model_catalog import ModelCatalog
from mnist_nb.widgets.pad import pad_markup as pad_page
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.prediction import Prediction, read

SIZE = 280
HINT = "draw a digit here"
BRUSHES = (6, 16, 40)  # narrowest, first and widest, in pixels
_LIVE_EVERY = 0.2  # seconds between guesses while a stroke is being drawn


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
        self,
        size: tuple[int, int],
        brushes: tuple[int, int, int],
        name: str,
        tooltips: tuple[str, str, str],
    ) -> None:
        super().__init__()
        self.state = PadState(size=size[0])
        self._ink = InkCanvas(*size, name)
        self._ink.began = lambda: self.attempt(self._began)
        self._ink.moved = lambda points: self.attempt(partial(self._moved, points))
        self._ink.ended = lambda points: self.attempt(partial(self._ended, points))
        self._ink.on_key_down(self._key)
        self._tool = ToggleButtons(
            options=["Draw", "Erase"], tooltips=["Draw with the pen", "Take ink away"]
        )
        low, first, high = brushes
        self._brush = labelled(
            IntSlider, "Brush", "280px", first, low, high, tooltip="Width of the brush in pixels"
        )
        steps = (
            ("Undo", self.undo, "undo"),
            ("Redo", self.redo, "repeat"),
            ("Clear", self.clear, "trash"),
        )
        self._steps = [
            make_button(self.attempt, label, tooltip, step, icon=icon, width="90px")
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
            self.show_message("" if step() else nothing)

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
        self._ink.brush, self._ink.erasing = self._brush.value, self._tool.value == "Erase"
        if self.state.picture is not None:  # a new drawing begins
            self.state.clear()
        if not self.state.strokes:
            self._ink.show(Sheet())  # without a picture or a hint

    def _moved(self, points: Sequence[Point]) -> None:
        """The open stroke has grown to these points."""

    def _ended(self, points: Sequence[Point]) -> None:
        self.state.add_stroke(points, self._ink.brush, self._ink.erasing)
        self.refresh()

    def _key(self, key: str, shift: bool, *_: bool) -> None:
        if key == "Tab":  # or the keyboard could not leave the paper
            (self.before if shift else self._steps[0]).focus()


class Board(Paper):
    """The paper, and what the network reads on it: all that the panels around it work on.

    Args:
        data: MNIST's images; without them `load_mnist()` is called when they are needed.
        model: a network that is already loaded.
        path: where the reader's own network lies or will lie.
        digits: the file of the reader's own digits.

    Attributes:
        catalog: the networks that can read.
        hint: what stands on the empty paper.
        is_closed: whether what goes on in the background has to end.
    """

    is_closed = False
    _thread: Thread | None = None  # the last one that was begun

    def __init__(
        self,
        data: Mnist | None = None,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        digits: str | Path = "my_digits.safetensors",
    ) -> None:
        tooltips = (
            "Undo: take back the last stroke",
            "Redo: bring back the last stroke",
            "Clear the pad",
        )
        super().__init__((SIZE, SIZE), BRUSHES, "Paper to draw a digit on", tooltips)
        self.catalog = ModelCatalog(model, path)
        self.hint = HINT
        self._data, self._digits_path = data, digits
        self._last_live = 0.0
        refuse = labelled(Checkbox, "Say when it is no digit", None, True, indent=False)
        self._refuse = on_change(self.attempt, refuse, self.refresh)
        self._reading = HTML()
        self._message = HTML(layout={"width": "430px", "margin": "10px 0 0"})
        self._build()

    def _build(self) -> None:
        """Make the panels, and lay all of it out."""
        raise NotImplementedError

    # ---- what a notebook or a test can do with it

    @property
    def guess(self) -> Prediction | None:
        """(digit, probabilities float32 `[10]`) of what is on the pad; None if that is nothing."""
        with LOCK:
            return self._predict(self.state.image())

    @property
    def image(self) -> Pixels | None:
        """What the network sees, uint8 `[28, 28]`; None if the pad is empty."""
        with LOCK:
            return self.state.image()

    @cached_property
    def digits(self) -> MyDigits:
        """The reader's digits.

        Raises:
            DigitsError: if their file cannot be read; it is left as it is.
        """
        return MyDigits(self._digits_path)

    def some_digits(self) -> MyDigits:
        """The reader's digits. Raises DigitsError likewise, or if there are none."""
        if not len(self.digits):
            raise DigitsError("There are no digits of yours yet: collect some, or import a file.")
        return self.digits

    def replay(self, strokes: Sequence[ArrayLike], width: float = BRUSHES[1]) -> Prediction | None:
        """Draw strokes `[n, 2]` in pixels of the pad, x right and y down, as a hand would; the
        guess after the last.

        Raises:
            ValueError: for points or a width that are none; the strokes before them are drawn.
        """
        with self._changing():
            for points in strokes:
                self.state.add_stroke(np.clip(as_points(points), 0, SIZE), width)
        return self.guess

    def draw(self, sketch: Sketch) -> Prediction | None:
        """Put a drawing on the pad in place of what is there, scaled to the pad's size; the
        guess."""
        with self._changing():
            self.state.clear()
            scale = SIZE / sketch.size
            for stroke in sketch.strokes:
                self.state.add_stroke(stroke.points * scale, stroke.width * scale, stroke.erase)
        return self.guess

    def pick(self, picture: ArrayLike) -> Prediction | None:
        """Lay a picture, uint8 `[28, 28]`, on the pad; the guess. Raises ValueError for another
        type or shape."""
        with self._changing():
            self.state.pick(picture)
        return self.guess

    def close(self) -> None:
        """End what goes on in the background, then take the pad out of the page; files stay."""
        self.is_closed = True
        if self._thread is not None:
            self._thread.join()
        super().close()

    # ---- what the panels ask for

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Show a sentence under what is read."""
        self._message.value = message(text, is_error=is_error)

    def refresh(self) -> None:
        """Show what is on the pad, and read it."""
        state = self.state
        self._read(state.image())
        changed = None if state.picture is None else state.transform.apply(state.picture)
        self._ink.show(Sheet(state.strokes, changed, self.hint))

    def in_background(self, work: Callable[[], object]) -> Thread | None:
        """Do this on a thread, after what was begun before; what it raises is said. A closed pad
        does nothing."""
        if self.is_closed:
            return None
        self._thread = Thread(
            target=self._work, args=(self._thread, work), name="drawing pad", daemon=True
        )
        self._thread.start()
        return self._thread

    def with_data(self, then: Callable[[Mnist], object]) -> None:
        """Call with MNIST's images, at once if they are there: a click never waits until they are
        loaded."""
        do = self.in_background if self._data is None else self.attempt
        do(lambda: then(self.load_data()))

    def load_data(self) -> Mnist:
        """MNIST's images, loaded if they were not yet; for work in the background.

        Raises:
            RuntimeError: if the pad was closed meanwhile.
        """
        if self._data is None:
            self.show_message("Loading MNIST ...")
            self._data = load_mnist()
            self.show_message("MNIST is loaded.")
        self.check_open()
        return self._data

    def check_open(self) -> None:
        """End work in the background by a RuntimeError once the pad is closed."""
        if self.is_closed:
            raise RuntimeError("the pad was closed")

    def _work(self, before: Thread | None, work: Callable[[], object]) -> None:
        if before is not None:
            before.join()
        if not self.is_closed:
            try:
                work()
            except Exception as error:
                self.show_message(describe_error(error), is_error=True)

    # ---- what the hand does

    def _moved(self, points: Sequence[Point]) -> None:
        if not self._ink.erasing and time.monotonic() - self._last_live >= _LIVE_EVERY:
            self._read(self.state.image(points, self._ink.brush))
            self._last_live = time.monotonic()

    def _read(self, image: Pixels | None) -> None:
        self._reading.value = pad_page.reading(image, self._predict(image))

    def _predict(self, image: Pixels | None) -> Prediction | None:
        """What the network reads; None if there is no image or nothing can read."""
        model = self.state.model
        return (
            None
            if image is None or model is None
            else read(model, image, refuse=self._refuse.value)
        )
