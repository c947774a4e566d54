"""Ways to draw the first weights of a network."""

import math
from collections.abc import Callable

import torch
from torch import nn

INITIALISATIONS: dict[str, Callable[[int, int], float]] = {
    "all zeros": lambda inputs, outputs: 0.0,
    "a hundredth of He": lambda inputs, outputs: math.sqrt(2 / inputs) / 100,
    "Xavier": lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    "He": lambda inputs, outputs: math.sqrt(2 / inputs),
    "five times He": lambda inputs, outputs: math.sqrt(2 / inputs) * 5,
}
"""Ways to draw a layer's first weights, by name: the standard deviation of a normal distribution;
biases begin at zero.

Xavier is that of X. Glorot and Y. Bengio (2010), He that of K. He et al. (2015), which keeps a
signal's size through ReLU, since ReLU sets about half of it to 0.
"""


@torch.no_grad()
def initialise(model: nn.Module, kind: str, seed: int) -> nn.Module:
    """Draw the weights of the model's linear layers anew, in place, in one of `INITIALISATIONS`,
    and return it.

    Raises:
        ValueError: for a kind that is not one of those.
    """
    if kind not in INITIALISATIONS:
        raise ValueError(
            f"there is no initialisation {kind!r}: choose one of {', '.join(INITIALISATIONS)}"
        )
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            deviation = INITIALISATIONS[kind](layer.in_features, layer.out_features)
            layer.weight.normal_(0, deviation, generator=generator)
            nn.init.zeros_(layer.bias)
    return model
