"""MNIST's five steps: from a grey image of any size to the 28x28 pixels that its makers would have made of it.

They are those of C. Yadav and L. Bottou, "Cold Case: The Lost MNIST Digits" (2019), who rebuilt MNIST from its sources.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.data import SIDE
from mnist_nb.files import MnistNbError

BOX = 20  # the longest side of a digit's ink in MNIST

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

    1. Crop to the ink, whatever is above 0. 2. Pad to a square of side max(h, w, 10). 3. Resample to 20x20 by area
    coverage: a pixel is a small square, so a box under 20 needs no doubling first. 4. Scale so that the peak is 255 and
    round; ink never rounds to 0. 5. Paste into 28x28, moved by whole pixels so that the centre of mass comes to lie in
    (13.5, 14.5] on both axes; ink is never cut off, so a lopsided drawing may stop at the border short of that.

    Raises:
        ValueError: if `grey` has another shape, or values that are negative or not finite.
        EmptySketchError: if nothing in it is above 0.
    """
    image = np.asarray(grey, dtype=np.float64)
    if image.ndim != 2:
        raise ValueError(f"expected a grey image of shape [height, width], got shape {list(image.shape)}")
    if not np.isfinite(image).all() or (image < 0).any():
        raise ValueError("a grey image holds finite values from 0 (no ink) up, but this one holds others")
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
    """The 28x28 uint8 image that MNIST's makers would have made of a grey image `[H, W]`, ink bright on 0.

    Raises:
        ValueError, EmptySketchError: as `preparation_steps`, which shows the images in between.
    """
    return preparation_steps(grey).centred


def _coverage(side: int) -> Floats:
    """Matrix `[20, side]`: which part of each of 20 equal stretches each of `side` pixels covers."""
    edges = np.arange(BOX + 1)[:, None] * (side / BOX)
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    covered: Floats = overlap.clip(0) * (BOX / side)
    return covered


def _shift(profile: NDArray[Any]) -> int:
    """How far to move 20 rows (or columns) of the given ink to bring their centre of mass to index 14."""
    inked = np.flatnonzero(profile)
    shift = int(np.floor(14.5 - (profile @ np.arange(BOX)) / profile.sum()))
    return int(np.clip(shift, -inked[0], SIDE - 1 - inked[-1]))
