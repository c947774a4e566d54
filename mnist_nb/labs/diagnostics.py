"""How a network fares while it learns: what its first layer looks for, how many units are dead, how
long a step is."""

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mnist_nb.data import SIDE
from mnist_nb.models import predict

HEALTHY_RATIO = (1e-4, 2e-2)
"""How long a step is in a run that goes well, over the length of the weights that it changes. The
rule of thumb is a thousandth (A. Karpathy in Stanford's CS231n); here, runs that end well stay in
this range, those that die leave it."""

_BEFORE_RELU = {  # the layer, and the module whose output its ReLU is given
    "mlp": {"linear1": "linear1", "linear2": "linear2"},
    "cnn": {"conv1": "norm1", "conv2": "norm2", "conv3": "norm3", "linear1": "linear1"},
}


class Diagnostics(NamedTuple):
    """What `diagnose` found."""

    # float32 [units, height, width]: what each unit of the first layer multiplies the pixels by
    filters: Tensor
    dead: dict[str, float]  # share of the units of each hidden layer, in [0, 1]
    update_ratios: dict[str, float]  # of each layer, 0 or more; empty if no step was watched


def diagnose(
    model: nn.Module, images: Tensor, ratios: Mapping[str, float] | None = None
) -> Diagnostics:
    """The first layer's weights, `[128, 28, 28]` or, of a cnn, `[16, 3, 3]`; its dead units; its
    last step.

    Args:
        model: an `Mlp` or a `Cnn`.
        images: uint8 `[N, 28, 28]`, for `dead_units`.
        ratios: what `update_ratios` gave for the last step that was watched.
    """
    first = next(iter(copy_weights(model).values())).cpu()
    filters = first.view(-1, SIDE, SIDE) if first.ndim == 2 else first[:, 0]
    return Diagnostics(filters, dead_units(model, images), dict(ratios or {}))


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights of each linear and convolutional layer, by the layer's name; no
    biases."""
    layers = (nn.Linear, nn.Conv2d)
    return {
        name: layer.weight.detach().clone()
        for name, layer in model.named_modules()
        if isinstance(layer, layers)
    }


def update_ratios(before: Mapping[str, Tensor], model: nn.Module) -> dict[str, float]:
    """For each layer the length of its last step over that of its weights, |after - before| /
    |before|; 0 or more.

    Args:
        before: what `copy_weights` gave before the step.
    """
    after = copy_weights(model)
    return {
        name: float((after[name] - old).norm() / old.norm().clamp_min(1e-30))
        for name, old in before.items()
    }


def dead_units(model: nn.Module, images: Tensor) -> dict[str, float]:
    """For each hidden layer the share of its units, in [0, 1], that answer 0 to every one of the
    uint8 images.

    A ReLU whose sum is negative for every image passes no gradient back, and its unit learns
    nothing more. The unit of a convolution is a channel, and dead if it answers 0 everywhere. A
    hundred images with some of each digit will do.
    """
    highest: dict[str, Tensor] = {}

    def look(name: str, module: nn.Module, given: object, output: Tensor) -> None:
        most = output.amax([axis for axis in range(output.ndim) if axis != 1])
        highest[name] = torch.maximum(highest.get(name, most), most)

    with contextlib.ExitStack() as hooks:  # each is taken out again at the end
        for name, one in _BEFORE_RELU[str(model.name)].items():
            hooks.enter_context(model.get_submodule(one).register_forward_hook(partial(look, name)))
        predict(model, images)
    return {name: float((most <= 0).double().mean()) for name, most in highest.items()}
