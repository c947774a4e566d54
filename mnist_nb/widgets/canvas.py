"""An ink canvas, which turns pointer events into strokes. It reads no pixels from the browser."""

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

PAPER = "#ffffff"
INK = "#14213d"
HINT = "#8a93a3"
NOTE = "#0072B2"
FONT_SIZE = 15  # pixels of the page

RESOLUTION = 2
"""Canvas pixels per pixel of the page, so that ink is smooth on high-density screens."""

Point = tuple[float, float]  # x, y


@contextmanager
def drawing(canvas: Canvas) -> Iterator[None]:
    """Send everything drawn in this context as one message, even after an exception.

    An exception in ipycanvas's own `hold_canvas` would disable every canvas of the notebook.
    """
    with LOCK:
        hold = ExitStack()
        hold.enter_context(hold_canvas())
        try:
            yield
        finally:
            hold.close()  # so that it does not see the exception
            # the next message must name its canvas, in case the page was reloaded meanwhile
            canvas._canvas_manager._current_canvas = None


class Note(NamedTuple):
    """A short text on the paper, centred at (x, y) in pixels of the page."""

    x: float
    y: float
    text: str


class Sheet(NamedTuple):
    """The content of the paper, without the stroke being drawn."""

    strokes: Sequence[Stroke] = ()
    picture: Pixels | None = None  # [28, 28], shown instead of the strokes
    hint: str = ""  # shown on empty paper
    notes: Sequence[Note] = ()


class InkCanvas(Canvas):  # type: ignore[misc]
    """Paper to draw on with mouse, finger or pen.

    At most one stroke is open. It begins with a press or a touch. It ends with the release, when
    the touch is cancelled, or when the browser reports that the pointer left the paper. Points are
    clipped to the paper.

    Args:
        size: width in pixels of the page. Points have the same unit.
        height: the height; by default the paper is square.
        name: the name of the paper for screen readers.

    Attributes:
        moved: called with the points so far when the open stroke grows.
        ended: called with the points `[n, 2]` of a finished stroke.
        points: the points of the open stroke; empty if there is none.
        brush: the diameter of the brush in pixels.
        is_erasing: whether the brush erases.
    """

    # the page shows a tooltip, which is the name, only for widgets with a description
    description = Unicode("").tag(sync=True)

    def __init__(self, size: int, height: int | None = None, name: str = "") -> None:
        self.moved: Callable[[Sequence[Point]], object] = lambda points: None
        self.ended: Callable[[Sequence[Point]], object] = lambda points: None
        self.points: list[Point] = []
        self.brush = 16.0
        self.is_erasing = False
        self._sheet = Sheet()
        self._n_drawn = 0  # points of the open stroke
        height = height or size
        # without "flex" a box would shrink it
        layout = {"width": f"{size}px", "height": f"{height}px", "flex": "none"}
        super().__init__(
            width=size * RESOLUTION, height=height * RESOLUTION, tooltip=name, layout=layout
        )
        self.on_mouse_down(self._press)
        self.on_mouse_move(self._move)
        self.on_mouse_up(self.finish)
        self.on_mouse_out(self.finish)
        self.on_touch_start(self._touch)
        self.on_touch_move(self._move_touch)
        self.on_touch_end(lambda touches: self.finish())
        self.on_touch_cancel(lambda touches: self.finish())
        self.on_client_ready(self._redraw)
        self._redraw()

    def show(self, sheet: Sheet) -> None:
        """Show this content, also in later views."""
        with LOCK:
            self._sheet = sheet
            self._redraw()

    def finish(self, x: Any = None, y: Any = None) -> None:
        """End the open stroke, if any, at a position of the canvas or at its last point."""
        with LOCK:
            if self.points:
                self._extend(x, y)
                points, self.points = self.points, []
                self.ended(points)

    # ---- events of the page

    def _press(self, x: Any, y: Any) -> None:
        with LOCK:
            self.finish()  # the end of the previous stroke was missed
            point = _to_paper(self, x, y)
            if point is None:
                return
            self.points = [point]
            self._n_drawn = 0
            if not self._sheet.strokes or self._sheet.picture is not None:
                self._redraw()  # without the hint or the picture
            self._draw_new_points()
            self.moved(self.points)

    def _touch(self, touches: list[Point]) -> None:
        if touches and not self.points:  # a second finger does not draw
            self._press(*touches[0])

    def _move_touch(self, touches: list[Point]) -> None:
        if touches:
            self._move(*touches[0])

    def _move(self, x: Any, y: Any) -> None:
        with LOCK:
            if self._extend(x, y):
                self._draw_new_points()
                self.moved(self.points)

    def _extend(self, x: Any, y: Any) -> bool:
        """Add a point to the open stroke; return False if there is no stroke or no new point."""
        if not self.points:  # moves are also reported without a pressed button
            return False
        point = _to_paper(self, x, y)
        if point is None or point == self.points[-1]:
            return False
        self.points.append(point)
        return True

    # ---- drawing

    def _redraw(self) -> None:
        if self.comm is None:  # closed
            return
        with drawing(self):
            self.fill_style = PAPER
            self.fill_rect(0, 0, self.width, self.height)
            if self.points:
                self._draw_strokes()
                self._draw_line(self.points, self.brush, self.is_erasing)
            elif self._sheet.picture is not None:
                self._draw_picture(self._sheet.picture)
            elif self._sheet.strokes:
                self._draw_strokes()
            else:
                self._write(self._sheet.hint, self.width / 2, self.height / 2, HINT)
            for x, y, text in self._sheet.notes:
                self._write(text, x * RESOLUTION, y * RESOLUTION, NOTE, "bold ")

    def _draw_strokes(self) -> None:
        if self._sheet.picture is None:
            for stroke in self._sheet.strokes:
                self._draw_line(stroke.points, stroke.width, stroke.erase)

    def _draw_new_points(self) -> None:
        """Draw the new part of the open stroke. The next redraw draws all of it as one curve."""
        # it was drawn up to the last corner, by a line that the curve replaces
        start = max(self._n_drawn - 2, 0)
        new_points = self.points[start:]
        with drawing(self):
            self._draw_line(new_points, self.brush, self.is_erasing, is_beginning=start == 0)
        self._n_drawn = len(self.points)

    def _draw_line(
        self, points: ArrayLike, width: float, erase: bool, is_beginning: bool = True
    ) -> None:
        """Draw a smooth line: curves between the midpoints of segments, controlled by the points.

        Args:
            points: `[n, 2]` in pixels of the page.
            is_beginning: whether the line begins at its first point, or at its first midpoint.
        """
        scaled = np.asarray(points, float) * RESOLUTION  # [point, (x, y)]
        self.stroke_style = self.fill_style = PAPER if erase else INK
        self.line_width = width * RESOLUTION
        self.line_cap = self.line_join = "round"
        if len(scaled) == 1:
            [(x, y)] = scaled.tolist()
            self.fill_circle(x, y, self.line_width / 2)
            return
        middles = ((scaled[1:] + scaled[:-1]) / 2).round(1).tolist()
        corners = scaled.round(1).tolist()
        start = corners[0] if is_beginning else middles[0]
        self.begin_path()
        self.move_to(*start)
        self.line_to(*middles[0])
        for corner, middle in zip(corners[1:-1], middles[1:], strict=True):
            self.quadratic_curve_to(*corner, *middle)
        self.line_to(*corners[-1])
        self.stroke()

    def _draw_picture(self, picture: Pixels) -> None:
        """Draw a picture of 28x28 pixels as squares of ink on paper."""
        rows, columns = np.nonzero(picture)
        if not len(rows):
            return
        side = self.width / len(picture)
        ink = np.frombuffer(bytes.fromhex(INK.removeprefix("#")), np.uint8)  # [(r, g, b)]
        colours = np.tile(ink, (len(rows), 1))  # [square, (r, g, b)]
        opacities = picture[rows, columns] / 255
        self.fill_styled_rects(columns * side, rows * side, side, side, colours, opacities)

    def _write(self, text: str, x: float, y: float, colour: str, weight: str = "") -> None:
        self.fill_style = colour
        self.font = f"{weight}{FONT_SIZE * RESOLUTION}px system-ui, sans-serif"
        self.text_align = "center"
        self.text_baseline = "middle"
        self.fill_text(text, x, y)


def _to_paper(canvas: Canvas, x: Any, y: Any) -> Point | None:
    """Return the paper pixels of a canvas position, clipped; None if it is from a hidden canvas."""
    for value in (x, y):
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
    clipped_x = min(max(x, 0.0), canvas.width)
    clipped_y = min(max(y, 0.0), canvas.height)
    return clipped_x / RESOLUTION, clipped_y / RESOLUTION
