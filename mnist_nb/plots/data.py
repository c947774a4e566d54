"""Figures of the data: images, grids of them, and what they share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import ArrayLike

from mnist_nb.data import CLASSES
from mnist_nb.labs.images import Floats
from mnist_nb.plots import style


def image_grid(
    images: ArrayLike, titles: Sequence[str] | None = None, *, columns: int = 10
) -> Figure:
    """Images uint8 `[N, 28, 28]` in rows, each under its title, dark ink on white."""
    pictures = np.asarray(images)
    rows, columns = style.grid_shape(len(pictures), columns)
    tallest_title = max((title.count("\n") + 1 for title in titles or ()), default=0)
    widest_title = max(map(len, "\n".join(titles or ()).split("\n")))
    height = rows * (0.92 + 0.17 * tallest_title) + 0.1 * bool(tallest_title)
    width = min(max(0.95, 0.0725 * widest_title) * columns + 0.1, 9.6)
    figure, grid = style.new_panels(width, height, rows, columns, squeeze=False)
    style.show_images(grid, pictures, titles or ())
    return figure


def digit_grid(images: ArrayLike, labels: ArrayLike) -> Figure:
    """A row for each digit, 0 to 9, with its first ten images."""
    pictures, digits = np.asarray(images), np.asarray(labels)
    figure, grid = style.new_panels(8.4, 6.2, 10, 10)
    for digit, row in enumerate(grid):
        style.show_images(row, pictures[digits == digit])
        style.row_label(row[0], str(digit), 0.25, fontsize=14)
    return figure


def image_numbers(image: ArrayLike) -> Figure:
    """An image with the number 0..255 of each pixel written in it, cut to the ink and two pixels
    around it."""
    whole = np.asarray(image)
    rows, columns = (np.flatnonzero(whole.any(axis)) for axis in (1, 0))
    top, left = max(rows[0] - 2, 0), max(columns[0] - 2, 0)
    part = whole[top : rows[-1] + 3, left : columns[-1] + 3]
    height, width = part.shape
    figure, axes = style.new_panels(5.5, 0.4 + 5 * height / width)
    axes.imshow(part, cmap="gray_r", vmin=0, vmax=255)
    for (y, x), value in np.ndenumerate(part):
        axes.text(
            x,
            y,
            str(value),
            ha="center",
            va="center",
            fontsize=6.5,
            color="white" if value > 110 else "black",
        )
    axes.set(xlabel="column", xticks=range(width), xticklabels=range(left, left + width))
    axes.set(ylabel="row", yticks=range(height), yticklabels=range(top, top + height))
    axes.tick_params(labelsize=8)
    return figure


def mean_and_spread(images: ArrayLike, labels: ArrayLike) -> Figure:
    """For each digit the mean of its images, and under it their standard deviation, pixel by
    pixel."""
    pictures, digits = np.asarray(images), np.asarray(labels)
    groups = [pictures[digits == digit].astype(np.float32) for digit in range(CLASSES)]
    figure, grid = style.new_panels(9.6, 2.5, 2, CLASSES)
    style.show_images(
        grid[0], [group.mean(0) for group in groups], [str(digit) for digit in range(CLASSES)]
    )
    style.show_images(grid[1], [group.std(0) for group in groups], high=128, colours="cividis")
    for axes, name in zip(grid[:, 0], ("mean", "spread"), strict=True):
        style.row_label(axes, name, 0.15, rotation=90)
    return figure


def image_map(points: ArrayLike, images: ArrayLike, labels: ArrayLike) -> Figure:
    """Images on a map: each at its point `[N, 2]` where there is room, and each digit's name at the
    mean of its points.

    Images that would cover an earlier one are left out; names that would cover each other are moved
    apart.
    """
    places, pictures, digits = np.asarray(points), np.asarray(images), np.asarray(labels)
    figure, axes = style.new_axes(9, 6.2, xlabel="first component", ylabel="second component")
    low, high = places.min(axis=0), places.max(axis=0)
    pad = 0.03 * (high - low)
    axes.set(xlim=(low[0] - pad[0], high[0] + pad[0]), ylim=(low[1] - pad[1], high[1] + pad[1]))
    room = (high - low) / (32, 22)  # an image and a small gap
    shown = np.empty((0, 2))
    for place, picture in zip(places, pictures, strict=True):
        if (np.abs(shown - place) < room).all(axis=1).any():
            continue
        shown = np.vstack([shown, place])
        ink = np.ma.masked_equal(picture, 0)  # paper is transparent
        thumbnail = OffsetImage(ink, zoom=0.62, cmap="gray_r", norm=Normalize(0, 255))
        axes.add_artist(AnnotationBbox(thumbnail, place, frameon=False))
    centred: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 10}
    disc = {"boxstyle": "circle,pad=0.15", "facecolor": style.COLOURS[0], "edgecolor": "white"}
    named = np.unique(digits)
    means = np.array([places[digits == digit].mean(axis=0) for digit in named])
    for (x, y), digit in zip(
        _apart(means / (high - low), 0.045) * (high - low), named, strict=True
    ):
        axes.text(x, y, str(digit), fontsize=15, weight="bold", color="white", bbox=disc, **centred)
    return figure


def _apart(points: Floats, gap: float) -> Floats:
    """The points `[N, 2]`, moved away from each other until no two are closer than `gap`, or nearly
    so."""
    moved = points.copy()
    for _ in range(200):
        difference = moved[:, None] - moved
        distance = np.linalg.norm(difference, axis=2, keepdims=True)
        missing = np.clip(gap - distance, 0, None) / np.maximum(distance, 1e-9)
        moved += 0.25 * (difference * missing).sum(axis=1)
    return moved
