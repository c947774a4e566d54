"""MNIST's five steps: from a grey image of any size to the 28x28 pixels that its makers would have
made of it.

They are those of C. Yadav and L. Bottou, "Cold Case: The Lost MNIST Digits" (2019), who rebuilt
MNIST from its sources.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.data import SIDE
from mnist_nb.errors import MnistNbError

BOX = 20  # the longest side of a digit's ink in MNIST
PEN_WIDTH = 2.5  # of MNIST's pens, in pixels of the 20x20 box
RASTER = (
    8 * BOX
)  # a drawing is first inked this many pixels high or wide, in black and white like MNIST's sources

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]


class EmptySketchError(MnistNbError, ValueError):
    """There is no ink to make an image of."""


class Steps(NamedTuple):
    """What each of MNIST's five steps makes of a grey image; the last is the result."""

    cropped: Floats  # [h, w], the bounding box of the ink
    square: Floats  # [side, side], side = max(h, w, 10)
    resampled: Floats  # [20, 20], the same ink, averaged over areas
    scaled: Pixels  # [20, 20], peak 255
    centred: Pixels  # [28, 28], the centre of mass at pixel 14


def preparation_steps(grey: ArrayLike) -> Steps:
    """MNIST's preparation of a grey image `[H, W]`, ink bright on 0, with every image in between.

    1. Crop to the ink, whatever is above 0. 2. Pad to a square of side max(h, w, 10). 3. Resample
    to 20x20 by area coverage: a pixel is a small square, so a box under 20 needs no doubling first.
    4. Scale so that the peak is 255 and round; ink never rounds to 0. 5. Paste into 28x28, moved by
    whole pixels so that the centre of mass comes to lie in (13.5, 14.5] on both axes; ink is never
    cut off, so a lopsided drawing may stop at the border short of that.

    Raises:
        ValueError: if `grey` has another shape, or values that are negative or not finite.
        EmptySketchError: if nothing in it is above 0.
    """
    try:
        image = np.asarray(grey, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"grey must be numbers of shape [height, width]: {error}") from error
    if image.ndim != 2:
        raise ValueError(
            f"expected a grey image of shape [height, width], got shape {list(image.shape)}"
        )
    if not np.isfinite(image).all() or (image < 0).any():
        raise ValueError(
            "a grey image holds finite values from 0 (no ink) up, but this one holds others"
        )
    if (
        0 < image.max(initial=0) < 1e-200
    ):  # so near the smallest number there is that 255 / peak would be infinite
        image = image / image.max()
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if not len(rows):
        raise EmptySketchError("there is no ink in this image: nothing in it is above 0")
    cropped = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = cropped.shape
    side = max(height, width, 10)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.pad(cropped, ((top, side - height - top), (left, side - width - left)))
    coverage = _coverage(side)
    resampled = coverage @ square @ coverage.T
    scaled = np.rint(resampled * (255 / resampled.max()))
    scaled = np.where(resampled > 0, np.maximum(scaled, 1), 0).astype(np.uint8)
    centred = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _shift(scaled.sum(axis=1)), _shift(scaled.sum(axis=0))
    inside = np.s_[max(0, -top) : SIDE - top, max(0, -left) : SIDE - left]
    centred[max(0, top) : top + BOX, max(0, left) : left + BOX] = scaled[inside]
    return Steps(cropped, square, resampled, scaled, centred)


def prepare(grey: ArrayLike) -> Pixels:
    """The 28x28 uint8 image that MNIST's makers would have made of a grey image `[H, W]`, ink
    bright on 0.

    Raises:
        ValueError, EmptySketchError: as `preparation_steps`, which shows the images in between.
    """
    return preparation_steps(grey).centred


def _coverage(side: int) -> Floats:
    """Matrix `[20, side]`: which part of each of 20 equal stretches each of `side` pixels
    covers."""
    edges = np.arange(BOX + 1)[:, None] * (side / BOX)
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    covered: Floats = overlap.clip(0) * (BOX / side)
    return covered


def _shift(profile: NDArray[Any]) -> int:
    """How far to move 20 rows (or columns) of the given ink to bring their centre of mass to index
    14."""
    inked = np.flatnonzero(profile)
    shift = int(np.floor(14.5 - (profile @ np.arange(BOX)) / profile.sum()))
    return int(np.clip(shift, -inked[0], SIDE - 1 - inked[-1]))


# ---- lines as pixels


def walk(start: Floats, stop: Floats, spacing: float) -> Floats:
    """Points along straight pieces `[m, 2]`, both ends of each among them, no further apart than
    `spacing`."""
    length = np.sqrt(((stop - start) ** 2).sum(axis=1))  # the same to the last bit in any language
    count = (
        np.ceil(length / spacing).astype(np.int64) + 1
        if spacing > 0
        else np.ones(len(start), np.int64)
    )
    index = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    part = index / np.repeat(np.maximum(count - 1, 1), count)
    points: Floats = np.repeat(start, count, axis=0) + part[:, None] * np.repeat(
        stop - start, count, axis=0
    )
    return points


def discs(centres: Floats, radius: float, side: int) -> NDArray[np.bool_]:
    """Which pixels of `[side, side]` have their middle in a disc around one of the centres (x, y).

    Each disc is a run of pixels in each row that it crosses: runs are counted at their two ends and
    summed along rows.
    """
    x, y = centres[:, :1], centres[:, 1:]
    first = np.maximum(np.ceil(y - radius - 0.5), 0)
    rows = first + np.arange(min(2 * radius + 1, side))
    reach = radius * radius - (rows + 0.5 - y) ** 2
    half = np.sqrt(np.maximum(reach, 0))
    left = np.clip(np.ceil(x - half - 0.5), 0, side)
    right = np.clip(np.floor(x + half + 0.5), 0, side)
    crossed = (reach >= 0) & (rows < side) & (left < right)
    ends = [(rows * (side + 1) + end)[crossed].astype(np.int64) for end in (left, right)]
    starts, stops = (np.bincount(end, minlength=side * (side + 1)) for end in ends)
    runs: NDArray[np.bool_] = (starts - stops).reshape(side, side + 1).cumsum(axis=1)[:, :side] > 0
    return runs
