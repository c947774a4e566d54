"""An ink canvas: a hand's movements in, strokes out. It only shows ink; no pixel is ever read back
from the page."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
from ipycanvas import Canvas, hold_canvas
from numpy.typing import ArrayLike
from traitlets import Unicode

from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.sketch import Stroke
from mnist_nb.widgets.callbacks import LOCK

PAPER, INK, HINT, NOTE = "#ffffff", "#14213d", "#8a93a3", "#0072B2"
RESOLUTION = (
    2  # canvas pixels per pixel of the page, so that ink is smooth on screens of high density
)

Point = tuple[float, float]


@contextmanager
def drawing(canvas: Canvas) -> Iterator[None]:
    """Send all that is drawn inside as one message, also if something in there fails.

    An exception inside ipycanvas's own `hold_canvas` would leave every canvas of the notebook
    silent.
    """
    with LOCK:
        hold = ExitStack()
        hold.enter_context(hold_canvas())
        try:
            yield
        finally:
            hold.close()  # it is not told of the exception
            # so that the next message names its canvas, for a page that was reloaded knows none; a
            # closed one is let go
            canvas._canvas_manager._current_canvas = None


class Sheet(NamedTuple):
    """What there is to be seen on the paper, beside the stroke that is being drawn."""

    strokes: Sequence[Stroke] = ()
    picture: Pixels | None = None  # [28, 28], in place of the strokes
    hint: str = ""  # where there is neither
    notes: Sequence[
        tuple[float, float, str]
    ] = ()  # short texts over the strokes, each with its middle at (x, y)


class InkCanvas(Canvas):  # type: ignore[misc]
    """A sheet of paper to draw on with mouse, finger or pen.

    At most one stroke is open: it begins with a press or a touch and ends with the release, or when
    the pointer leaves the paper (the release outside would never be heard of) or the touch is
    cancelled. Points are clipped to the paper.

    Args:
        size: width in pixels of the page; points are in the same unit.
        height: without it the paper is square.
        name: what the paper is called where it cannot be seen.

    Attributes:
        began: called before the first point of a stroke is drawn, to change what is shown or how
            the brush is set.
        moved: called with the points so far each time that the open stroke grows.
        ended: called with the points `[n, 2]` of a finished stroke.
        points: of the open stroke; empty if there is none.
        brush: its diameter in pixels.
        erasing: whether the brush takes ink away.
    """

    description = Unicode("").tag(
        sync=True
    )  # the page shows a tooltip, which is the name, only of what has this

    def __init__(self, size: int, height: int | None = None, name: str = "") -> None:
        self.began: Callable[[], object] = lambda: None
        self.moved: Callable[[Sequence[Point]], object] = lambda points: None
        self.ended: Callable[[Sequence[Point]], object] = lambda points: None
        self.points: list[Point] = []
        self.brush, self.erasing = 16.0, False
        self._sheet = Sheet()
        self._drawn = 0  # points of the open stroke
        height = height or size
        layout = {
            "width": f"{size}px",
            "height": f"{height}px",
            "flex": "none",
        }  # a box would squeeze it otherwise
        super().__init__(
            width=size * RESOLUTION, height=height * RESOLUTION, tooltip=name, layout=layout
        )
        self.on_mouse_down(self._press)
        self.on_mouse_move(self._move)
        self.on_mouse_up(self.finish)
        self.on_mouse_out(self.finish)
        self.on_touch_start(self._touch)
        self.on_touch_move(lambda touches: self._move(*(touches[0] if touches else ())))
        self.on_touch_end(lambda touches: self.finish())
        self.on_touch_cancel(lambda touches: self.finish())
        self.on_client_ready(self._redraw)
        self._redraw()

    def show(self, sheet: Sheet) -> None:
        """Show this, also in views to come."""
        with LOCK:
            self._sheet = sheet
            self._redraw()

    def finish(self, x: Any = None, y: Any = None) -> None:
        """End the open stroke, if there is one, at a place of the canvas or where it is."""
        with LOCK:
            if self.points:
                self._extend(x, y)
                points, self.points = self.points, []
                self.ended(points)

    # ---- what the hand does

    def _press(self, x: Any, y: Any) -> None:
        with LOCK:
            self.finish()  # the last one's end was missed
            if (point := self._clipped(x, y)) is not None:
                self.began()
                self.points, self._drawn = [point], 0
                self._draw_new_piece()
                self.moved(self.points)

    def _touch(self, touches: list[Point]) -> None:
        if touches and not self.points:  # a second finger draws nothing
            self._press(*touches[0])

    def _move(self, x: Any = None, y: Any = None) -> None:
        with LOCK:
            if self._extend(x, y):
                self._draw_new_piece()
                self.moved(self.points)

    def _extend(self, x: Any, y: Any) -> bool:
        """Add a point to the open stroke, unless it is none or where the stroke already is."""
        point = self._clipped(x, y)
        if (
            not self.points or point is None or point == self.points[-1]
        ):  # moves come without a pressed button too
            return False
        self.points.append(point)
        return True

    def _clipped(self, x: Any, y: Any) -> Point | None:
        """Canvas to paper pixels; None for what a hidden canvas sends."""
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in (x, y)):
            return None
        return min(max(x, 0.0), self.width) / RESOLUTION, min(max(y, 0.0), self.height) / RESOLUTION

    # ---- what is shown

    def _redraw(self) -> None:
        if self.comm is None:  # closed
            return
        sheet = self._sheet
        with drawing(self):
            self.fill_style = PAPER
            self.fill_rect(0, 0, self.width, self.height)
            if sheet.picture is not None:
                self._draw_picture(sheet.picture)
            elif not sheet.strokes:
                self._write(sheet.hint, self.width / 2, self.height / 2, HINT)
            else:
                for stroke in sheet.strokes:
                    self._draw_line(stroke.points, stroke.width, stroke.erase)
            for x, y, text in sheet.notes:
                self._write(text, x * RESOLUTION, y * RESOLUTION, NOTE, "bold ")
            if self.points:
                self._draw_line(self.points, self.brush, self.erasing)

    def _draw_new_piece(self) -> None:
        """What is new of the open stroke; the next redraw draws all of it as one curve."""
        with LOCK:
            if self._drawn < len(self.points):
                start = max(
                    self._drawn - 2, 0
                )  # it was drawn up to the last corner, by a line that a curve replaces
                with drawing(self):
                    self._draw_line(self.points[start:], self.brush, self.erasing, first=start == 0)
                self._drawn = len(self.points)

    def _draw_line(self, points: ArrayLike, width: float, erase: bool, first: bool = True) -> None:
        """A smooth line: curves between the middles of its pieces, bent by the points where those
        meet."""
        points = np.asarray(points, float) * RESOLUTION
        self.stroke_style = self.fill_style = PAPER if erase else INK
        self.line_width = width * RESOLUTION
        self.line_cap = self.line_join = "round"
        if len(points) == 1:
            self.fill_circle(*points[0].tolist(), self.line_width / 2)
            return
        middles = ((points[1:] + points[:-1]) / 2).round(1).tolist()
        corners = points.round(1).tolist()
        self.begin_path()
        self.move_to(*(corners[0] if first else middles[0]))
        self.line_to(*middles[0])
        for corner, middle in zip(corners[1:-1], middles[1:], strict=True):
            self.quadratic_curve_to(*corner, *middle)
        self.line_to(*corners[-1])
        self.stroke()

    def _draw_picture(self, picture: Pixels) -> None:
        """A 28x28 picture as ink on paper, its pixels left to be seen."""
        rows, columns = np.nonzero(picture)
        if len(rows):
            cell, ink = self.width / len(picture), np.frombuffer(bytes.fromhex(INK[1:]), np.uint8)
            colours, alphas = np.tile(ink, (len(rows), 1)), picture[rows, columns] / 255
            self.fill_styled_rects(columns * cell, rows * cell, cell, cell, colours, alphas)

    def _write(self, text: str, x: float, y: float, colour: str, weight: str = "") -> None:
        self.fill_style, self.font = colour, f"{weight}{15 * RESOLUTION}px system-ui, sans-serif"
        self.text_align, self.text_baseline = "center", "middle"
        self.fill_text(text, x, y)
