"""Networks that are not in the package, and a comparison of networks."""

import torch
from torch import nn

from mnist_nb.models import Network


class OneLayer(Network):
    """A network of one layer: a weighted sum of the pixels for each digit."""

    name = "one-layer"

    def __init__(self) -> None:
        super().__init__(flatten=nn.Flatten(), only=nn.Linear(784, 10))


class ConvDropout(Network):
    """A network of convolutions of unusual sizes, with dropout."""

    name = "conv-dropout"

    def __init__(self) -> None:
        super().__init__(
            conv_a=nn.Conv2d(1, 5, (5, 4), stride=(2, 1), padding=(1, 2)),
            relu_a=nn.ReLU(),
            pool_a=nn.MaxPool2d(3, stride=2, padding=1),
            norm_a=nn.BatchNorm2d(5),
            drop_a=nn.Dropout2d(0.2),
            conv_b=nn.Conv2d(5, 7, 3, bias=False),
            norm_b=nn.BatchNorm2d(7),
            relu_b=nn.ReLU(),
            flatten=nn.Flatten(),
            hidden_a=nn.Linear(7 * 5 * 13, 12),
            relu_c=nn.ReLU(),
            drop_b=nn.Dropout(0.5),
            hidden_b=nn.Linear(12, 9, bias=False),
            relu_d=nn.ReLU(),
            output=nn.Linear(9, 10),
        )


class TiedWeights(Network):
    """Two of the layers share a weight matrix."""

    name = "tied-weights"

    def __init__(self) -> None:
        super().__init__(
            flatten=nn.Flatten(),
            narrow=nn.Linear(784, 12),
            relu_a=nn.ReLU(),
            first=nn.Linear(12, 12),
            relu_b=nn.ReLU(),
            second=nn.Linear(12, 12),
            relu_c=nn.ReLU(),
            output=nn.Linear(12, 10),
        )
        self.second.weight = self.first.weight


class WithoutBiases(Network):
    """A hidden layer, and no biases."""

    name = "without-biases"

    def __init__(self) -> None:
        super().__init__(
            flatten=nn.Flatten(),
            hidden=nn.Linear(784, 12, bias=False),
            relu=nn.ReLU(),
            output=nn.Linear(12, 10, bias=False),
        )


def fully_connected(*hidden: int) -> Network:
    """Return a network with these hidden layers, each followed by a ReLU."""
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    inputs = 784
    for number, units in enumerate(hidden, start=1):
        layers[f"linear{number}"] = nn.Linear(inputs, units)
        layers[f"relu{number}"] = nn.ReLU()
        inputs = units
    return Network(**layers, output=nn.Linear(inputs, 10))


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two networks have the same weights, bit for bit."""
    ours, theirs = one.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(
        torch.equal(tensor, theirs[name]) for name, tensor in ours.items()
    )
