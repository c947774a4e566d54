"""Recognition of brackets, as in a telephone number. A network reads them as 1s."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.slashes import AnySign, Sign

MIN_BOW = 0.05  # of a bracket, in its heights; 1s may bow as much, but no two towards each other
MIN_EXTENSION = 0.1  # beyond the digits of the line, above and below together, in their heights
MIN_INK = 60  # the sum of the grey levels of a row that a stroke crosses


def without_brackets(line: Sequence[AnySign]) -> list[AnySign]:
    """Remove pairs of brackets from a line of digits, ordered from left to right."""
    removed: list[int] = []
    opening = None
    for place in range(len(line)):
        bow = _measure_bow(line[place].image) if _may_be_bracket(line, place) else 0.0
        if bow > MIN_BOW:
            opening = place
        elif bow < -MIN_BOW and opening is not None and place > opening + 1:
            removed += [opening, place]
            opening = None
    return [sign for place, sign in enumerate(line) if place not in removed]


def _may_be_bracket(line: Sequence[Sign], place: int) -> bool:
    """Return whether a sign is read as 1 and taller than the digits of the line."""
    if len(line) < 3 or line[place].probabilities.argmax() != 1:
        return False
    boxes = np.array([sign.box for other, sign in enumerate(line) if other != place])
    usual_height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    _, top, _, bottom = line[place].box
    return bottom - top > (1 + MIN_EXTENSION) * usual_height


def _measure_bow(image: Pixels) -> float:
    """Return how far the middle of a stroke is to the left of its ends, in heights of it."""
    ink = image.astype(np.float64)
    rows = np.flatnonzero(ink.sum(axis=1) > MIN_INK)
    amounts = ink[rows].sum(axis=1)
    centres = ink[rows] @ np.arange(ink.shape[1]) / amounts  # [row]
    along = np.linspace(-1, 1, len(rows))
    curvature, _, _ = np.polyfit(along, centres, 2, w=np.sqrt(amounts))
    return float(curvature / len(rows))
