"""Detect several digits where one was expected."""

from itertools import pairwise
from typing import Any

from torch import nn

from mnist_nb.handwriting.numbers import Number, read_number
from mnist_nb.handwriting.page_reading import confidence_of

# None of 834 digits and 289 letters in several strokes by 64 people, nor of 183 pictures of one
# digit, is taken for a number; four in five of 300 numbers of 2 to 4 digits across the pad are.
MIN_GAP = 0.05  # between two digits, in heights of the tallest
MIN_HEIGHT = 0.4  # of a digit, likewise
MIN_CONFIDENCE = 0.5  # that a digit is read right


def find_number(source: Any, model: nn.Module | None = None) -> Number | None:
    """Return the number in a drawing or a picture if it is clearly several digits in one line.

    Args:
        source, model: as for `read_number`.

    Returns:
        The number; None if there are fewer than two digits or it is not clear.
    """
    try:
        number = read_number(source, model)
    except ValueError:  # no ink, or not a number
        return None
    return number if _is_plainly_several(number) else None


def _is_plainly_several(number: Number) -> bool:
    """Return whether the digits are side by side, separate, accepted, and read with confidence."""
    if len(number.digits) < 2 or not number.text.isdecimal():
        return False
    boxes = [digit.box for digit in number.digits]
    heights = [bottom - top for _, top, _, bottom in boxes]
    gaps = [following[0] - before[2] for before, following in pairwise(boxes)]
    confidences = [confidence_of(digit) for digit in number.digits]
    are_apart = min(gaps) >= MIN_GAP * max(heights)
    are_alike = min(heights) >= MIN_HEIGHT * max(heights)
    return bool(are_apart and are_alike and min(confidences) >= MIN_CONFIDENCE)
