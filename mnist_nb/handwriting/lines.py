"""Lines of digits on a page, found together: they have the same slope and do not cross."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnist_nb.handwriting.preprocessing import Floats, Integers

# Lengths are in heights of a digit. Tuned on made pages.
SLOPES = np.linspace(-0.3, 0.3, 61)  # y per x
SLOPE_COST = 8.0  # of the square of a slope; pages are rarely steep
LINE_COST = 0.25  # of one more line
LINE_GAP = 0.4  # between the middles of digits of different lines, at least
RAISED = 1.05  # a digit may be so far above or below its line, if no digit of it is there
MIN_OVERLAP = 0.4  # of two digits below each other, in widths of the narrower one


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a page. Lengths are in heights of a digit.

    Attributes:
        slope: y per x.
        numbers: the line of each digit, counted from the top: int64 `[digit]`.
        levels: the y of the lines at x = 0, in the middle of their digits: `[line]`.
    """

    slope: float
    numbers: Integers
    levels: Floats

    def members(self) -> list[list[int]]:
        """The digits of each line, in the order in which they were given."""
        count = len(self.levels)
        return [np.flatnonzero(self.numbers == number).tolist() for number in range(count)]

    def offsets(self, boxes: Floats) -> Floats:
        """Return how far the middles of boxes `[box, 4]` are below each line: `[box, line]`."""
        x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2
        return np.asarray(np.subtract.outer(y - self.slope * x, self.levels))


def find_lines(boxes: Floats) -> Lines:
    """Find the lines of digits.

    The slope with the fewest and straightest lines is chosen. A digit off its line, such as a
    raised one, belongs to the nearest line with space for it.

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
    """Return the distances of digits from the lines of their levels, plus a cost for each line."""
    numbers = _split(levels)
    residuals = levels - _mean_levels(numbers, levels)[numbers]
    return float((residuals**2).mean() + LINE_COST * numbers.max() / len(levels) ** 0.5)


def _split(levels: Floats) -> Integers:
    """Number the lines from the top. A new line begins where levels are far apart."""
    order = np.argsort(levels, kind="stable")
    is_new = np.diff(levels[order]) > LINE_GAP
    numbers = np.zeros(len(levels), np.int64)
    numbers[order[1:]] = np.cumsum(is_new)
    return numbers


def _mean_levels(numbers: Integers, levels: Floats) -> Floats:
    """Return the mean level of each line."""
    return np.asarray(np.bincount(numbers, levels) / np.bincount(numbers))


def _merge_raised(numbers: Integers, levels: Floats, boxes: Floats) -> Integers:
    """Merge lines, nearest first, unless a digit of one is above or below a digit of the other."""
    while numbers.max() > 0:
        means = _mean_levels(numbers, levels)
        upper = _mergeable(numbers, means, boxes)
        if upper is None:
            break
        numbers = np.where(numbers > upper, numbers - 1, numbers)
    return numbers


def _mergeable(numbers: Integers, means: Floats, boxes: Floats) -> int | None:
    """Return the upper one of two lines to merge; None if there are none."""
    gaps = np.diff(means)
    order: list[int] = np.argsort(gaps, kind="stable").tolist()
    for upper in order:
        if gaps[upper] > RAISED:
            break
        if not _are_stacked(boxes[numbers == upper], boxes[numbers == upper + 1]):
            return upper
    return None


def _are_stacked(upper: Floats, lower: Floats) -> bool:
    """Return whether a digit of one line is below a digit of the other."""
    starts = np.maximum.outer(upper[:, 0], lower[:, 0])
    stops = np.minimum.outer(upper[:, 2], lower[:, 2])
    narrower = np.minimum.outer(np.ptp(upper[:, ::2], axis=1), np.ptp(lower[:, ::2], axis=1))
    return bool((stops - starts > MIN_OVERLAP * narrower).any())
