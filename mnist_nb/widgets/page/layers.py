"""A network's layers for the page's script: a description of each, and its numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Description = dict[str, Any]
"""A layer for the script: its `kind`, the shapes of its `input` and `output`, its options, and the
names and lengths of its `arrays`. The arrays' numbers are stored in the order of the layers."""

Parts = tuple[dict[str, Any], dict[str, Tensor]]  # a layer's options and arrays

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Identity)
"""Layers without effect in evaluation mode, which the page omits."""


@torch.no_grad()
def describe_layers(
    layers: Mapping[str, nn.Module], example: Tensor
) -> tuple[list[Description], list[Tensor]]:
    """Return a description of each layer, and the numbers of all layers, in order.

    Args:
        layers: the layers by name, in order, in evaluation mode.
        example: an input of the first layer `[1, ...]`, which determines the shapes.

    Raises:
        ValueError: if the page's script cannot run a layer; the message names it.
    """
    descriptions, numbers = [], []
    inputs = example
    for name, layer in layers.items():
        if isinstance(layer, DROPOUTS):
            continue
        kind, describe = _find_kind(name, layer)
        outputs = layer(inputs)
        options, arrays = describe(name, layer)
        description = {
            "kind": kind,
            "input": list(inputs.shape[1:]),
            "output": list(outputs.shape[1:]),
            "arrays": {array: values.numel() for array, values in arrays.items()},
        }
        if kind == "Linear" and inputs.ndim != 2:
            raise ValueError(f"A page cannot run the layer {name}: put a Flatten before it.")
        descriptions.append(description | options)
        numbers += [values.flatten() for values in arrays.values()]
        inputs = outputs
    return descriptions, numbers


def _find_kind(name: str, layer: nn.Module) -> tuple[str, Callable[[str, Any], Parts]]:
    """Return the kind of a layer, and the function that describes its options."""
    for kind, describe in KINDS.items():
        if type(layer) is kind:
            return kind.__name__, describe
    known = ", ".join(kind.__name__ for kind in KINDS)
    raise ValueError(
        f"A page cannot run the layer {name}, a {type(layer).__name__}: "
        f"it can run {known} and Dropout."
    )


def _describe_linear(name: str, layer: nn.Linear) -> Parts:
    return {}, {"weight": layer.weight, "bias": _bias(layer)}


def _describe_convolution(name: str, layer: nn.Conv2d) -> Parts:
    _require(name, "groups", layer.groups, 1)
    _require(name, "dilation", layer.dilation, (1, 1))
    _require(name, "padding_mode", layer.padding_mode, "zeros")
    if isinstance(layer.padding, str):
        raise ValueError(
            f"A page cannot run the layer {name} with padding={layer.padding!r}: "
            "give the number of pixels."
        )
    options = {
        "kernel": list(layer.kernel_size),
        "stride": list(layer.stride),
        "padding": list(layer.padding),
    }
    return options, {"weight": layer.weight.contiguous(), "bias": _bias(layer)}


def _describe_normalization(name: str, layer: nn.BatchNorm2d) -> Parts:
    """Describe batch normalization in evaluation mode: a scale and a shift for each channel."""
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        raise ValueError(
            f"A page cannot run the layer {name} with track_running_stats=False: "
            "it would depend on other images."
        )
    scale = (variance + layer.eps).rsqrt()
    shift = -mean * scale
    if layer.affine:
        scale = scale * layer.weight
        shift = shift * layer.weight + layer.bias
    return {}, {"scale": scale, "shift": shift}


def _describe_pooling(name: str, layer: nn.MaxPool2d) -> Parts:
    _require(name, "dilation", _pair(layer.dilation), (1, 1))
    _require(name, "ceil_mode", layer.ceil_mode, False)
    _require(name, "return_indices", layer.return_indices, False)
    options = {
        "kernel": list(_pair(layer.kernel_size)),
        "stride": list(_pair(layer.stride)),
        "padding": list(_pair(layer.padding)),
    }
    return options, {}


def _describe_flatten(name: str, layer: nn.Flatten) -> Parts:
    _require(name, "start_dim", layer.start_dim, 1)
    _require(name, "end_dim", layer.end_dim, -1)
    return {}, {}


def _describe_relu(name: str, layer: nn.ReLU) -> Parts:
    return {}, {}


KINDS: dict[type[nn.Module], Callable[[str, Any], Parts]] = {
    nn.Linear: _describe_linear,
    nn.Conv2d: _describe_convolution,
    nn.BatchNorm2d: _describe_normalization,
    nn.MaxPool2d: _describe_pooling,
    nn.ReLU: _describe_relu,
    nn.Flatten: _describe_flatten,
}
"""The layers that the page's script can run. reader.js has a function for each."""


def _require(name: str, option: str, value: object, supported: object) -> None:
    if value != supported:
        raise ValueError(
            f"A page cannot run the layer {name} with {option}={value!r}: "
            f"it can only run {option}={supported!r}."
        )


def _bias(layer: nn.Linear | nn.Conv2d) -> Tensor:
    """Return a layer's bias, zeros if it has none."""
    outputs = layer.weight.shape[0]
    return layer.weight.new_zeros(outputs) if layer.bias is None else layer.bias


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the size along both axes, (vertical, horizontal)."""
    return (size, size) if isinstance(size, int) else tuple(size)
