"""What all figures have in common: colours, signs, axes, and how an image is shown."""

import io
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

# the colours of Okabe and Ito (2008), which colour-blind people can tell apart, each with its own
# dashes and marker
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
MARKERS = "osD^vPX"
TICK, CROSS = "✓", "✗"


class NotebookFigure(Figure):
    """A figure that a notebook shows when it stands last in a cell, without pyplot and its global
    state."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100, facecolor="white")
        return buffer.getvalue()


def new_figure(width: float, height: float) -> NotebookFigure:
    """An empty figure, its size in inches, whose parts make room for each other."""
    return NotebookFigure(figsize=(width, height), layout="constrained")


def new_panels(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A figure and its panels, an `Axes` or an array of them; `options` are those of
    `Figure.subplots`."""
    figure = new_figure(width, height)
    return figure, figure.subplots(rows, columns, **options)


def new_axes(width: float, height: float, **properties: Any) -> tuple[Figure, Axes]:
    """A figure of one panel with a faint grid, and that panel; `properties` are those of
    `Axes.set`, such as xlabel."""
    figure, axes = new_panels(width, height)
    axes.set(**properties)
    despine(axes)
    return figure, axes


def grid_shape(count: int, most_columns: int) -> tuple[int, int]:
    """The rows and columns for this many panels."""
    columns = min(most_columns, count)
    return -(-count // columns), columns


def show_image(
    axes: Axes,
    image: ArrayLike,
    title: str = "",
    *,
    low: float = 0,
    high: float = 255,
    colours: str = "gray_r",
) -> AxesImage:
    """Draw an image without axes, by default as dark ink on white paper."""
    drawn = axes.imshow(np.asarray(image), cmap=colours, vmin=low, vmax=high)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    return drawn


def show_images(
    panels: Any, images: Iterable[ArrayLike], titles: Sequence[str] = (), **scale: Any
) -> None:
    """Draw images in an array of panels, each under its title, on a scale as in `show_image`; the
    rest stay blank."""
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, image, title in zip(panels.flat, images, chain(titles, repeat("")), strict=False):
        show_image(axes, image, title, **scale)


def row_label(axes: Axes, text: str, gap: float, **style: Any) -> None:
    """Write a row's name to the left of its first panel, with a gap in widths of that panel."""
    axes.text(-gap, 0.5, text, transform=axes.transAxes, ha="right", va="center", **style)


def despine(axes: Axes, *, per_cent: bool = False) -> None:
    """Remove the frame's upper and right side, and add a faint grid; shares on the y axis are named
    in per cent."""
    if per_cent:
        axes.yaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def legend(axes: Axes, **place: Any) -> None:
    """Add a small legend without a frame; `place` is what `Axes.legend` takes."""
    axes.legend(fontsize=8, frameon=False, **place)


def chance_line(axes: Axes, **style: Any) -> None:
    """Draw a dotted line at the accuracy of random guesses, a tenth."""
    axes.axhline(0.1, color="0.4", linewidth=1, linestyle=(0, (1, 3)), **style)


def line_style(number: int) -> tuple[int, int]:
    """Which of the colours and which of the dashes a line has; no two of the first 49 share
    both."""
    return number % len(COLOURS), (number + number // len(COLOURS)) % len(DASHES)


def curve_style(number: int) -> dict[str, Any]:
    """The colour, dashes and marker of a curve, as `Axes.plot` takes them."""
    colour, dashes = line_style(number)
    return {
        "color": COLOURS[colour],
        "linestyle": DASHES[dashes],
        "marker": MARKERS[colour],
        "markersize": 4,
    }
