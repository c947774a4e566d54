"""An ink canvas: a hand's movements in, strokes out. It only shows ink; no pixel is ever read back from the page."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from ipycanvas import Canvas, hold_canvas
from ipywidgets import Play
from numpy.typing import NDArray

from mnist_nb.drawing.preprocessing import Pixels
from mnist_nb.drawing.sketch import Stroke

LOCK = threading.RLock()
"""Held around all drawing and all that a canvas event does: ipycanvas keeps one buffer for every canvas, and events
may come on another thread than the cell that is running."""

PAPER, INK, HINT, NOTE = "#ffffff", "#14213d", "#8a93a3", "#0072B2"
RESOLUTION = 2  # canvas pixels per pixel of the page, so that ink is smooth on screens of high density

Point = tuple[float, float]


@contextmanager
def drawing(canvas: Canvas) -> Iterator[None]:
    """Send all that is drawn inside as one message, also if something in there fails.

    An exception inside ipycanvas's own `hold_canvas` would leave every canvas of the notebook silent.
    """
    with LOCK:
        failure: BaseException | None = None
        with hold_canvas():
            try:
                yield
            except BaseException as error:
                failure = error
        # so that the next message names its canvas, for a page that was reloaded knows none; a closed one is let go of
        canvas._canvas_manager._current_canvas = None
        if failure is not None:
            raise failure


class RoundTrip:
    """Measures how long a message takes to the page and back.

    Args:
        measured: called with the seconds, each time that the page has answered.

    Attributes:
        widget: to be displayed with what is measured; nothing is seen of it. Told to play, the page counts on by one at
            once, and that is the answer.
    """

    def __init__(self, measured: Callable[[float], None]) -> None:
        self._measured = measured
        self._asked = -math.inf
        self.widget = Play(max=10**9, interval=10**9, layout={"display": "none"})
        self.widget.observe(self._answered, "value")

    def ask(self) -> None:
        """Ask the page for an answer, unless it owes one."""
        if not self.widget.playing or time.monotonic() - self._asked > 10:
            self._asked = time.monotonic()
            self.widget.playing = False
            self.widget.playing = True

    def _answered(self, change: Any) -> None:
        if self.widget.playing:
            self.widget.playing = False
            self._measured(time.monotonic() - self._asked)


class InkCanvas:
    """A sheet of paper to draw on with mouse, finger or pen.

    At most one stroke is open: it begins with a press or a touch and ends with the release, or when the pointer leaves
    the paper (the release outside would never be heard of) or the touch is cancelled. Points are clipped to the paper.

    Args:
        size: width in pixels of the page; points are in the same unit.
        height: without it the paper is square.
        began: called before the first point of a stroke is drawn, to change what is shown or how the brush is set.
        moved: called with the points so far each time that the open stroke grows.
        ended: called with the points `[n, 2]` of a finished stroke.

    Attributes:
        widget: what is displayed.
        width: diameter of the brush in pixels.
        erasing: whether the brush takes ink away.
        pause: seconds within which points are drawn together, for a slow line; without a running event loop only 0.
    """

    def __init__(
        self,
        size: int,
        height: int | None = None,
        *,
        began: Callable[[], None] = lambda: None,
        moved: Callable[[Sequence[Point]], None] = lambda points: None,
        ended: Callable[[Sequence[Point]], None] = lambda points: None,
    ) -> None:
        self.size, self.height = size, height or size
        self.width = 16.0
        self.erasing = False
        self.pause = 0.0
        self._later: asyncio.TimerHandle | None = None
        self._drawn = 0  # points of the open stroke
        self._began, self._moved, self._ended = began, moved, ended
        self._open: list[Point] | None = None
        self._strokes: tuple[Stroke, ...] = ()
        self._picture: Pixels | None = None
        self._hint = ""
        self._notes: tuple[tuple[float, float, str], ...] = ()
        wide, high = f"{self.size}px", f"{self.height}px"
        # both sides, or a box would stretch it; a minimum, or one would squeeze it
        self.widget = Canvas(
            width=self.size * RESOLUTION,
            height=self.height * RESOLUTION,
            layout={"width": wide, "height": high, "min_width": wide, "min_height": high},
        )
        self.widget.on_mouse_down(self._press)
        self.widget.on_mouse_move(self._move)
        self.widget.on_mouse_up(self._release)
        self.widget.on_mouse_out(self._release)
        self.widget.on_touch_start(self._touch)
        self.widget.on_touch_move(lambda touches: self._move(*(touches[0] if touches else ())))
        self.widget.on_touch_end(lambda touches: self._release())
        self.widget.on_touch_cancel(lambda touches: self._release())
        self.widget.on_client_ready(self._redraw)
        self._redraw()

    def on_key(self, pressed: Callable[[str, bool], None]) -> None:
        """Call with the key and whether Shift is down when one is pressed on the paper.

        The canvas keeps all keys from the page, Tab among them: whoever listens has to move the focus on.
        """
        self.widget.on_key_down(lambda key, shift, *_: pressed(key, shift))

    @property
    def is_drawing(self) -> bool:
        """Whether a stroke is open."""
        return self._open is not None

    def finish(self) -> None:
        """End the open stroke, if there is one, where it is."""
        self._release()

    def show(
        self,
        strokes: Sequence[Stroke] = (),
        *,
        picture: Pixels | None = None,
        hint: str = "",
        notes: Sequence[tuple[float, float, str]] = (),
    ) -> None:
        """Show these strokes, or in their place a 28x28 picture, or a hint on empty paper; also in views to come.

        Notes are short texts over the strokes, each with its middle at (x, y).
        """
        with LOCK:
            self._strokes, self._picture, self._hint, self._notes = tuple(strokes), picture, hint, tuple(notes)
            self._redraw()

    # ---- what the hand does

    def _press(self, x: Any, y: Any) -> None:
        with LOCK:
            self._release()  # the last one's end was missed
            if (point := self._clipped(x, y)) is not None:
                self._began()
                self._open, self._drawn = [point], 0
                self._draw_new_piece()
                self._moved(self._open)

    def _touch(self, touches: list[Point]) -> None:
        if touches and self._open is None:  # a second finger draws nothing
            self._press(*touches[0])

    def _move(self, x: Any = None, y: Any = None) -> None:
        with LOCK:  # moves come without a pressed button too
            if self._open is not None and self._extend(x, y):
                self._draw_soon()
                self._moved(self._open)

    def _release(self, x: Any = None, y: Any = None) -> None:
        with LOCK:
            if self._open is None:
                return
            self._extend(x, y)
            points, self._open = self._open, None
            self._ended(points)

    def _extend(self, x: Any, y: Any) -> bool:
        """Add a point to the open stroke, unless it is none or where the stroke already is."""
        point = self._clipped(x, y)
        if self._open is None or point is None or point == self._open[-1]:
            return False
        self._open.append(point)
        return True

    def _clipped(self, x: Any, y: Any) -> Point | None:
        """Canvas to paper pixels; None for what a hidden canvas sends."""
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in (x, y)):
            return None
        return min(max(x / RESOLUTION, 0.0), self.size), min(max(y / RESOLUTION, 0.0), self.height)

    # ---- what is shown

    def _redraw(self) -> None:
        if self.widget.comm is None:  # closed
            return
        with drawing(self.widget):
            self.widget.fill_style = PAPER
            self.widget.fill_rect(0, 0, self.size * RESOLUTION, self.height * RESOLUTION)
            if self._picture is not None:
                self._draw_picture(self._picture)
            elif self._hint and not self._strokes:
                self._write(self._hint, self.size / 2, self.height / 2)
            for stroke in self._strokes if self._picture is None else ():
                self._set_brush(stroke.width, stroke.erase)
                self._draw_line(np.asarray(stroke.points, float) * RESOLUTION)
            for x, y, text in self._notes:
                self._write(text, x, y, NOTE, "bold ")
            if self._open:
                self._set_brush(self.width, self.erasing)
                self._draw_line(np.array(self._open) * RESOLUTION)

    def _draw_soon(self) -> None:
        if not self.pause:
            self._draw_new_piece()
        elif self._later is None:  # else it is waited for already
            self._later = asyncio.get_running_loop().call_later(self.pause, self._draw_new_piece)

    def _draw_new_piece(self) -> None:
        """What is new of the open stroke; the next redraw draws all of it as one curve."""
        with LOCK:
            self._later = None
            if not self._open or self._drawn == len(self._open):
                return
            start = max(self._drawn - 2, 0)  # it was drawn up to the last corner, by a line that a curve replaces
            with drawing(self.widget):
                self._set_brush(self.width, self.erasing)
                self._draw_line(np.array(self._open[start:]) * RESOLUTION, first=start == 0)
            self._drawn = len(self._open)

    def _set_brush(self, width: float, erase: bool) -> None:
        canvas = self.widget
        canvas.stroke_style = canvas.fill_style = PAPER if erase else INK
        canvas.line_width = width * RESOLUTION
        canvas.line_cap = canvas.line_join = "round"

    def _draw_line(self, points: NDArray[np.float64], first: bool = True) -> None:
        """A smooth line: curves between the middles of its pieces, bent by the points where those meet."""
        canvas = self.widget
        if len(points) == 1:
            canvas.fill_circle(*points[0].tolist(), canvas.line_width / 2)
            return
        middles = ((points[1:] + points[:-1]) / 2).round(1).tolist()
        corners = points.round(1).tolist()
        canvas.begin_path()
        canvas.move_to(*(corners[0] if first else middles[0]))
        canvas.line_to(*middles[0])
        for corner, middle in zip(corners[1:-1], middles[1:], strict=True):
            canvas.quadratic_curve_to(*corner, *middle)
        canvas.line_to(*corners[-1])
        canvas.stroke()

    def _draw_picture(self, picture: Pixels) -> None:
        """A 28x28 picture as ink on paper, its pixels left to be seen."""
        cell = self.size * RESOLUTION / len(picture)
        rows, columns = np.nonzero(picture)
        if not len(rows):
            return
        paper, ink = (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for colour in (PAPER, INK))
        colours = paper + picture[rows, columns][:, None] / 255 * (ink - paper)
        self.widget.fill_styled_rects(columns * cell, rows * cell, cell, cell, colours.round().astype(np.uint8))

    def _write(self, text: str, x: float, y: float, colour: str = HINT, weight: str = "") -> None:
        canvas = self.widget
        canvas.fill_style, canvas.font = colour, f"{weight}{15 * RESOLUTION}px system-ui, sans-serif"
        canvas.text_align, canvas.text_baseline = "center", "middle"
        canvas.fill_text(text, x * RESOLUTION, y * RESOLUTION)
