"""How sure a network is that an image shows a digit at all: a word for "none of these"."""

import weakref
from collections.abc import MutableMapping
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from mnist_nb.data.arguments import check_arguments
from mnist_nb.data.mnist import load_sample
from mnist_nb.models.networks import Network, ask, logits_of

LEARNT_THRESHOLD, ENERGY_THRESHOLD = 0.1, 0.5
"""Below these scores an image is refused. About 1 % of the digits that strangers wrote with a pen
lie below."""


@check_arguments
def digit_score(model: nn.Module, images: Any) -> Tensor:
    """How sure the model is that each image is a digit at all: float32 `[N]` in [0, 1], on the CPU.

    A model that was taught to refuse answers with its own output for that, `reject`. For any other,
    the score is the energy of its ten logits, ln sum exp (W. Liu and others, 2020), made comparable
    between models by the energies of 128 digits of MNIST: 0.5 is where 1 % of digits would lie
    below, were energies spread normally.

    Args:
        model: anything that gives ten logits for images in [0, 1], such as an `Mlp` or a `Cnn`.
        images: uint8 `[N, 28, 28]`, a tensor or an array.

    Raises:
        ValueError: for images of another type or shape.
    """
    return predict_and_score(model, images)[1]


def predict_and_score(model: nn.Module, images: Any) -> tuple[Tensor, Tensor]:
    """What `predict` and `digit_score` say of images, for which the model is asked once; it raises
    the same."""
    if has_learnt_to_refuse(model):
        answer = model.logits_and_score
    else:
        mean, deviation = energy_of_digits(model)  # once, however many images are asked about

        def answer(images: Tensor) -> tuple[Tensor, Tensor]:
            logits = logits_of(model, images)
            return logits, torch.sigmoid((logits.logsumexp(1) - mean) / deviation + 2.33)

    def both(inputs: Tensor) -> Tensor:
        logits, scores = answer(inputs)
        return torch.cat([logits.softmax(1), scores[:, None]], 1)

    answers = ask(model, both, images)
    return answers[:, :-1], answers[:, -1]


_known: MutableMapping[nn.Module, tuple[list[float], Tensor, Tensor]] = weakref.WeakKeyDictionary()


def energy_of_digits(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the energy of 128 of MNIST's digits, which `digit_score`
    compares others with."""
    state = [part.float() for part in model.state_dict().values()]
    weights = [
        float(value) for part in state for value in (part.sum(), part.norm())
    ]  # others since it was asked?
    if model not in _known or _known[model][0] != weights:
        energies = ask(
            model,
            lambda inputs: logits_of(model, inputs).logsumexp(1),
            load_sample().test.images[:128],
        )
        _known[model] = weights, energies.mean(), energies.std().clamp_min(1e-6)
    return _known[model][1:]


def threshold_of(model: nn.Module) -> float:
    """The score below which this model should refuse an image."""
    return LEARNT_THRESHOLD if has_learnt_to_refuse(model) else ENERGY_THRESHOLD


def has_learnt_to_refuse(model: nn.Module) -> TypeGuard[Network]:
    """Whether the model has an output of its own for what is no digit."""
    return isinstance(model, Network) and model.reject is not None


def is_refused(model: nn.Module, score: float | Tensor) -> Any:
    """Whether images of these scores should be refused by this model."""
    return score < threshold_of(model)
