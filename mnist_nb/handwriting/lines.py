"""Lines of digits, found for a whole page at once: they share a slope, and none crosses another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_nb.handwriting.preprocessing import Floats

Integers = NDArray[np.int64]

# Lengths are in heights of a digit. Chosen on made pages.
SLOPES = np.linspace(-0.3, 0.3, 61)  # y per x
SLOPE_COST = 8.0  # of a slope's square; pages are rarely steep
LINE_COST = 0.25  # of one more line
LINE_GAP = 0.4  # between the middles of digits of different lines, at least
RAISED = 0.95  # a digit may be so far above or below its line, if no digit of it is there
MIN_OVERLAP = 0.4  # of two digits below each other, in widths of the narrower one


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a page; lengths are in heights of a digit.

    Attributes:
        slope: y per x.
        numbers: the line of each digit, counted from the top: int64 `[digit]`.
        levels: where the lines cross x = 0, in the middle of their digits: `[line]`.
    """

    slope: float
    numbers: Integers
    levels: Floats

    def members(self) -> list[list[int]]:
        """The digits of each line, in the order in which they were given."""
        count = len(self.levels)
        return [np.flatnonzero(self.numbers == number).tolist() for number in range(count)]


def find_lines(boxes: Floats) -> Lines:
    """Find the lines of digits.

    Of all slopes the one is taken in whose direction the digits are in the fewest and straightest
    lines. A digit off its line, such as a raised one, belongs to the nearest line that has room
    for it.

    Args:
        boxes: left, top, right and bottom of each digit, `[digit, 4]`, in heights of a digit.
    """
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2  # [digit, (x, y)]
    levels = middles[:, 1] - SLOPES[:, None] * middles[:, 0]  # [slope, digit]
    costs = [
        _cost(of_digits) + SLOPE_COST * slope**2
        for slope, of_digits in zip(SLOPES, levels, strict=True)
    ]
    best = int(np.argmin(costs))
    numbers = _merge_raised(_split(levels[best]), levels[best], boxes)
    return Lines(float(SLOPES[best]), numbers, _mean_levels(numbers, levels[best]))


def _cost(levels: Floats) -> float:
    """How far digits are from the lines that their levels fall into, plus a cost of each line."""
    numbers = _split(levels)
    residuals = levels - _mean_levels(numbers, levels)[numbers]
    return float((residuals**2).mean() + LINE_COST * numbers.max() / len(levels) ** 0.5)


def _split(levels: Floats) -> Integers:
    """Number lines from the top: a new one begins where levels are far from each other."""
    order = np.argsort(levels, kind="stable")
    is_new = np.diff(levels[order]) > LINE_GAP
    numbers = np.zeros(len(levels), np.int64)
    numbers[order[1:]] = np.cumsum(is_new)
    return numbers


def _mean_levels(numbers: Integers, levels: Floats) -> Floats:
    """The mean level of each line."""
    return np.asarray(np.bincount(numbers, levels) / np.bincount(numbers))


def _merge_raised(numbers: Integers, levels: Floats, boxes: Floats) -> Integers:
    """Merge lines, nearest first, of which neither has a digit above or below one of the other."""
    while numbers.max() > 0:
        means = _mean_levels(numbers, levels)
        upper = _mergeable(numbers, means, boxes)
        if upper is None:
            break
        numbers = np.where(numbers > upper, numbers - 1, numbers)
    return numbers


def _mergeable(numbers: Integers, means: Floats, boxes: Floats) -> int | None:
    """The upper one of two lines that are one; None if there are none."""
    gaps = np.diff(means)
    order: list[int] = np.argsort(gaps, kind="stable").tolist()
    for upper in order:
        if gaps[upper] > RAISED:
            break
        if not _are_stacked(boxes[numbers == upper], boxes[numbers == upper + 1]):
            return upper
    return None


def _are_stacked(upper: Floats, lower: Floats) -> bool:
    """Whether a digit of one line is below one of the other."""
    starts = np.maximum.outer(upper[:, 0], lower[:, 0])
    stops = np.minimum.outer(upper[:, 2], lower[:, 2])
    narrower = np.minimum.outer(np.ptp(upper[:, ::2], axis=1), np.ptp(lower[:, ::2], axis=1))
    return bool((stops - starts > MIN_OVERLAP * narrower).any())
