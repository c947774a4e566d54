"""Comparison of two models on the same images, and of runs over several seeds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from mnist_nb.evaluation.metrics import Evaluation


class Comparison(NamedTuple):
    """The numbers of images that both, only one, or neither of two models read correctly."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def images(self) -> int:
        """The number of images."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def discordant(self) -> int:
        """The number of images that exactly one of the two models reads correctly."""
        return self.first_only + self.second_only

    @property
    def accuracy_difference(self) -> float:
        """The second model's accuracy minus the first's, in [-1, 1]."""
        return (self.second_only - self.first_only) / self.images

    @property
    def accuracy_difference_interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference of paired shares: the difference +- 1.96 standard
        errors.

        A. Agresti, *Categorical Data Analysis* (3rd ed., 2013), section 11.1: its variance is
        (discordant - (second_only - first_only)^2 / images) / images^2.
        """
        difference = self.accuracy_difference
        reach = 1.959964 * math.sqrt((self.discordant / self.images - difference**2) / self.images)
        return max(difference - reach, -1.0), min(difference + reach, 1.0)

    @property
    def p_value(self) -> float:
        """The probability that two equally good models differ at least this much, in [0, 1].

        McNemar's test (Q. McNemar, 1947) in its exact form: each discordant image is a toss of a
        coin, which is fair if neither model is better. Without discordant images it is 1.
        """
        from scipy import stats

        return (
            float(stats.binomtest(self.first_only, self.discordant).pvalue)
            if self.discordant
            else 1.0
        )


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Count the images that both, only one, or neither of two models read correctly.

    Raises:
        ValueError: if their labels differ, so that they are not of the same images.
    """
    if not torch.equal(first.labels, second.labels):
        raise ValueError(
            "expected two evaluations of the same images in the same order, got labels that differ"
        )
    by_kind = torch.bincount(2 * first.is_correct.long() + second.is_correct, minlength=4)
    neither, second_only, first_only, both = by_kind.tolist()
    return Comparison(both, first_only, second_only, neither)


class Spread(NamedTuple):
    """A figure, such as an accuracy, of several runs with the same settings, and its spread."""

    values: tuple[float, ...]
    mean: float
    deviation: float  # of single runs, estimated from these (divided by their number minus one)
    interval: tuple[float, float]  # the 95 % interval of the mean of very many runs, by Student's t


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of a figure, such as an accuracy, over runs that differ only in their seed.

    Raises:
        ValueError: if there are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"values must have the figures of two or more runs, got {len(values)}")
    from scipy import stats

    count = len(values)
    mean = float(np.mean(values))
    deviation = float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return Spread(tuple(values), mean, deviation, (mean - reach, mean + reach))
