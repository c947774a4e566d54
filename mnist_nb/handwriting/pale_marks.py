"""Find pale marks across strokes: folds, stains and stamps in another colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mnist_nb.handwriting.blobs import blob_sizes
from mnist_nb.handwriting.preprocessing import (
    EIGHT_NEIGHBOURS,
    Floats,
    Integers,
    Mask,
    weighted_quantile,
)

STRONG = 0.55  # of the ink's full strength; strokes have more, and marks less
UNEVENNESS = 0.2  # of a mark's strength: the range of its middle half, as a share of its median
MIN_HEIGHT = 8  # of the strokes, in pixels; lower ones are a texture

# Lengths are in heights of the strokes.
BLUR = 0.05  # at the edges of a stroke
BRIDGED = 0.25  # from each side, where a stroke crosses a mark
MIN_PART = 0.5  # the longest part of a mark between two strokes
MIN_MARK = 1.0  # a mark with all its parts


def find_pale_marks(mask: Mask, ink: Floats, full: float) -> Mask:
    """Find marks that are much paler than the strokes, of even strength, and longer than they are.

    The light strokes of a pencil are uneven, and the gaps of a ball pen are short.

    Args:
        mask: the pixels with ink, bool `[H, W]`.
        ink: the strength of the ink, `[H, W]`.
        full: the strength of ink that covers a pixel.
    """
    is_stroke = mask & (ink > STRONG * full)
    height = _typical_height(is_stroke)
    if height < MIN_HEIGHT:
        return np.zeros_like(mask)
    is_pale = mask & ~_widened(is_stroke, BLUR * height)
    parts, _ = ndimage.label(is_pale, EIGHT_NEIGHBOURS)
    has_part = _lengths(parts) > MIN_PART * height
    marks, _ = ndimage.label(_widened(is_pale, BRIDGED * height), EIGHT_NEIGHBOURS)
    marks = np.where(is_pale, marks, 0)
    is_mark = _lengths(marks) > MIN_MARK * height
    pale_ink = np.where(is_pale, ink, 0)
    is_crest = is_pale & (pale_ink == ndimage.maximum_filter(pale_ink, 3))
    for mark in np.flatnonzero(is_mark).tolist():
        pixels = marks == mark
        low, middle, high = np.quantile(ink[pixels & is_crest], (0.25, 0.5, 0.75))
        is_even = high - low < UNEVENNESS * middle
        is_mark[mark] = is_even and has_part[parts[pixels]].any()
    with_ends = _widened(is_mark[marks], BLUR * height) & ~_widened(is_stroke, 1)
    return mask & with_ends


def _typical_height(is_stroke: Mask) -> float:
    """Return the height of the strokes: the median, weighted by height."""
    labels, _ = ndimage.label(is_stroke, EIGHT_NEIGHBOURS)
    heights, _ = blob_sizes(labels)
    return weighted_quantile(heights, heights)


def _widened(mask: Mask, reach: float) -> Mask:
    return np.asarray(ndimage.maximum_filter(mask, 2 * max(1, round(reach)) + 1))


def _lengths(labels: NDArray[np.int32]) -> Integers:
    """Return the longer side of each label; 0 for the background."""
    return np.maximum(*blob_sizes(labels))
