"""Refusal: the confidence of a network that an image shows a digit at all."""

import weakref
from collections.abc import MutableMapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_nb.data import load_sample
from mnist_nb.handwriting.negatives import make_negatives
from mnist_nb.models import AuxiliaryHead, Network, run_in_batches
from mnist_nb.models.prediction import logits_of
from mnist_nb.training.augmentation import Batch
from mnist_nb.training.gradients import autograd_gradients

HEAD_NAME = "reject"
HEAD_THRESHOLD, ENERGY_THRESHOLD = 0.1, 0.5
"""Below these scores an image is refused: about 1 % of the digits that other people wrote with a
pen lie below."""
_ENERGY_DIGITS = 128  # MNIST digits for comparing energies
MIN_SCORE = 1e-7  # where a logit is taken of a score, so that it is finite
MAX_SCORE_LOGIT = 6.0
ENERGY_LOGIT_SLOPE, ENERGY_LOGIT_SHIFT = 4.5, -4.0  # bring logits from energies to learned ones
ENERGY_SHIFT = 2.33  # standard deviations: 1 % of normally distributed energies are lower


class RefusalHead(AuxiliaryHead):
    """An auxiliary head with two logits, for no digit and for a digit."""

    def __init__(self, hidden_units: int, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = (
                nn.Linear(hidden_units, 64),
                nn.ReLU(),
                nn.Linear(64, 32),
                nn.ReLU(),
                nn.Linear(32, 2),
            )
        nn.Sequential.__init__(self, *layers)

    def score(self, hidden: Tensor) -> Tensor:
        """Return the probability `[N]` of a digit, from hidden units `[N, hidden_units]`."""
        logits: Tensor = self(hidden)
        return logits.softmax(1)[:, 1]

    def fill_gradients(self, network: Network, batch: Batch, keep: float) -> None:
        """Compute the gradients for digits and equally augmented negatives of a batch.

        The rest of the network is not changed.
        """
        assert batch.generator is not None
        negatives = make_negatives(batch.originals, batch.labels, batch.generator)
        negatives = batch.augmentation(negatives, batch.generator)
        digits = batch.images[: len(negatives)]
        network.eval()  # otherwise batch normalization would adapt to images without digits
        with torch.no_grad():
            hidden, _ = network.hidden_and_logits(torch.cat([digits, negatives]))
        network.train()
        is_digit = torch.arange(len(hidden), device=hidden.device) < len(digits)
        autograd_gradients(self, hidden, is_digit.long(), keep)


def add_refusal_head(model: nn.Module, seed: int = 0) -> None:
    """Add an untrained refusal head, unless there is one or the model is not a `Network`."""
    if isinstance(model, Network) and HEAD_NAME not in model.auxiliary_heads:
        head = RefusalHead(model.hidden_units, seed)
        model.add_module(HEAD_NAME, head.to(model.head.weight.device))


def refusal_head(model: nn.Module) -> RefusalHead | None:
    """Return the model's refusal head; None if it has not learned to refuse."""
    head = model.auxiliary_heads.get(HEAD_NAME) if isinstance(model, Network) else None
    return head if isinstance(head, RefusalHead) else None


def digit_score(model: nn.Module, images: Any) -> Tensor:
    """Return the score of each image as a digit at all: float32 `[N]` in [0, 1].

    A model that learned to refuse uses its refusal head. For other models, the score is the energy
    of the ten logits, ln sum exp (W. Liu and others, 2020), scaled by the energies of 128 digits of
    MNIST to be comparable between models: 1 % of normally distributed energies would score below
    0.5.

    Args:
        model: returns logits `[N, 10]` for images in [0, 1].
        images: uint8 `[N, 28, 28]`, a tensor or an array.

    Raises:
        ValueError: if images have a wrong type or shape.
    """
    return predict_and_score(model, images)[1]


def predict_and_score(model: nn.Module, images: Any) -> tuple[Tensor, Tensor]:
    """Return the results of `predict` and `digit_score`, from one pass through the model."""
    head = refusal_head(model)
    energies = None if head else energy_of_digits(model)

    def probabilities_and_score(inputs: Tensor) -> Tensor:
        if head is not None and isinstance(model, Network):
            hidden, logits = model.hidden_and_logits(inputs)
            score = head.score(hidden)
        else:
            assert energies is not None
            logits = logits_of(model, inputs)
            deviations = (logits.logsumexp(1) - energies.mean) / energies.deviation
            score = torch.sigmoid(deviations + ENERGY_SHIFT)
        return torch.cat([logits.softmax(1), score[:, None]], 1)

    results = run_in_batches(model, probabilities_and_score, images)
    return results[:, :-1], results[:, -1]


class EnergyStats(NamedTuple):
    """Return mean and standard deviation of the energies of MNIST's digits."""

    mean: Tensor  # []
    deviation: Tensor  # []


_energies: MutableMapping[nn.Module, tuple[list[float], EnergyStats]] = weakref.WeakKeyDictionary()


def energy_of_digits(model: nn.Module) -> EnergyStats:
    """Return the energies of 128 of MNIST's digits, cached until the model's weights change."""
    fingerprint = []
    for tensor in model.state_dict().values():
        values = tensor.float()
        fingerprint += [float(values.sum()), float(values.norm())]
    if model not in _energies or _energies[model][0] != fingerprint:
        digits = load_sample().test.images[:_ENERGY_DIGITS]
        energies = run_in_batches(
            model, lambda inputs: logits_of(model, inputs).logsumexp(1), digits
        )
        stats = EnergyStats(energies.mean(), energies.std().clamp_min(1e-6))
        _energies[model] = fingerprint, stats
    return _energies[model][1]


def score_logits(scores: NDArray[np.floating[Any]], model: nn.Module) -> NDArray[np.float64]:
    """Return the logits of digit scores, at most 6; those from energies are stretched to the range
    of learnt ones."""
    shares = np.clip(scores.astype(np.float64), MIN_SCORE, 1 - MIN_SCORE)
    logits: NDArray[np.float64] = np.log(shares / (1 - shares))
    if refusal_head(model) is None:
        logits = ENERGY_LOGIT_SLOPE * logits + ENERGY_LOGIT_SHIFT
    return np.minimum(logits, MAX_SCORE_LOGIT)


def refusal_threshold(model: nn.Module) -> float:
    """Return the score below which this model should refuse an image."""
    return ENERGY_THRESHOLD if refusal_head(model) is None else HEAD_THRESHOLD


def is_refused(model: nn.Module, score: float | Tensor) -> Any:
    """Return whether this model should refuse images with these scores."""
    return score < refusal_threshold(model)
