"""Diagnostics of a network in training: first-layer weights, dead units, and step sizes."""

import contextlib
import math
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mnist_nb.models import Network, predict

HEALTHY_RATIO = (1e-4, 2e-2)
"""The usual range of the length of a step divided by that of the weights. The rule of thumb is a
thousandth (A. Karpathy in Stanford's CS231n). Here, successful runs stay in this range, and runs
whose units die leave it."""


class Diagnostics(NamedTuple):
    """The result of `diagnose`."""

    filters: Tensor  # float32 [units, height, width], the weights of each unit of the first layer
    dead: dict[str, float]  # share of the units of each hidden layer, in [0, 1]
    update_ratios: dict[str, float]  # of each layer, 0 or more; empty if no step was observed


def diagnose(
    network: nn.Module, images: Tensor, ratios: Mapping[str, float] | None = None
) -> Diagnostics:
    """Collect the first layer's weights, the dead units, and the ratios of the last step.

    Args:
        network: any `Network`, or a module that runs its children in order. The weights are
            `[128, 28, 28]` for an mlp and `[16, 3, 3]` for a cnn; of a convolution, only those of
            its first input channel.
        images: uint8 `[N, 28, 28]`, for `dead_units`.
        ratios: the result of `update_ratios` for the last observed step.
    """
    first_weight = next(iter(copy_weights(network).values()))
    filters = _as_images(first_weight.cpu())
    return Diagnostics(filters, dead_units(network, images), dict(ratios or {}))


def _as_images(weight: Tensor) -> Tensor:
    """Return a layer's weight as one image for each unit, `[units, height, width]`."""
    if weight.ndim == 4:
        return weight[:, 0]
    inputs = weight.shape[1]
    side = math.isqrt(inputs)
    if side * side == inputs:
        return weight.view(-1, side, side)
    return weight[:, None]  # a line each


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return copies of the weights of each linear and convolutional layer, without biases."""
    weights = {}
    for name, layer in _layers(network).items():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            weights[name] = layer.weight.detach().clone()
    return weights


def update_ratios(before: Mapping[str, Tensor], network: nn.Module) -> dict[str, float]:
    """Return the length of each layer's last step divided by that of its weights, 0 or more.

    Args:
        before: the result of `copy_weights` before the step.
    """
    after = copy_weights(network)
    ratios = {}
    for name, weight in before.items():
        step = after[name] - weight
        ratios[name] = float(step.norm() / weight.norm().clamp_min(1e-30))
    return ratios


def dead_units(network: nn.Module, images: Tensor) -> dict[str, float]:
    """Return the share of dead units, in [0, 1], of each layer that a ReLU follows.

    A unit is dead if its ReLU gives 0 for every image: no gradient passes through it, so the unit
    stops learning. A unit of a convolution is a channel, dead if it is 0 everywhere.

    Args:
        images: uint8 `[N, 28, 28]`; a hundred, with some of each digit, are enough.
    """
    strongest: dict[str, Tensor] = {}  # by layer, [unit]

    def keep_strongest(name: str, module: nn.Module, inputs: object, output: Tensor) -> None:
        all_but_units = [axis for axis in range(output.ndim) if axis != 1]
        of_batch = output.amax(all_but_units)
        strongest[name] = torch.maximum(strongest.get(name, of_batch), of_batch)

    with contextlib.ExitStack() as hooks:  # they are removed at the end
        for name, relu in _relus(network).items():
            hooks.enter_context(relu.register_forward_hook(partial(keep_strongest, name)))
        predict(network, images)
    shares = {}
    for name, output in strongest.items():
        is_dead = output <= 0
        shares[name] = float(is_dead.double().mean())
    return shares


def _relus(network: nn.Module) -> dict[str, nn.ReLU]:
    """Return each ReLU by the name of the linear or convolutional layer before it."""
    relus = {}
    weighted_layer = ""
    for name, layer in _layers(network).items():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            weighted_layer = name
        elif isinstance(layer, nn.ReLU) and weighted_layer:
            relus[weighted_layer] = layer
    return relus


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    if isinstance(network, Network):
        return network.layers
    return dict(network.named_children())
