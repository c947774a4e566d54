"""How sure a network is that an image shows a digit at all: a word for "none of these"."""

import functools
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from mnist_nb.data.arguments import check_arguments
from mnist_nb.data.mnist import load_sample
from mnist_nb.models.networks import Network, ask, logits_of

LEARNT_THRESHOLD, ENERGY_THRESHOLD = 0.1, 0.5
"""Below these scores an image is refused. About 1 % of the digits that strangers wrote with a pen lie below."""


@check_arguments
def digit_score(model: nn.Module, images: Any) -> Tensor:
    """How sure the model is that each image is a digit at all: float32 `[N]` in [0, 1], on the CPU.

    A model that was taught to refuse answers with its own output for that, `reject`. For any other, the score is the
    energy of its ten logits, ln sum exp (W. Liu and others, 2020), made comparable between models by the energies of
    128 digits of MNIST: 0.5 is where 1 % of digits would lie below, were energies spread normally.

    Args:
        model: anything that gives ten logits for images in [0, 1], such as an `Mlp` or a `Cnn`.
        images: uint8 `[N, 28, 28]`, a tensor or an array.

    Raises:
        ValueError: for images of another type or shape.
    """
    if has_learnt_to_refuse(model):
        return ask(model, model.digit_probability, images)

    mean, deviation = energy_of_digits(model)
    return torch.sigmoid((_energy(model, images) - mean) / deviation + 2.33)


def energy_of_digits(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the energy of MNIST's digits, which `digit_score` compares others with."""
    known = _energy(model, _known_digits())
    return known.mean(), known.std().clamp_min(1e-6)


def _energy(model: nn.Module, images: Any) -> Tensor:
    return ask(model, lambda inputs: logits_of(model, inputs).logsumexp(1), images)


def threshold_of(model: nn.Module) -> float:
    """The score below which this model should refuse an image."""
    return LEARNT_THRESHOLD if has_learnt_to_refuse(model) else ENERGY_THRESHOLD


def has_learnt_to_refuse(model: nn.Module) -> TypeGuard[Network]:
    """Whether the model has an output of its own for what is no digit."""
    return isinstance(model, Network) and model.reject is not None


def is_refused(model: nn.Module, score: float | Tensor) -> Any:
    """Whether images of these scores should be refused by this model."""
    return score < threshold_of(model)


@functools.cache
def _known_digits() -> Tensor:
    return load_sample().test.images[:128]
