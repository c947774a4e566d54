"""How far a model's confidence can be believed: calibration errors, temperature scaling, and
selective prediction."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mnist_nb.data import CLASSES
from mnist_nb.evaluation.metrics import Evaluation


class ReliabilityBin(NamedTuple):
    """The images that a model read with about equal confidence: confidence in (low, high]."""

    low: float
    high: float
    images: int
    confidence: float  # their mean confidence, in [0, 1]; NaN where there are no images
    accuracy: float  # the share of correct predictions, in [0, 1]; NaN where there are no images


def reliability_bins(evaluation: Evaluation, count: int = 15) -> list[ReliabilityBin]:
    """The images sorted by confidence into bins of equal width that cover [0, 1]."""
    edges = np.linspace(0, 1, count + 1)
    confidence, is_correct = evaluation.confidence.double().numpy(), evaluation.is_correct.numpy()
    numbers = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, count - 1)
    bins = []
    for number, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        inside = numbers == number
        means = [
            float(values[inside].mean()) if inside.any() else math.nan
            for values in (confidence, is_correct)
        ]
        bins.append(ReliabilityBin(low, high, int(inside.sum()), *means))
    return bins


def expected_calibration_error(evaluation: Evaluation, count: int = 15) -> float:
    """The mean gap in [0, 1] between confidence and accuracy, over the bins, each weighted by its
    images.

    M. P. Naeini, G. F. Cooper, M. Hauskrecht (2015); 15 bins as in C. Guo et al., *On Calibration
    of Modern Neural Networks* (2017). It depends on the bins, and it calls a model perfect that
    always states its average accuracy: read it beside `negative_log_likelihood` and `brier_score`,
    which have neither weakness.
    """
    filled = [part for part in reliability_bins(evaluation, count) if part.images]
    return sum(part.images * abs(part.confidence - part.accuracy) for part in filled) / len(
        evaluation.labels
    )


def negative_log_likelihood(evaluation: Evaluation) -> float:
    """The mean of -ln(probability of the label), in nats: the cross-entropy that training
    minimises; 0 is perfect."""
    return float(functional.nll_loss(_logarithms(evaluation), evaluation.labels))


def brier_score(evaluation: Evaluation) -> float:
    """The mean squared distance from the ten probabilities to the truth, 1 for the label and 0 for
    the others.

    In [0, 2]; 0 is perfect. G. W. Brier (1950).
    """
    truth = functional.one_hot(evaluation.labels, CLASSES)
    return float((evaluation.probabilities.double() - truth).square().sum(1).mean())


def with_temperature(evaluation: Evaluation, temperature: float) -> Evaluation:
    """The same predictions with every logit divided by the temperature: above 1 less confident,
    below 1 more.

    Raises:
        ValueError: unless the temperature is above 0.
    """
    if not temperature > 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    # logarithms of probabilities are the logits minus a constant, which the softmax cancels
    return Evaluation((_logarithms(evaluation) / temperature).softmax(1).float(), evaluation.labels)


def fit_temperature(validation: Evaluation) -> float:
    """The temperature, from 0.05 to 20, with the smallest negative log-likelihood on these
    predictions.

    A single number can hardly overfit, but it is fitted all the same: on validation images, never
    on the test images. C. Guo et al. (2017).
    """
    from scipy import optimize  # takes a while to import, and only this needs it

    logarithms = _logarithms(validation)

    def loss(log_temperature: float) -> float:
        return float(
            functional.cross_entropy(logarithms / np.exp(log_temperature), validation.labels)
        )

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


class CoverageCurve(NamedTuple):
    """The accuracy of a model that answers only where it is most confident: one entry for each
    number of answers."""

    share: NDArray[np.float64]  # of the images answered (the coverage), in (0, 1], rising
    accuracy: NDArray[np.float64]  # on those, in [0, 1]
    confidence: NDArray[np.float64]  # the lowest among those, in [0, 1]: the threshold to set

    def at(self, share: float) -> float:
        """The accuracy if this share of the images is answered.

        Raises:
            ValueError: unless the share is above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise ValueError(f"expected a share above 0 and at most 1, got {share}")
        return float(self.accuracy[np.searchsorted(self.share, share - 1e-9)])


def coverage(evaluation: Evaluation) -> CoverageCurve:
    """The accuracy if the model refuses the images of lowest confidence: none, one, two, and so on
    to all but one."""
    order = evaluation.confidence.argsort(descending=True, stable=True)
    answered = np.arange(1, len(order) + 1)
    correct = evaluation.is_correct[order].cumsum(0).double().numpy()
    return CoverageCurve(
        answered / len(order), correct / answered, evaluation.confidence[order].double().numpy()
    )


def _logarithms(evaluation: Evaluation) -> Tensor:
    """The logarithms of the probabilities, float64 `[N, 10]`, finite also where a probability has
    underflowed to 0."""
    return evaluation.probabilities.double().clamp_min(torch.finfo(torch.float32).tiny).log()
