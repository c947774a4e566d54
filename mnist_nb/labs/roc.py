"""How well a score tells digits from what is none: the ROC curve, and the area under it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class RocCurve(NamedTuple):
    """What each threshold on a score refuses: an entry for each, from refusing nothing to refusing
    all."""

    digits: NDArray[np.float64]  # the share of the digits refused, in [0, 1], rising
    others: NDArray[np.float64]  # the share of the others refused, in [0, 1], rising

    @property
    def area(self) -> float:
        """The chance that a digit has a higher score than one of the others: 0.5 is blind, 1 is
        perfect (AUROC)."""
        return float(np.trapezoid(self.others, self.digits))

    def at(self, digits: float = 0.01) -> float:
        """The share of the others refused where at most this share of the digits is."""
        return float(self.others[np.searchsorted(self.digits, digits, side="right") - 1])


def roc_curve(digits: ArrayLike, others: ArrayLike) -> RocCurve:
    """The curve for the scores `[N]` of digits and `[M]` of others; where both have the same, a
    line leads across.

    Raises:
        ValueError: if there are none of either.
    """
    high, low = np.sort(np.asarray(digits, np.float64)), np.sort(np.asarray(others, np.float64))
    if not len(high) or not len(low):
        raise ValueError(
            "a ROC curve needs the scores of at least one digit and of one other image"
        )
    thresholds = np.append(np.unique(np.concatenate([high, low])), np.inf)
    return RocCurve(*(np.searchsorted(scores, thresholds) / len(scores) for scores in (high, low)))
