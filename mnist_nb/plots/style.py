"""What all figures have in common: colours, signs, and how an image is shown."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike

# Okabe and Ito's colours (2008), told apart by every eye, each with a dash pattern and a marker of its own
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
MARKERS = "osD^vPX"
TICK, CROSS = "✓", "✗"


class NotebookFigure(Figure):
    """A figure that a notebook shows when it stands last in a cell, without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100, facecolor="white")
        return buffer.getvalue()


def new_figure(width: float, height: float) -> NotebookFigure:
    """An empty figure, its size in inches, whose parts make room for each other."""
    return NotebookFigure(figsize=(width, height), layout="constrained")


def show_image(axes: Axes, image: ArrayLike, title: str = "", *, largest: float = 255, colours: str = "gray_r") -> None:
    """An image without axes, dark ink on white as on paper."""
    axes.imshow(np.asarray(image), cmap=colours, vmin=0, vmax=largest)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def despine(axes: Axes) -> None:
    """Take away the frame's upper and right side, and lay a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


def tenths_of_a_percent(axis: Axis) -> None:
    """Ticks in per cent with one decimal, at steps that one decimal can name: never 98.2 for 98.25."""
    axis.set_major_locator(MaxNLocator(7, steps=(1, 2, 5, 10)))
    axis.set_major_formatter(PercentFormatter(1, decimals=1))


def line_style(number: int) -> tuple[int, int]:
    """Which of the colours and which of the dashes a line has; no two of the first 49 share both."""
    return number % len(COLOURS), (number + number // len(COLOURS)) % len(DASHES)
