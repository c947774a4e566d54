"""Numbers as coloured squares that can be clicked."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ipycanvas import Canvas
from matplotlib import colormaps
from matplotlib.colors import Colormap
from numpy.typing import ArrayLike, NDArray

from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.canvas import RESOLUTION, drawing

Place = tuple[int, int]  # row, column
FRAME = "#D55E00"
DOT = "#E69F00"


def colours_of(
    values: ArrayLike, colour_map: str | Colormap, low: float, high: float
) -> NDArray[np.uint8]:
    """Return numbers `[h, w]` as colours `[h, w, 3]` of a colour map from `low` to `high`."""
    shares = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    to_colour = colormaps.get_cmap(colour_map)
    colours = to_colour(np.clip(shares, 0, 1), bytes=True)  # [h, w, (r, g, b, opacity)]
    return np.asarray(colours[..., :3])


def mosaic(images: NDArray[Any], columns: int, gap: int, fill: float = 0) -> NDArray[np.float64]:
    """Return images `[N, height, width]` as one image, in rows of `columns`.

    Args:
        gap: empty pixels to the right of each image and below it.
        fill: the number in the empty pixels. NaN shows the gaps in the colour map's grey.
    """
    missing = -len(images) % columns  # in the last row
    tiles = np.pad(images, ((0, missing), (0, gap), (0, gap)), constant_values=fill)
    _, height, width = tiles.shape
    grid = tiles.reshape(-1, columns, height, width)  # [row, column, y, x]
    return grid.swapaxes(1, 2).reshape(-1, columns * width)


class Squares:
    """A canvas of squares, one of which has a frame.

    Args:
        scale: the side of a square, in pixels of the page.
        clicked: called with the row and the column of the square that was clicked or touched.
        left: called when Tab is pressed, with whether Shift is down. It must move the focus,
            because the canvas intercepts the key.

    Attributes:
        widget: the canvas.
    """

    def __init__(
        self, scale: int, clicked: Callable[[int, int], object], left: Callable[[bool], object]
    ) -> None:
        self._side = scale * RESOLUTION  # in pixels of the canvas
        self._clicked = clicked
        self._colours = np.zeros((1, 1, 3), np.uint8)
        self._frame: Place = (0, 0)
        self._dots: Sequence[Place] = ()
        self.widget = Canvas(layout={"flex": "none"})
        self.widget.on_mouse_down(self._press)
        self.widget.on_touch_start(lambda touches: self._press(*touches[0]) if touches else None)
        self.widget.on_key_down(lambda key, shift, *_: left(shift) if key == "Tab" else None)
        self.widget.on_client_ready(self._draw)

    def show(self, colours: NDArray[np.uint8], frame: Place, dots: Sequence[Place] = ()) -> None:
        """Show colours `[rows, columns, 3]`, a frame around one place and a dot on others."""
        with LOCK:
            self._colours = colours
            self._frame = frame
            self._dots = dots
            self._resize()
            self._draw()

    def _resize(self) -> None:
        rows, columns = self._colours.shape[:2]
        height = rows * self._side
        width = columns * self._side
        if (self.widget.width, self.widget.height) == (width, height):
            return
        self.widget.width = width
        self.widget.height = height
        # the layout is reused, because a new one would leave the old one in memory
        self.widget.layout.width = f"{width // RESOLUTION}px"
        self.widget.layout.height = f"{height // RESOLUTION}px"

    def _press(self, x: float, y: float) -> None:
        row = int(y // self._side)
        column = int(x // self._side)
        rows, columns = self._colours.shape[:2]
        if 0 <= row < rows and 0 <= column < columns:
            self._clicked(row, column)

    def _draw(self) -> None:
        with drawing(self.widget):
            self._draw_squares()
            self._draw_dots()
            self._draw_frame()

    def _draw_squares(self) -> None:
        rows, columns = np.indices(self._colours.shape[:2])
        x = columns.ravel() * self._side
        y = rows.ravel() * self._side
        colours = self._colours.reshape(-1, 3)
        self.widget.fill_styled_rects(x, y, self._side, self._side, colours)

    def _draw_dots(self) -> None:
        self.widget.fill_style = DOT
        self.widget.stroke_style = "#000"
        self.widget.line_width = RESOLUTION
        for row, column in self._dots:
            circle = (column + 0.5) * self._side, (row + 0.5) * self._side, self._side / 4
            self.widget.fill_circle(*circle)
            self.widget.stroke_circle(*circle)

    def _draw_frame(self) -> None:
        row, column = self._frame
        # a white edge makes it visible on black and on colours
        for colour, width in (("#fff", 4), (FRAME, 2)):
            self.widget.stroke_style = colour
            self.widget.line_width = width * RESOLUTION
            self.widget.stroke_rect(column * self._side, row * self._side, self._side, self._side)
