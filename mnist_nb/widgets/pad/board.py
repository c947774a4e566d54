"""The pad's paper and what is read on it: drawing, undoing, reading, and MNIST's images where they are asked for."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from ipywidgets import HTML
from numpy.typing import ArrayLike
from torch import nn

from mnist_nb.data import Mnist, load_mnist
from mnist_nb.drawing.preprocessing import Pixels
from mnist_nb.drawing.sketch import Sketch, as_points
from mnist_nb.widgets.canvas import LOCK, InkCanvas, Point, RoundTrip
from mnist_nb.widgets.common import Panel, in_words
from mnist_nb.widgets.model_catalog import ModelCatalog
from mnist_nb.widgets.pad import html as pad_page
from mnist_nb.widgets.pad.paper import Paper
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.prediction import Guess

SIZE = 280
BRUSHES = (6, 16, 40)  # narrowest, first and widest, in pixels
_LIVE_EVERY = 0.2  # seconds between guesses while a stroke is being drawn
_SLOW = 0.15  # seconds from the page to the kernel and back, from which on the ink is seen to lag behind the pen


class Board(Paper, Panel):
    """The paper, its brush, and what the network reads: all that the panels around it work on.

    Args:
        data: MNIST's images; without them `load_mnist()` is called when they are needed.
        model: a network that is already loaded.
        path: where the reader's own network lies or will lie.

    Attributes:
        state: what is drawn, and the network that reads it.
        catalog: the networks that can read.
    """

    def __init__(self, data: Mnist | None, model: nn.Module | None, path: str | Path) -> None:
        self._data = data
        self._loader: threading.Thread | None = None
        self._waiting: list[Callable[[Mnist], None]] = []
        super().__init__()
        self._last_live = 0.0
        self.state = self._drawn = PadState(size=SIZE)
        self.catalog = ModelCatalog(model, path)
        self._ink = InkCanvas(
            SIZE,
            began=lambda: self.attempt(self._began),
            moved=lambda points: self.attempt(partial(self._moved, points)),
            ended=lambda points: self.attempt(partial(self._ended, points)),
        )
        self._make_brush(BRUSHES, SIZE, "Draw with the pen")
        self._line = RoundTrip(self._answered)
        self._lag = HTML(layout={"width": f"{SIZE}px"})  # as wide as the canvas above it
        self._reading = HTML()
        self._message = HTML(layout={"width": "430px", "margin": "10px 0 0"})

    # ---- what a notebook or a test can do with it

    @property
    def guess(self) -> Guess | None:
        """(digit, probabilities float32 `[10]`) of what is on the pad; None if that is nothing."""
        with LOCK:
            return self.state.guess()

    @property
    def image(self) -> Pixels | None:
        """What the network sees, uint8 `[28, 28]`; None if the pad is empty."""
        with LOCK:
            return self.state.image()

    def replay(self, strokes: Sequence[ArrayLike], width: float = BRUSHES[1]) -> Guess | None:
        """Draw strokes `[n, 2]` in pixels of the pad, x right and y down, as a hand would; the guess after the last.

        Raises:
            ValueError: for points or a width that are none; the strokes before them are drawn.
        """
        with self._changing():
            for points in strokes:
                self.state.add_stroke(np.clip(as_points(points), 0, SIZE), width)
        return self.guess

    def draw(self, sketch: Sketch) -> Guess | None:
        """Put a drawing on the pad in place of what is there, scaled to the pad's size; the guess."""
        with self._changing():
            self.state.clear()
            scale = SIZE / sketch.size
            for stroke in sketch.strokes:
                self.state.add_stroke(stroke.points * scale, stroke.width * scale, stroke.erase)
        return self.guess

    def pick(self, picture: ArrayLike) -> Guess | None:
        """Lay a picture, uint8 `[28, 28]`, on the pad; the guess. Raises ValueError for another type or shape."""
        with self._changing():
            self.state.pick(picture)
        return self.guess

    def close(self) -> None:
        """Wait for data that are being loaded, then take the pad out of the page; files stay."""
        self._waiting = []
        loader = getattr(self, "_loader", None)  # a pad that was refused its arguments has none
        if loader is not None and loader is not threading.current_thread():
            loader.join()
        super().close()

    # ---- what the panels ask for

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show a sentence under what is read."""
        self._message.value = pad_page.sentence(text, wrong=wrong)

    def refresh(self) -> None:
        """Show what is on the pad, and read it."""
        state = self.state
        self._read(state.image())
        changed = None if state.picture is None else state.transform.apply(state.picture)
        self._ink.show(state.strokes, picture=changed, hint=self._hint())

    def _hint(self) -> str:
        """What stands on the empty paper."""
        return "draw a digit here"

    def with_data(self, then: Callable[[Mnist], None]) -> threading.Thread | None:
        """Call with the MNIST images, at once or from a thread that loads them, which is returned then.

        A click never waits for that.
        """
        if self._data is not None:
            then(self._data)
            return None
        self._waiting.append(then)
        if self._loader is None:
            self.say("Loading MNIST ...")
            self._loader = threading.Thread(target=self._load_data, name="load MNIST for the pad", daemon=True)
            self._loader.start()
        return self._loader

    def _load_data(self) -> None:
        try:
            data = load_mnist()
        except Exception as error:  # a thread has nobody else to tell
            self._loader, self._waiting = None, []
            self.say(in_words(error), wrong=True)
            return
        with LOCK:
            self._data, self._loader = data, None
            waiting, self._waiting = self._waiting, []
            self.say("MNIST is loaded.")
            for then in waiting:
                self.attempt(partial(then, data))

    # ---- what the hand does

    def _answered(self, seconds: float) -> None:
        text = f"The kernel answers after {seconds:.1f} s, so the ink comes late. Draw on: no stroke is lost."
        self._lag.value = pad_page.sentence(text) if seconds > _SLOW else ""
        self._ink.pause = 0.05 if seconds > _SLOW else 0.0

    def _began(self) -> None:
        self._line.ask()
        if self.state.picture is not None or not self.state.strokes:  # fresh paper
            self.state.begin()
            self._ink.show()
        self._take_brush()

    def _moved(self, points: Sequence[Point]) -> None:
        if not self._ink.erasing and time.monotonic() - self._last_live >= _LIVE_EVERY:
            self._read(self.state.image(points, self._ink.width))
            self._last_live = time.monotonic()

    def _read(self, image: Pixels | None) -> None:
        self._reading.value = pad_page.reading(image, self.state.read(image), "Nobody can read it yet.")
