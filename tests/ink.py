"""Drawings and measures of ink for several tests."""

from itertools import product

import numpy as np
from hypothesis import settings
from numpy.typing import NDArray

from mnist_nb.handwriting.preprocessing import BOX, Pixels

settings.register_profile("ink", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("ink")

Strokes = list[NDArray[np.float32]]
THREE = np.array(
    [(20, 20), (60, 10), (80, 35), (45, 60), (85, 90), (60, 125), (15, 110)], np.float32
)
SEVEN = [
    np.array([(10, 10), (80, 10), (40, 120)], np.float32),
    np.array([(25, 65), (75, 60)], np.float32),
]


def extents(image: NDArray[np.generic]) -> list[int]:
    return [int(np.ptp(np.flatnonzero(image.any(axis=axis)))) + 1 for axis in (0, 1)]


def centre(image: Pixels, axis: int) -> float:
    profile = image.sum(axis=1 - axis, dtype=np.float64)
    return float(profile @ np.arange(len(profile)) / profile.sum())


def assert_like_mnist(image: Pixels) -> None:
    """Assert the properties that all of MNIST's images have."""
    assert image.dtype == np.uint8
    assert image.shape == (28, 28)
    assert image.max() == 255
    assert max(extents(image)) == BOX
    for axis in (0, 1):
        inked = np.flatnonzero(image.any(axis=1 - axis))
        middle = centre(image, axis)
        # A lopsided drawing stops at the border: what would have to move on lies at its edge
        # already.
        assert (
            13.5 <= middle <= 14.5
            or (middle > 14.5 and inked[0] == 0)
            or (middle < 13.5 and inked[-1] == 27)
        )


def difference(expected: Pixels, image: Pixels) -> float:
    """Return the share of the ink that differs."""
    return float(np.abs(expected.astype(float) - image).sum() / expected.sum())


def difference_in_shape(expected: Pixels, image: Pixels) -> float:
    """Return the share of the ink that differs, ignoring a shift by one pixel."""
    shifts = product((-1, 0, 1), repeat=2)
    return min(difference(expected, np.roll(image, shift, axis=(0, 1))) for shift in shifts)
