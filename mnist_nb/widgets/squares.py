"""Numbers as coloured squares, each of which answers to a click."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ipycanvas import Canvas
from matplotlib import colormaps
from numpy.typing import ArrayLike, NDArray

from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.canvas import RESOLUTION, drawing

Place = tuple[int, int]  # row, column
_FRAME, _DOT = "#D55E00", "#E69F00"


def colours_of(values: ArrayLike, name: str, low: float, high: float) -> NDArray[np.uint8]:
    """Numbers `[h, w]` as colours `[h, w, 3]` of a colour map that goes from `low` to `high`."""
    shares = np.clip((np.asarray(values, dtype=np.float64) - low) / (high - low), 0, 1)
    return np.asarray(colormaps[name](shares, bytes=True)[..., :3])


def mosaic(images: NDArray[Any], columns: int, gap: int) -> NDArray[np.float64]:
    """Images `[N, height, width]` in rows of so many, with a gap of pixels that are 0 after
    each."""
    tiles = np.pad(images, ((0, -len(images) % columns), (0, gap), (0, gap)))
    _, height, width = tiles.shape
    return tiles.reshape(-1, columns, height, width).swapaxes(1, 2).reshape(-1, columns * width)


class Squares:
    """A canvas of squares, one of them in a frame.

    Args:
        scale: the side of a square, in pixels of the page.
        clicked: called with the row and the column of the square that was clicked or touched.
        left: called when Tab is pressed, with whether Shift is down; the canvas keeps the key, so
            focus must be moved.

    Attributes:
        widget: what is displayed.
    """

    def __init__(
        self, scale: int, clicked: Callable[[int, int], object], left: Callable[[bool], object]
    ) -> None:
        self._side, self._clicked = scale * RESOLUTION, clicked
        self._colours = np.zeros((1, 1, 3), np.uint8)
        self._frame: Place = (0, 0)
        self._dots: Sequence[Place] = ()
        self.widget = Canvas(layout={"flex": "none"})
        self.widget.on_mouse_down(self._press)
        self.widget.on_touch_start(lambda touches: self._press(*touches[0]) if touches else None)
        self.widget.on_key_down(lambda key, shift, *_: left(shift) if key == "Tab" else None)
        self.widget.on_client_ready(self._draw)

    def show(self, colours: NDArray[np.uint8], frame: Place, dots: Sequence[Place] = ()) -> None:
        """Show these colours `[rows, columns, 3]`, a frame around one place and a dot on others."""
        with LOCK:
            height, width = (side * self._side for side in colours.shape[:2])
            if (self.widget.width, self.widget.height) != (width, height):
                self.widget.width, self.widget.height = width, height
                layout = (
                    self.widget.layout
                )  # which is changed, for a new one would leave the old one behind
                layout.width, layout.height = (
                    f"{width // RESOLUTION}px",
                    f"{height // RESOLUTION}px",
                )
            self._colours, self._frame, self._dots = colours, frame, dots
            self._draw()

    def _press(self, x: Any, y: Any) -> None:
        row, column = int(y // self._side), int(x // self._side)
        if 0 <= row < len(self._colours) and 0 <= column < self._colours.shape[1]:
            self._clicked(row, column)

    def _draw(self) -> None:
        side, canvas = self._side, self.widget
        rows, columns = (places.ravel() * side for places in np.indices(self._colours.shape[:2]))
        with drawing(canvas):
            canvas.fill_styled_rects(columns, rows, side, side, self._colours.reshape(-1, 3))
            canvas.fill_style, canvas.stroke_style, canvas.line_width = _DOT, "#000", RESOLUTION
            for row, column in self._dots:
                canvas.fill_circle((column + 0.5) * side, (row + 0.5) * side, side / 4)
                canvas.stroke_circle((column + 0.5) * side, (row + 0.5) * side, side / 4)
            row, column = self._frame
            for colour, line in (
                ("#fff", 4),
                (_FRAME, 2),
            ):  # with a white edge it is seen on black and on colours
                canvas.stroke_style, canvas.line_width = colour, line * RESOLUTION
                canvas.stroke_rect(column * side, row * side, side, side)
