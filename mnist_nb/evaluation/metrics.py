"""Numbers about a model on a split of the data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import metrics
from torch import Tensor, nn

from mnist_nb.data import CLASSES, Split
from mnist_nb.models import predict
from mnist_nb.models.runtime import one_thread

REJECTED_LABELS = {
    947: 0, 1621: 2, 1901: 2, 2130: 2, 2462: 0, 2597: 0, 2654: 0, 3520: 2,
    3558: 1, 5937: 1, 6651: 0, 6783: 2, 8527: 2, 9679: 2, 9729: 2,
}  # fmt: skip
"""Test images of MNIST (index from 0) whose label was upheld by fewer than three of five human reviewers, with how many
did uphold it. From the votes published with C. G. Northcutt, A. Athalye, J. Mueller, "Pervasive Label Errors in Test
Sets Destabilize Machine Learning Benchmarks" (2021): github.com/cleanlab/label-errors, mturk/mnist_mturk.json. The
reviewers saw only what the authors' own network had flagged, so there may be more."""

# The standard figures come from scikit-learn rather than torchmetrics: one call gives them all for every digit, and
# the notebooks need it anyway for their baselines and maps.


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model says about a split, and how often it is right."""

    probabilities: Tensor  # float32 [N, 10]
    labels: Tensor  # int64 [N]

    @property
    def predictions(self) -> Tensor:
        """The likeliest digit of each image, int64 `[N]`."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> Tensor:
        """The probability of each guess, float32 `[N]`."""
        return self.probabilities.amax(1)

    @property
    def is_correct(self) -> Tensor:
        """Whether each guess is the label, bool `[N]`."""
        return self.predictions == self.labels

    @property
    def n_correct(self) -> int:
        """How many images are read right."""
        return int(self.is_correct.sum())

    @property
    def accuracy(self) -> float:
        """The share read right, in [0, 1]."""
        return self.n_correct / len(self.labels)

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % Wilson interval."""
        return wilson_interval(self.n_correct, len(self.labels))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts `[10, 10]`: the row is the digit's label, the column the guess."""
        matrix: NDArray[np.int64] = metrics.confusion_matrix(self.labels, self.predictions, labels=range(CLASSES))
        return matrix

    def per_digit(self) -> list[DigitScore]:
        """Precision, recall and F1 of each digit, 0 to 9; a digit that never occurs scores 0."""
        precision, recall, f1, support = metrics.precision_recall_fscore_support(
            self.labels, self.predictions, labels=range(CLASSES), zero_division=0.0
        )
        hits, read = self.confusion.diagonal(), self.confusion.sum(0)
        return [
            DigitScore(
                digit, float(precision[digit]), float(recall[digit]), float(f1[digit]),
                int(support[digit]), int(read[digit]), int(hits[digit]),
            )
            for digit in range(CLASSES)
        ]  # fmt: skip

    def without(self, indices: Collection[int]) -> Evaluation:
        """The same answers, less those to the images at these positions; positions beyond the split are ignored."""
        kept = torch.tensor([index not in indices for index in range(len(self.labels))])
        return Evaluation(self.probabilities[kept], self.labels[kept])

    def most_confident_mistakes(self, count: int) -> list[int]:
        """Indices of the wrong guesses that the model was surest of, the surest first."""
        wrong = torch.nonzero(~self.is_correct).flatten()
        return wrong[self.confidence[wrong].argsort(descending=True, stable=True)][:count].tolist()

    def unsure_hits(self, count: int) -> list[int]:
        """Indices of the right guesses that the model was least sure of, the least sure first."""
        right = torch.nonzero(self.is_correct).flatten()
        return right[self.confidence[right].argsort(stable=True)][:count].tolist()

    def confused_pairs(self, count: int) -> list[tuple[int, int, int]]:
        """The mistakes made most often: (label, guess, how many times), the most frequent first."""
        pairs = [
            (label, guess, int(self.confusion[label, guess]))
            for label in range(CLASSES)
            for guess in range(CLASSES)
            if label != guess and self.confusion[label, guess]
        ]
        return sorted(pairs, key=lambda pair: -pair[2])[:count]


@dataclasses.dataclass(frozen=True)
class DigitScore:
    """How well one digit is read; shares in [0, 1] and their 95 % intervals, and the counts they come from."""

    digit: int
    precision: float  # of the images read as this digit, the share that are it
    recall: float  # of the images of this digit, the share read as it
    f1: float  # harmonic mean of the two
    support: int  # images of this digit
    read: int  # images read as this digit
    hits: int  # images that are both

    @property
    def precision_interval(self) -> tuple[float, float]:
        """Wilson's, among the images read as this digit; all of [0, 1] where there are none."""
        return wilson_interval(self.hits, self.read) if self.read else (0.0, 1.0)

    @property
    def recall_interval(self) -> tuple[float, float]:
        """Wilson's, among the images of this digit; all of [0, 1] where there are none."""
        return wilson_interval(self.hits, self.support) if self.support else (0.0, 1.0)

    @property
    def f1_interval(self) -> tuple[float, float]:
        """Wilson's too, by a detour; all of [0, 1] where the digit is neither written nor read.

        F1 is no share of images, but the share of hits among the images that are this digit *or* read as it is one,
        and F1 = 2 share / (1 + share) grows with it: so the ends of its interval become those of F1. This is the
        "Wilson indirect" method of K. F. Y. Lam, V. Gopal and J. Qian (2023, arXiv:2309.14621).
        """
        either = self.support + self.read - self.hits
        low, high = wilson_interval(self.hits, either) if either else (0.0, 1.0)
        return 2 * low / (1 + low), 2 * high / (1 + high)


def evaluate(model: nn.Module, split: Split) -> Evaluation:
    """Ask the model about every image of the split."""
    with one_thread():  # a second one gains little, and on a busy machine costs ten times the time
        return Evaluation(predict(model, split.images), split.labels)


def wilson_interval(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval in [0, 1] that holds a proportion with 95 % confidence, or another `z` (E. B. Wilson, 1927).

    Unlike accuracy +- 2 standard errors it never leaves [0, 1] and holds for scores near 100 %.

    Raises:
        ValueError: unless 0 <= correct <= total and total > 0.
    """
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"expected 0 <= correct <= total and total > 0, got correct={correct}, total={total}")
    share = correct / total
    centre = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # the ends are exact at 0 and 1, where rounding could step outside
    low = 0.0 if correct == 0 else (centre - reach) / scale
    high = 1.0 if correct == total else (centre + reach) / scale
    return low, high


def score_table(scores: Sequence[DigitScore]) -> str:
    """The per-digit scores as lines of text, in per cent, each with its 95 % interval."""

    def cell(share: float, interval: tuple[float, float]) -> str:
        return f"{100 * share:6.1f} ({100 * interval[0]:5.1f} to {100 * interval[1]:5.1f})"

    lines = [f"digit  {'precision, %':>23}  {'recall, %':>23}  {'F1, %':>23}  images"]
    lines += [
        f"{score.digit:5}  {cell(score.precision, score.precision_interval)}  "
        f"{cell(score.recall, score.recall_interval)}  {cell(score.f1, score.f1_interval)}  {score.support:6,}"
        for score in scores
    ]
    return "\n".join(lines)
