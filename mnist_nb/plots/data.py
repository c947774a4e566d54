"""Figures of the data: images, grids of them, and their common features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import ArrayLike, NDArray

from mnist_nb.data import CLASSES
from mnist_nb.plots import style

Floats = NDArray[np.float64]

MAP_COLUMNS, MAP_ROWS = 32, 22  # the number of images that fit on a map
MAP_MARGIN = 0.03  # around the points, as a share of their extent
NAME_GAP = 0.045  # between the names of two digits, as a share of the map's extent
DIGITS_A_ROW = 10  # in `digit_grid`
INK_MARGIN = 2  # pixels of paper around the ink in `image_numbers`


def image_grid(
    images: ArrayLike, titles: Sequence[str] | None = None, *, columns: int = 10, size: float = 1
) -> Figure:
    """Show images uint8 `[N, 28, 28]` in rows, each under its title, as dark ink on white.

    Args:
        columns: images in a row.
        size: the size of an image, as a multiple of 0.92 inches.
    """
    pictures = np.asarray(images)
    titles = titles or ()
    rows, columns = style.grid_shape(len(pictures), columns)
    title_lines = [title.split("\n") for title in titles]
    tallest_title = max((len(lines) for lines in title_lines), default=0)
    widest_title = max((len(line) for lines in title_lines for line in lines), default=0)
    height = rows * (0.92 * size + 0.17 * tallest_title)
    if titles:
        height += 0.1
    width = columns * max(0.95 * size, 0.0725 * widest_title) + 0.1
    figure, grid = style.new_panels(min(width, 9.6), height, rows, columns, squeeze=False)
    style.show_images(grid, pictures, titles)
    return figure


def digit_grid(images: ArrayLike, labels: ArrayLike) -> Figure:
    """Show the first ten images of each digit in a row, 0 to 9."""
    pictures = np.asarray(images)
    digits = np.asarray(labels)
    figure, grid = style.new_panels(8.4, 6.2, CLASSES, DIGITS_A_ROW)
    for digit, row in enumerate(grid):
        style.show_images(row, pictures[digits == digit])
        style.row_label(row[0], str(digit), 0.25, fontsize=14)
    return figure


def image_numbers(image: ArrayLike) -> Figure:
    """Show an image, cropped to its ink, with the value of each pixel (0 to 255) written in it."""
    whole = np.asarray(image)
    rows = _inked_stretch(whole.any(axis=1))
    columns = _inked_stretch(whole.any(axis=0))
    part = whole[rows, columns]
    height, width = part.shape
    figure, axes = style.new_panels(5.5, 0.4 + 5 * height / width)
    axes.imshow(part, cmap="gray_r", vmin=0, vmax=255)
    for (row, column), value in np.ndenumerate(part):
        colour = "white" if value > 110 else "black"
        style.write_centred(axes, column, row, str(value), fontsize=6.5, color=colour)
    axes.set_xlabel("column")
    axes.set_ylabel("row")
    axes.set_xticks(range(width), range(columns.start, columns.start + width))
    axes.set_yticks(range(height), range(rows.start, rows.start + height))
    axes.tick_params(labelsize=8)
    return figure


def _inked_stretch(has_ink: ArrayLike) -> slice:
    """Return the rows or columns from the first ink to the last, with a margin of paper."""
    inked = np.flatnonzero(has_ink)
    start = max(inked[0] - INK_MARGIN, 0)
    stop = inked[-1] + INK_MARGIN + 1
    return slice(start, stop)


def mean_and_spread(images: ArrayLike, labels: ArrayLike) -> Figure:
    """Show the mean of each digit's images, and their standard deviation, pixel by pixel."""
    pictures = np.asarray(images)
    digits = np.asarray(labels)
    means, deviations = [], []
    for digit in range(CLASSES):
        of_digit = pictures[digits == digit].astype(np.float32)
        means.append(of_digit.mean(axis=0))
        deviations.append(of_digit.std(axis=0))
    names = [str(digit) for digit in range(CLASSES)]
    figure, (upper, lower) = style.new_panels(9.6, 2.5, 2, CLASSES)
    style.show_images(upper, means, names)
    style.show_images(lower, deviations, high=128, colours="cividis")
    style.row_label(upper[0], "mean", 0.15, rotation=90)
    style.row_label(lower[0], "spread", 0.15, rotation=90)
    return figure


def image_map(points: ArrayLike, images: ArrayLike, labels: ArrayLike) -> Figure:
    """Show images on a map, each at its point `[N, 2]`, and each digit's name at their mean.

    Images that would cover an earlier one are omitted; names that would overlap are moved apart.
    """
    places = np.asarray(points)  # [image, (x, y)]
    pictures = np.asarray(images)
    low = places.min(axis=0)
    high = places.max(axis=0)
    extent = high - low
    figure, axes = style.new_axes(9, 6.2, xlabel="first component", ylabel="second component")
    left, bottom = low - MAP_MARGIN * extent
    right, top = high + MAP_MARGIN * extent
    axes.set(xlim=(left, right), ylim=(bottom, top))
    room = extent / (MAP_COLUMNS, MAP_ROWS)  # for an image and a small gap
    for number in _without_overlaps(places, room):
        _show_thumbnail(axes, pictures[number], places[number])
    _write_names(axes, places, np.asarray(labels), extent)
    return figure


def _write_names(axes: Axes, places: Floats, digits: NDArray[Any], extent: Floats) -> None:
    """Write each digit's name at the mean of its places `[N, 2]`, without overlaps."""
    named = np.unique(digits)
    means = np.array([places[digits == digit].mean(axis=0) for digit in named])
    name_places = _moved_apart(means / extent, NAME_GAP) * extent
    disc = {"boxstyle": "circle,pad=0.15", "facecolor": style.COLOURS[0], "edgecolor": "white"}
    look = {"fontsize": 15, "weight": "bold", "color": "white", "bbox": disc, "zorder": 10}
    for digit, (x, y) in zip(named, name_places, strict=True):
        style.write_centred(axes, x, y, str(digit), **look)


def _without_overlaps(places: Floats, room: Floats) -> list[int]:
    """Return the indices of places `[N, 2]` that overlap no earlier chosen place."""
    chosen: list[int] = []
    for number, place in enumerate(places):
        is_close = np.abs(places[chosen] - place) < room  # [chosen, (x, y)]
        if not is_close.all(axis=1).any():
            chosen.append(number)
    return chosen


def _show_thumbnail(axes: Axes, picture: NDArray[Any], place: Floats) -> None:
    """Show a small image with transparent paper at a point of the axes."""
    ink = np.ma.masked_equal(picture, 0)
    scale = Normalize(0, 255)
    thumbnail = OffsetImage(ink, zoom=0.62, cmap="gray_r", norm=scale)
    x, y = place
    axes.add_artist(AnnotationBbox(thumbnail, (x, y), frameon=False))


def _moved_apart(points: Floats, gap: float) -> Floats:
    """Return points `[N, 2]` moved apart until almost no two are closer than `gap`."""
    moved = points.copy()
    for _ in range(200):
        difference = moved[:, None] - moved  # [point, other point, (x, y)]
        distance = np.linalg.norm(difference, axis=2, keepdims=True)
        missing = np.clip(gap - distance, 0, None) / np.maximum(distance, 1e-9)
        moved += 0.25 * (difference * missing).sum(axis=1)
    return moved
