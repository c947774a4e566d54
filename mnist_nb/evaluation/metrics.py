"""Accuracy, confusion matrix and scores per digit of a network on a split."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_nb.data import CLASSES, Split
from mnist_nb.errors import check_range
from mnist_nb.models import one_thread, predict

REJECTED_LABELS = {
    947: 0, 1621: 2, 1901: 2, 2130: 2, 2462: 0, 2597: 0, 2654: 0, 3520: 2,
    3558: 1, 5937: 1, 6651: 0, 6783: 2, 8527: 2, 9679: 2, 9729: 2,
}  # fmt: skip
"""MNIST's test images (index from 0) whose label fewer than three of five reviewers confirmed,
with the number of confirmations. From the votes published with C. G. Northcutt, A. Athalye, J.
Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks" (2021):
github.com/cleanlab/label-errors, mturk/mnist_mturk.json. The reviewers saw only images that the
authors' network had flagged, so there may be more."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A model's probabilities for the images of a split, and metrics computed from them."""

    probabilities: Tensor  # float32 [N, 10]
    labels: Tensor  # int64 [N]

    @property
    def predictions(self) -> Tensor:
        """The most probable digit of each image, int64 `[N]`."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> Tensor:
        """The probability of each prediction, float32 `[N]`."""
        return self.probabilities.amax(1)

    @property
    def is_correct(self) -> Tensor:
        """Whether each prediction is the label, bool `[N]`."""
        return self.predictions == self.labels

    @property
    def n_correct(self) -> int:
        """The number of correct predictions."""
        return int(self.is_correct.sum())

    @property
    def accuracy(self) -> float:
        """The share of correct predictions, in [0, 1]."""
        return self.n_correct / len(self.labels)

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % Wilson interval."""
        return wilson_interval(self.n_correct, len(self.labels))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts `[10, 10]`: the row is the digit's label, the column the prediction."""
        pairs = self.labels * CLASSES + self.predictions
        return torch.bincount(pairs, minlength=CLASSES * CLASSES).view(CLASSES, CLASSES).numpy()

    def per_digit(self) -> list[DigitScore]:
        """The scores of each digit, 0 to 9."""
        counts = self.confusion
        rows = np.stack([counts.sum(1), counts.sum(0), counts.diagonal()], axis=1).tolist()
        return [DigitScore(digit, *row) for digit, row in enumerate(rows)]

    def without(self, indices: Collection[int]) -> Evaluation:
        """Return an evaluation without the images at these indices. Indices beyond the split are
        ignored."""
        kept = torch.tensor([index not in indices for index in range(len(self.labels))])
        return Evaluation(self.probabilities[kept], self.labels[kept])

    def most_confident_mistakes(self, count: int) -> list[int]:
        """Return the indices of the most confident wrong predictions, the highest first."""
        wrong = torch.nonzero(~self.is_correct).flatten()
        return wrong[self.confidence[wrong].argsort(descending=True, stable=True)][:count].tolist()

    def least_confident_correct(self, count: int) -> list[int]:
        """Return the indices of the least confident correct predictions, the lowest first."""
        right = torch.nonzero(self.is_correct).flatten()
        return right[self.confidence[right].argsort(stable=True)][:count].tolist()

    def confused_pairs(self, count: int) -> list[tuple[int, int, int]]:
        """Return the mistakes as (label, prediction, count), the most frequent first."""
        mistakes = []
        for (label, prediction), times in np.ndenumerate(self.confusion):
            if label != prediction and times:
                mistakes.append((label, prediction, int(times)))
        return sorted(mistakes, key=lambda mistake: -mistake[2])[:count]


@dataclasses.dataclass(frozen=True)
class DigitScore:
    """The scores of one digit: counts of images, and shares in [0, 1] with 95 % intervals.

    If no image counts, the share is 0 and its interval is [0, 1].
    """

    digit: int
    support: int  # images of this digit
    predicted: int  # images read as this digit
    true_positives: int  # images that count as both

    @property
    def precision(self) -> float:
        """The share of the images read as this digit that are this digit."""
        return self.true_positives / max(self.predicted, 1)

    @property
    def recall(self) -> float:
        """The share of the images of this digit that are read as this digit."""
        return self.true_positives / max(self.support, 1)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.true_positives / max(self.support + self.predicted, 1)

    @property
    def precision_interval(self) -> tuple[float, float]:
        """The Wilson interval of the precision."""
        return self._interval(self.predicted)

    @property
    def recall_interval(self) -> tuple[float, float]:
        """The Wilson interval of the recall."""
        return self._interval(self.support)

    @property
    def f1_interval(self) -> tuple[float, float]:
        """An interval of F1, derived from a Wilson interval.

        F1 is not a share of images. But the true positives are a share of the images that are this
        digit *or* are read as it, and F1 = 2 share / (1 + share) grows with it, so the limits of
        its interval give those of F1. This is the "Wilson indirect" method of K. F. Y. Lam, V.
        Gopal and J. Qian (2023, arXiv:2309.14621).
        """
        low, high = self._interval(self.support + self.predicted - self.true_positives)
        return 2 * low / (1 + low), 2 * high / (1 + high)

    def _interval(self, total: int) -> tuple[float, float]:
        return wilson_interval(self.true_positives, total) if total else (0.0, 1.0)


def evaluate(model: nn.Module, split: Split) -> Evaluation:
    """Evaluate a model on every image of a split.

    Raises:
        ValueError: if the split is empty.
    """
    if not len(split):
        raise ValueError(f"split must have at least one image, but {split.name} is empty")
    with one_thread():  # a second one helps little, and is ten times slower on a busy machine
        return Evaluation(predict(model, split.images), split.labels)


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a proportion (E. B. Wilson, 1927).

    Unlike accuracy ± 2 standard errors, it stays within [0, 1] and is valid near 100 %.

    Raises:
        ValueError: unless 0 <= correct <= total and total > 0.
    """
    check_range("total", total, 1, math.inf)
    check_range("correct", correct, 0, total)
    from scipy import stats  # imported late: it takes half a second, and the pad does not need it

    low, high = stats.binomtest(correct, total).proportion_ci(method="wilson")
    return float(low), float(high)
