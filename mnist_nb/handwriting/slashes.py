"""Recognition of slashes, as in dates. A network reads them as 1s."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mnist_nb.handwriting.ink_grouping import SlashFeatures, weighted_sum
from mnist_nb.handwriting.pieces import Box
from mnist_nb.handwriting.preprocessing import Floats, Pixels

MAX_COMPARED = 4  # other digits of the line with which a digit is compared
MIN_COMPARED = 2  # likewise; with fewer, a digit is never a slash
EXTENSION_RANGE = (-0.2, 0.4)  # beyond the digits near it, in their heights
LEAN_RANGE = (-0.2, 0.5)  # to the right of the digits near it, x per y
MAX_THICKNESS = 0.5  # in lengths of the stroke
MIN_VARIANCE = 0.1  # in pixels squared, of the ink of a dot

# Logarithms of how much likelier a slash is than a 1. A date is more frequent than a number with
# 1s in these two places. Of 292 such numbers, 5 are taken for dates.
MIN_WORTH_ALONE = 4.0  # of one slash
MIN_WORTH_IN_DATE = -1.0  # the sum of both slashes of a date
DAY_OR_MONTH, YEAR = (1, 2), (2, 4)  # numbers of digits


class Sign(Protocol):
    """A digit that a network has read."""

    @property
    def box(self) -> Box:
        """Left, top, right and bottom of its ink."""

    @property
    def image(self) -> Pixels:
        """The input of the network, `[28, 28]`."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The probability of each digit, `[10]`."""


AnySign = TypeVar("AnySign", bound=Sign)


def without_slashes(line: Sequence[AnySign], weights: Mapping[str, float]) -> list[AnySign]:
    """Remove slashes from a line of digits, ordered from left to right."""
    worths = [_slash_worth(line, place, weights) for place in range(len(line))]
    slashes = _slashes_of_date(worths) or _single_slashes(worths)
    return [sign for place, sign in enumerate(line) if place not in slashes]


def _slash_worth(line: Sequence[Sign], place: int, weights: Mapping[str, float]) -> float:
    """Return the logarithm of how much likelier a slash is than a 1."""
    features = describe_slash(line, place)
    if features is None:
        return -math.inf
    return weighted_sum(features, weights)


def _slashes_of_date(worths: Sequence[float]) -> list[int]:
    """Return the places of the two slashes of a date, or an empty list."""
    best, best_worth = [], MIN_WORTH_IN_DATE
    for first, second in combinations(range(len(worths)), 2):
        worth = worths[first] + worths[second]
        counts = (first, second - first - 1, len(worths) - second - 1)
        if worth > best_worth and _is_date(*counts):
            best, best_worth = [first, second], worth
    return best


def _is_date(before: int, between: int, after: int) -> bool:
    """Return whether so many digits may be day, month and year, or year, month and day."""
    is_year_last = before in DAY_OR_MONTH and after in YEAR
    is_year_first = before in YEAR and after in DAY_OR_MONTH
    return between in DAY_OR_MONTH and (is_year_last or is_year_first)


def _single_slashes(worths: Sequence[float]) -> list[int]:
    """Return the places of signs between digits that are certainly slashes."""
    return [place for place in range(1, len(worths) - 1) if worths[place] > MIN_WORTH_ALONE]


# ---- features


def describe_slash(line: Sequence[Sign], place: int) -> SlashFeatures | None:
    """Return the features of a digit as a slash; None if it is not read as 1, or almost alone."""
    sign = line[place]
    others = [other for other in range(len(line)) if other != place]
    others.sort(key=lambda other: abs(other - place))
    near = [line[other] for other in others[:MAX_COMPARED]]
    if len(near) < MIN_COMPARED or sign.probabilities.argmax() != 1:
        return None
    boxes = np.array([other.box for other in near])
    _, top, _, bottom = np.median(boxes, axis=0).tolist()
    height = max(bottom - top, 1)
    slant, thickness = _measure_stroke(sign.image)
    usual_slant = np.median([_measure_stroke(other.image)[0] for other in near])
    return SlashFeatures(
        slash=1,
        slash_above=float(np.clip((top - sign.box[1]) / height, *EXTENSION_RANGE)),
        slash_below=float(np.clip((sign.box[3] - bottom) / height, *EXTENSION_RANGE)),
        slash_lean=float(np.clip(slant - usual_slant, *LEAN_RANGE)),
        slash_thickness=min(thickness, MAX_THICKNESS),
    )


def _measure_stroke(image: Pixels) -> tuple[float, float]:
    """Return the slant of ink to the right, x per y, and its thickness per length.

    The thickness per length is the ratio of the standard deviations across and along the stroke.
    """
    ink = image.astype(np.float64)
    y, x = np.indices(ink.shape)
    places = np.stack([x.ravel(), y.ravel()])  # [(x, y), pixel]
    covariance: Floats = np.cov(places, aweights=ink.ravel(), ddof=0)
    of_both, of_y = covariance[1]
    slant = -of_both / max(of_y, MIN_VARIANCE)
    across, along = np.linalg.eigvalsh(covariance)
    ratio = max(across, 0) / max(along, MIN_VARIANCE)
    return float(slant), math.sqrt(ratio)
