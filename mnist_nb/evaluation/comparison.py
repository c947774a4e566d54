"""Is one model better than another? On the same images, and over several seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import stats

from mnist_nb.evaluation.metrics import Evaluation


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How many images two models read right: both, one of them alone, or neither."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def images(self) -> int:
        """How many images the two were asked about."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def accuracy_difference(self) -> float:
        """The second model's accuracy less the first's, in [-1, 1]."""
        return (self.second_only - self.first_only) / self.images

    @property
    def accuracy_difference_interval(self) -> tuple[float, float]:
        """The lead's 95 % interval for paired shares, lead +- 1.96 standard errors.

        A. Agresti, *Categorical Data Analysis* (3rd ed., 2013), section 11.1: the variance of the lead is
        (discordant - (second_only - first_only)^2 / images) / images^2.
        """
        discordant, ahead = self.first_only + self.second_only, self.second_only - self.first_only
        reach = 1.959964 * math.sqrt(discordant - ahead * ahead / self.images) / self.images
        return max(self.accuracy_difference - reach, -1.0), min(self.accuracy_difference + reach, 1.0)

    @property
    def p_value(self) -> float:
        """How often fair coins would part the discordant images as unevenly as this, or more; in [0, 1].

        McNemar's test (Q. McNemar, 1947) in its exact form: the images that exactly one model reads right are tosses
        of a coin, fair if neither is better. No tosses at all give 1.
        """
        discordant = self.first_only + self.second_only
        return float(stats.binomtest(self.first_only, discordant).pvalue) if discordant else 1.0


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Count on which images each of two models is right.

    Raises:
        ValueError: if the two were not asked about the same images, as far as their labels show.
    """
    if not torch.equal(first.labels, second.labels):
        raise ValueError("expected two evaluations of the same images in the same order, got labels that differ")
    one, other = first.is_correct, second.is_correct
    both, first_only, second_only = int((one & other).sum()), int((one & ~other).sum()), int((other & ~one).sum())
    return Comparison(both, first_only, second_only, len(first.labels) - both - first_only - second_only)


@dataclasses.dataclass(frozen=True)
class Spread:
    """Several runs of the same settings: their mean, and how far single runs lie from it."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The runs' mean."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """The standard deviation of single runs, estimated from these (divided by their number less one)."""
        return float(np.std(self.values, ddof=1))

    @property
    def interval(self) -> tuple[float, float]:
        """The mean's 95 % interval by Student's t: where the mean of very many runs is likely to lie."""
        reach = float(stats.t.ppf(0.975, len(self.values) - 1)) * self.deviation / math.sqrt(len(self.values))
        return self.mean - reach, self.mean + reach


def spread(values: Sequence[float]) -> Spread:
    """The spread of one figure, such as an accuracy, over runs that differ in their seed alone.

    Raises:
        ValueError: for fewer than two values, which have no spread.
    """
    if len(values) < 2:
        raise ValueError(f"expected the figures of two runs or more, got {len(values)}")
    return Spread(tuple(values))
