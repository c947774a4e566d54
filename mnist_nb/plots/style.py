"""Style shared by all figures: colours, axes, and images."""

import io
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from mnist_nb.data import CLASSES

# the colours of Okabe and Ito (2008), which colour-blind people can tell apart; each has its own
# dashes and marker
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
MARKERS = "osD^vPX"
# one per digit: these, and wine, olive and grey of Paul Tol's muted and bright schemes (2021);
# 1 is black, because 1s and 4s overlap on maps and the 4s are orange
DIGIT_COLOURS = (
    COLOURS[0],
    COLOURS[6],
    *COLOURS[2:6],
    COLOURS[1],
    "#882255",
    "#999933",
    "#808080",
)
GREY = "0.7"  # of bars that are not the prediction
FRAME_GREY = "0.8"  # around images, and between small ones
# of signed numbers: orange below 0, white at 0, blue above; an odd number of colours has a middle
BELOW_ZERO, ABOVE_ZERO = COLOURS[1], COLOURS[0]
SIGNED: Colormap = LinearSegmentedColormap.from_list(
    "signed", [BELOW_ZERO, "white", ABOVE_ZERO], N=257
).with_extremes(bad=FRAME_GREY)
TICK, CROSS = "✓", "✗"


class NotebookFigure(Figure):
    """A figure that a notebook shows as a cell's result, without pyplot's global state."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100, facecolor="white")
        return buffer.getvalue()


def new_figure(width: float, height: float) -> NotebookFigure:
    """Return an empty figure with a size in inches and automatic layout."""
    return NotebookFigure(figsize=(width, height), layout="constrained")


def new_panels(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure and its panels, an `Axes` or an array of them.

    `options` are those of `Figure.subplots`.
    """
    figure = new_figure(width, height)
    return figure, figure.subplots(rows, columns, **options)


def new_axes(width: float, height: float, **properties: Any) -> tuple[Figure, Axes]:
    """Return a figure of one panel with a faint grid, and that panel.

    `properties` are those of `Axes.set`, such as `xlabel`.
    """
    figure, axes = new_panels(width, height)
    axes.set(**properties)
    despine(axes)
    return figure, axes


def grid_shape(count: int, most_columns: int) -> tuple[int, int]:
    """Return the rows and columns for `count` panels."""
    columns = min(most_columns, count)
    rows = -(-count // columns)  # rounded up
    return rows, columns


def show_image(
    axes: Axes,
    image: ArrayLike,
    title: str = "",
    *,
    low: float = 0,
    high: float = 255,
    colours: str | Colormap = "gray_r",
) -> AxesImage:
    """Draw an image in a thin frame without ticks, by default as dark ink on white paper."""
    drawn = axes.imshow(np.asarray(image), cmap=colours, vmin=low, vmax=high)
    axes.set_title(title, fontsize=9)
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=FRAME_GREY, linewidth=0.6)
    return drawn


def show_images(
    panels: Any, images: Iterable[ArrayLike], titles: Sequence[str] = (), **scale: Any
) -> None:
    """Draw images in an array of panels, each under its title. Panels without an image are blank.

    `scale` is passed to `show_image`.
    """
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, image, title in zip(panels.flat, images, chain(titles, repeat("")), strict=False):
        show_image(axes, image, title, **scale)


def write_centred(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Write text centred at (x, y). `look` is passed to `Axes.text`."""
    axes.text(x, y, text, ha="center", va="center", **look)


def row_label(axes: Axes, text: str, gap: float, **look: Any) -> None:
    """Write a row's name to the left of its first panel, with a gap in units of its width."""
    axes.text(-gap, 0.5, text, transform=axes.transAxes, ha="right", va="center", **look)


def despine(axes: Axes, *, per_cent: bool = False) -> None:
    """Remove the frame's upper and right sides, and add a faint grid.

    With `per_cent`, label the y axis in per cent.
    """
    if per_cent:
        axes.yaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def legend(axes: Axes, **place: Any) -> None:
    """Add a small legend without a frame. `place` is passed to `Axes.legend`."""
    axes.legend(fontsize=8, frameon=False, **place)


def chance_line(axes: Axes, **look: Any) -> None:
    """Draw a dotted line at the accuracy of random guesses, a tenth."""
    axes.axhline(1 / CLASSES, color="0.4", linewidth=1, linestyle=(0, (1, 3)), **look)


def line_style(number: int) -> tuple[int, int]:
    """Return the indices of a line's colour and dashes. The first 49 pairs are all different."""
    colour = number % len(COLOURS)
    round_of_colours = number // len(COLOURS)
    dashes = (number + round_of_colours) % len(DASHES)
    return colour, dashes


def curve_style(number: int) -> dict[str, Any]:
    """Return the colour, dashes and marker of a curve, as `Axes.plot` takes them."""
    colour, dashes = line_style(number)
    return {
        "color": COLOURS[colour],
        "linestyle": DASHES[dashes],
        "marker": MARKERS[colour],
        "markersize": 4,
    }
