"""The gradient of the loss, by autograd or by a faster plug-in."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.models import Network, layer_parameters
from mnist_nb.plugins import GRADIENT_FUNCTIONS, find_plugin

GradientFn = Callable[[Tensor, Tensor, float], float]
"""A function of images (float32 `[N, 28, 28]` in [0, 1]), labels (int64 `[N]`) and `keep`, a number
in [0, 1]. It multiplies each parameter's `.grad` by `keep`, adds the gradient of the batch's mean
cross-entropy, and returns that loss in nats."""


def choose_gradient_fn(model: nn.Module, device: torch.device) -> GradientFn:
    """Return the fastest function for the gradients of this model on this device."""
    if device.type == "cpu" and isinstance(model, Network) and model.is_fully_connected:
        for name in GRADIENT_FUNCTIONS:
            return find_plugin(GRADIENT_FUNCTIONS, name)(model)  # type: ignore[no-any-return]
    return functools.partial(autograd_gradients, model)


def autograd_gradients(
    model: nn.Module, inputs: Tensor, labels: Tensor, keep: float = 0.0
) -> float:
    """Compute gradients of any model with PyTorch's autograd. A `GradientFn`."""
    if not keep:
        model.zero_grad()
    for parameter in layer_parameters(model):
        if parameter.grad is not None:
            parameter.grad.mul_(keep)
    loss = functional.cross_entropy(model(inputs), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()
