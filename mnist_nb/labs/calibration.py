"""Calibration of a model's confidence: errors, temperature scaling, and selective prediction."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mnist_nb.data import CLASSES
from mnist_nb.evaluation.metrics import Evaluation

DEFAULT_BINS = 15  # as in C. Guo et al. (2017)
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20  # the range that `fit_temperature` searches


class ReliabilityBin(NamedTuple):
    """The images that a model read with confidence in (low, high]."""

    low: float
    high: float
    images: int
    confidence: float  # their mean confidence, in [0, 1]; NaN without images
    accuracy: float  # the share of correct predictions, in [0, 1]; NaN without images


def reliability_bins(evaluation: Evaluation, count: int = DEFAULT_BINS) -> list[ReliabilityBin]:
    """Sort the images by confidence into bins of equal width that cover [0, 1]."""
    edges = np.linspace(0, 1, count + 1)
    confidence = evaluation.confidence.double().numpy()
    is_correct = evaluation.is_correct.numpy()
    bin_of_image = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, count - 1)
    bins = []
    for number in range(count):
        is_inside = bin_of_image == number
        bins.append(
            ReliabilityBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                images=int(is_inside.sum()),
                confidence=_mean_or_nan(confidence[is_inside]),
                accuracy=_mean_or_nan(is_correct[is_inside]),
            )
        )
    return bins


def expected_calibration_error(evaluation: Evaluation, count: int = DEFAULT_BINS) -> float:
    """Return the mean gap, in [0, 1], between confidence and accuracy.

    The mean is over the bins, each weighted by its images. M. P. Naeini, G. F. Cooper,
    M. Hauskrecht (2015); 15 bins as in C. Guo et al., *On Calibration of Modern Neural Networks*
    (2017). The error depends on the bins, and it is 0 for a model that always states its average
    accuracy: compare it with `negative_log_likelihood` and `brier_score`, which have neither
    weakness.
    """
    weighted_gaps = 0.0
    for part in reliability_bins(evaluation, count):
        if part.images:
            weighted_gaps += part.images * abs(part.confidence - part.accuracy)
    return weighted_gaps / len(evaluation.labels)


def negative_log_likelihood(evaluation: Evaluation) -> float:
    """Return the mean of -ln(probability of the label), in nats; 0 is perfect.

    It is the cross-entropy that training minimizes.
    """
    return float(functional.nll_loss(_log_probabilities(evaluation), evaluation.labels))


def brier_score(evaluation: Evaluation) -> float:
    """Return the mean squared distance, in [0, 2], of the ten probabilities from the truth.

    The truth is 1 for the label and 0 for the other digits; 0 is perfect. G. W. Brier (1950).
    """
    truth = functional.one_hot(evaluation.labels, CLASSES)
    errors = evaluation.probabilities.double() - truth  # [image, digit]
    return float(errors.square().sum(1).mean())


def with_temperature(evaluation: Evaluation, temperature: float) -> Evaluation:
    """Return the same predictions with every logit divided by the temperature.

    A temperature above 1 makes the model less confident, one below 1 more confident.

    Raises:
        ValueError: if the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    # logarithms of probabilities are the logits minus a constant, which the softmax cancels
    scaled_logits = _log_probabilities(evaluation) / temperature
    return Evaluation(scaled_logits.softmax(1).float(), evaluation.labels)


def fit_temperature(validation: Evaluation) -> float:
    """Return the temperature, from 0.05 to 20, with the smallest negative log-likelihood.

    Fit it on validation images, never on test images. C. Guo et al. (2017).
    """
    from scipy import optimize  # slow to import, and needed only here

    log_probabilities = _log_probabilities(validation)

    def loss(log_temperature: float) -> float:
        logits = log_probabilities / np.exp(log_temperature)
        return float(functional.cross_entropy(logits, validation.labels))

    bounds = np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE)
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


class CoverageCurve(NamedTuple):
    """The accuracy of a model that answers only its most confident images.

    One entry for each number of answered images, from one to all.
    """

    share: NDArray[np.float64]  # the share of the images answered (coverage), in (0, 1], rising
    accuracy: NDArray[np.float64]  # the accuracy on the answered images, in [0, 1]
    confidence: NDArray[np.float64]  # the lowest confidence among them, in [0, 1]: the threshold

    def at(self, share: float) -> float:
        """Return the accuracy if this share of the images is answered.

        Raises:
            ValueError: if the share is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}")
        return float(self.accuracy[np.searchsorted(self.share, share - 1e-9)])


def coverage(evaluation: Evaluation) -> CoverageCurve:
    """Return the accuracy on the most confident images, for each number of images answered."""
    order = evaluation.confidence.argsort(descending=True, stable=True)
    confidence = evaluation.confidence[order].double().numpy()
    correct = evaluation.is_correct[order].cumsum(0).double().numpy()
    answered = np.arange(1, len(order) + 1)
    return CoverageCurve(answered / len(order), correct / answered, confidence)


def _log_probabilities(evaluation: Evaluation) -> Tensor:
    """Return the logarithms of the probabilities, float64 `[N, 10]`.

    They are finite even if a probability underflowed to 0.
    """
    smallest = torch.finfo(torch.float32).tiny
    return evaluation.probabilities.double().clamp_min(smallest).log()


def _mean_or_nan(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else math.nan
