"""The networks, each defined by its layers in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mnist_nb.data import CLASSES, SIDE
from mnist_nb.errors import check_range

MAX_UNITS = 4096
"""The maximum width of a hidden layer; wider layers take hours to train on a laptop."""


class AuxiliaryHead(nn.Sequential):
    """A small network on the hidden units of another network, trained with its own loss.

    Subclasses are registered by name in `plugins.AUXILIARY_HEADS`. Their tensors have that name as
    a prefix, such as `reject.0.weight`, which keeps them apart from the network's layers.

    Args:
        hidden_units: the number of hidden units of the network.
        seed: the seed of the initial weights.
    """

    def fill_gradients(self, network: Any, batch: Any, keep: float) -> None:
        """Compute `.grad` of this head's parameters.

        Args:
            network: the network of this head.
            batch: a `training.augmentation.Batch`.
            keep: as for a `training.gradients.GradientFn`.
        """
        raise NotImplementedError


class Network(nn.Module):
    """A network defined by its layers in order.

    The first layer gets images `[N, 1, 28, 28]` in [0, 1]; the last is linear and returns ten
    logits. Diagnostics, explorers, adaptation, refusal and the HTML page all use these layers, so a
    new network needs only its layers and an entry in `MODELS`.

    Args:
        layers: the layers by name, in order. Tensors in files have these names, by which
            `load_checkpoint` recognizes the network: they must differ from other networks' names.

    Raises:
        ValueError: if a name is that of an attribute of this class, if one object is used as two
            layers, or if the last layer is missing or not linear.
    """

    name = ""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            if name in dir(self):
                raise ValueError(f"the layer {name} has the name of an attribute: rename it")
            if layer in self.children():
                raise ValueError(f"the layer {name} is also another layer: create a second one")
            self.add_module(name, layer)
        if not layers or not isinstance(layer, nn.Linear):
            raise ValueError(f"the last layer must be nn.Linear, got {list(layers)}: add one")

    @classmethod
    def options_from(cls, shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        """Return the constructor arguments of a network whose tensors have these shapes."""
        return {}

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The layers by name, in order, without auxiliary heads."""
        children = self.named_children()
        return {name: child for name, child in children if not isinstance(child, AuxiliaryHead)}

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """The fully connected layers. The last one returns the logits."""
        return [layer for layer in self.layers.values() if isinstance(layer, nn.Linear)]

    @property
    def head(self) -> nn.Linear:
        """The last layer, which returns the ten logits."""
        return self.linear_layers[-1]

    @property
    def hidden_units(self) -> int:
        """The number of hidden units in `hidden_and_logits`."""
        hidden = self.linear_layers[:-1]
        return sum(layer.out_features for layer in hidden) if hidden else self.head.in_features

    @property
    def auxiliary_heads(self) -> dict[str, AuxiliaryHead]:
        """The auxiliary heads by name."""
        children = self.named_children()
        return {name: child for name, child in children if isinstance(child, AuxiliaryHead)}

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `[N, 10]` for images in [0, 1], `[N, 28, 28]` or flat `[N, 784]`."""
        values = as_maps(images)
        for layer in self.layers.values():
            values = layer(values)
        return values

    def hidden_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sums of all hidden units, `[N, hidden_units]`, and the logits `[N, 10]`.

        The sums are those of all hidden fully connected layers before their ReLU, concatenated. A
        network with one fully connected layer has no hidden units; its inputs are used instead.
        """
        values = as_maps(images)
        sums = []
        inputs = values
        for layer in self.layers.values():
            inputs, values = values, layer(values)
            if isinstance(layer, nn.Linear):
                sums.append(values)
        hidden = sums[:-1] or [inputs]
        return torch.cat(hidden, 1), values

    @property
    def is_fully_connected(self) -> bool:
        """Whether the layers are Flatten, then Linear layers with a ReLU after each but the last.

        No two layers may share weights or biases.
        """
        kinds = [type(layer) for layer in self.layers.values()]
        expected = [nn.Flatten, *[nn.Linear, nn.ReLU] * (len(kinds) // 2 - 1), nn.Linear]
        return kinds == expected and len(layer_parameters(self)) == 2 * len(self.linear_layers)


class Mlp(Network):
    """The fully connected network 784-128-64-10 with ReLU between its layers.

    Args:
        hidden: units in the first and second hidden layer, 1 to 4,096 each.

    Raises:
        ValueError: if there are not two widths, or one is out of range.
    """

    name = "mlp"

    def __init__(self, hidden: tuple[int, int] = (128, 64)) -> None:
        if len(hidden) != 2:
            raise ValueError(f"hidden must be the widths of two layers, got {hidden!r}")
        for units in hidden:
            check_range("hidden", units, 1, MAX_UNITS)
        super().__init__(
            flatten=nn.Flatten(),
            linear1=nn.Linear(SIDE * SIDE, hidden[0]),
            relu1=nn.ReLU(),
            linear2=nn.Linear(hidden[0], hidden[1]),
            relu2=nn.ReLU(),
            linear3=nn.Linear(hidden[1], CLASSES),
        )

    @classmethod
    def options_from(cls, shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        """Return the widths of the hidden layers, if they are valid."""
        widths = (*shapes["linear1.bias"], *shapes["linear2.bias"])
        is_possible = len(widths) == 2 and all(0 < units <= MAX_UNITS for units in widths)
        return {"hidden": widths} if is_possible else {}


class Cnn(Network):
    """A small convolutional network: 3x3 convolutions of 16, 32 and 64 channels, 64 hidden units.

    Each convolution is followed by batch normalization and max-pooling: 28 -> 14 -> 7 -> 3 pixels.
    Pooling before the ReLU gives the same result with a quarter of the work.
    """

    name = "cnn"

    def __init__(self) -> None:
        super().__init__(
            conv1=nn.Conv2d(1, 16, 3, padding=1, bias=False),
            norm1=nn.BatchNorm2d(16),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 32, 3, padding=1, bias=False),
            norm2=nn.BatchNorm2d(32),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            conv3=nn.Conv2d(32, 64, 3, padding=1, bias=False),
            norm3=nn.BatchNorm2d(64),
            pool3=nn.MaxPool2d(2),
            relu3=nn.ReLU(),
            flatten=nn.Flatten(),
            linear1=nn.Linear(64 * 3 * 3, 64),
            relu4=nn.ReLU(),
            linear2=nn.Linear(64, CLASSES),
        )
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU


MODELS: dict[str, type[Network]] = {Mlp.name: Mlp, Cnn.name: Cnn}
"""The networks by name. A class added here can be trained, saved, explored, adapted, exported."""


def build_model(name: str = "mlp", *, seed: int | None = None, **options: Any) -> Network:
    """Build a network with random weights from PyTorch's default initialization.

    Args:
        name: "mlp" (784-128-64-10, fully connected), "cnn" (small convolutional network), or
            another name in `MODELS`.
        seed: 0 to 2^63 - 1. The same seed gives the same weights, without changing PyTorch's global
            generator; None uses that generator.
        options: passed to the class, such as `hidden=(256, 128)` for the MLP.

    Raises:
        ValueError: if the name is unknown, or the seed or a width is out of range.
        TypeError: if the class does not accept an option.
    """
    if name not in MODELS:
        raise ValueError(f"name must be one of {', '.join(map(repr, MODELS))}, got {name!r}")
    if seed is None:
        return MODELS[name](**options)
    check_range("seed", seed, 0, 2**63 - 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[name](**options)


def as_maps(images: Tensor) -> Tensor:
    """Reshape images `[N, 28, 28]` or `[N, 784]` to `[N, 1, 28, 28]`."""
    return images.reshape(-1, 1, SIDE, SIDE)


def layer_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of a network's layers, each once, excluding auxiliary heads."""
    if not isinstance(model, Network):
        return list(model.parameters())
    return list(nn.ModuleList(model.layers.values()).parameters())
