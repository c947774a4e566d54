"""MNIST's five preparation steps: from a grey image of any size to 28x28 pixels.

The steps are those of C. Yadav and L. Bottou, "Cold Case: The Lost MNIST Digits" (2019), who
rebuilt MNIST from its sources.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.data import SIDE, DataError
from mnist_nb.errors import MnistNbError

BOX = 20  # the longest side of a digit's ink in MNIST, in pixels
PEN_WIDTH = 2.5  # the width of MNIST's pens, in pixels of the 20x20 box
RASTER = 8 * BOX  # the longest side of a black-and-white drawing, as in MNIST's sources

SMALLEST_SIDE = 10  # smaller ink is not enlarged further
CENTRE = 14  # the pixel index of the centre of mass in MNIST

EIGHT_NEIGHBOURS = np.ones((3, 3))  # a pixel touches all eight around it

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class EmptySketchError(MnistNbError, ValueError):
    """There is no ink, so no image can be made."""


def check_image(image: ArrayLike) -> NDArray[np.uint8]:
    """Return the image as an array, uint8 `[28, 28]`.

    Raises:
        DataError: if type or shape is wrong.
    """
    expected = f"an image must be uint8 [{SIDE}, {SIDE}]"
    try:
        pixels = np.asarray(image)
    except (TypeError, ValueError) as error:
        raise DataError(f"{expected}: {error}") from error
    if pixels.dtype != np.uint8 or pixels.shape != (SIDE, SIDE):
        raise DataError(f"{expected}, got {pixels.dtype} {list(pixels.shape)}")
    return pixels


class Steps(NamedTuple):
    """The result of each of MNIST's five steps. The last one is the prepared image."""

    cropped: Floats  # [h, w], the bounding box of the ink
    square: Floats  # [side, side], side = max(h, w, 10)
    resampled: Floats  # [20, 20], the same ink, averaged over areas
    scaled: Pixels  # [20, 20], peak 255
    centred: Pixels  # [28, 28], the centre of mass at pixel 14


def prepare(grey: ArrayLike) -> Pixels:
    """Prepare a grey image `[H, W]`, bright ink on 0, like MNIST's images: uint8 `[28, 28]`.

    Raises:
        ValueError, EmptySketchError: as `preparation_steps`, which returns all steps.
    """
    return preparation_steps(grey).centred


def preparation_steps(grey: ArrayLike) -> Steps:
    """Prepare a grey image `[H, W]`, bright ink on 0, and return the result of every step.

    1. Crop to the ink: all values above 0.
    2. Pad to a square of side max(h, w, 10).
    3. Resample to 20x20 by area coverage.
    4. Scale so that the peak is 255 and round; ink never rounds to 0.
    5. Paste into 28x28, shifted by whole pixels so that the centre of mass is in (13.5, 14.5] on
       both axes. Ink is never cut off, so a lopsided drawing may be off-centre.

    Raises:
        ValueError: if `grey` has a wrong shape, or values that are negative or not finite.
        EmptySketchError: if no value is above 0.
    """
    cropped = _crop_to_ink(_check_grey(grey))
    square = _pad_to_square(cropped)
    coverage = _coverage(len(square))
    resampled = coverage @ square @ coverage.T
    scaled = _scale_to_255(resampled)
    return Steps(cropped, square, resampled, scaled, _centre(scaled))


def _check_grey(grey: ArrayLike) -> Floats:
    try:
        image = np.asarray(grey, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"grey must be numbers of shape [height, width]: {error}") from error
    if image.ndim != 2:
        shape = list(image.shape)
        raise ValueError(f"grey must have shape [height, width], got {shape}")
    if not np.isfinite(image).all() or (image < 0).any():
        raise ValueError("grey must have finite values of 0 (no ink) or more")
    peak = float(image.max(initial=0))
    if 0 < peak < 1e-200:  # 255 / peak would be infinite
        return image / peak
    return image


def _crop_to_ink(image: Floats) -> Floats:
    rows, columns = np.nonzero(image)
    if not len(rows):
        raise EmptySketchError("there is no ink in this image: no value is above 0")
    return image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _pad_to_square(image: Floats) -> Floats:
    height, width = image.shape
    side = max(height, width, SMALLEST_SIDE)
    top = (side - height) // 2
    left = (side - width) // 2
    bottom = side - height - top
    right = side - width - left
    return np.pad(image, ((top, bottom), (left, right)))


def _coverage(side: int) -> Floats:
    """Return the share of each of `side` pixels in each of 20 equal parts: `[20, side]`."""
    part = np.arange(BOX)[:, None]
    part_start = part * (side / BOX)
    part_stop = (part + 1) * (side / BOX)
    pixel_start = np.arange(side)
    pixel_stop = pixel_start + 1
    start = np.maximum(part_start, pixel_start)
    stop = np.minimum(part_stop, pixel_stop)
    coverage: Floats = (stop - start).clip(0) * (BOX / side)
    return coverage


def _scale_to_255(resampled: Floats) -> Pixels:
    scaled = np.rint(resampled * (255 / resampled.max()))
    at_least_1 = np.maximum(scaled, 1)
    return np.where(resampled > 0, at_least_1, 0).astype(np.uint8)


def _centre(scaled: Pixels) -> Pixels:
    """Paste `[20, 20]` into `[28, 28]` with the centre of mass at pixel 14 on both axes."""
    top = BOX + _offset(scaled.sum(axis=1))
    left = BOX + _offset(scaled.sum(axis=0))
    # the margin of BOX is for rows and columns without ink outside the image
    canvas_side = SIDE + 2 * BOX
    canvas = np.zeros((canvas_side, canvas_side), np.uint8)
    canvas[top : top + BOX, left : left + BOX] = scaled
    inside = slice(BOX, BOX + SIDE)
    return canvas[inside, inside].copy()


def _offset(profile: NDArray[Any]) -> int:
    """Return the first of 28 rows (or columns) that 20 rows of the given ink occupy.

    It can be negative: rows without ink may be outside.
    """
    inked = np.flatnonzero(profile)
    first, last = inked[0], inked[-1]
    centre_of_mass = (profile @ np.arange(BOX)) / profile.sum()
    wanted = np.floor(CENTRE + 0.5 - centre_of_mass)
    return int(np.clip(wanted, -first, SIDE - 1 - last))


def weighted_quantile(values: ArrayLike, weights: ArrayLike, share: float = 0.5) -> float:
    """Return the value up to which, in order, the weights reach a share of their sum."""
    numbers = np.asarray(values)
    order = np.argsort(numbers)
    sums = np.cumsum(np.asarray(weights)[order])
    return float(numbers[order][np.searchsorted(sums, share * sums[-1])])
