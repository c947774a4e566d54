"""Initialization of a network's weights."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

Draw = Callable[..., Tensor]
"""Fills a weight `[outputs, inputs]` in place from the generator in `generator=`."""


def _scaled_he(weight: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    """Return He's initialization with a standard deviation `scale` times as large."""
    _, inputs = weight.shape
    deviation = math.sqrt(2 / inputs) * scale
    return nn.init.normal_(weight, std=deviation, generator=generator)


def _zeros(weight: Tensor, generator: torch.Generator) -> Tensor:
    return nn.init.zeros_(weight)


INITIALISATIONS: dict[str, Draw] = {
    "all zeros": _zeros,
    "a hundredth of He": partial(_scaled_he, scale=1 / 100),
    "Xavier": nn.init.xavier_normal_,
    "He": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "five times He": partial(_scaled_he, scale=5),
}
"""Initializations of a layer's weights, by name. Biases start at zero.

Xavier is X. Glorot and Y. Bengio (2010). He is K. He et al. (2015): it keeps a signal's size
through ReLU, which sets about half of the signal to 0.
"""


@torch.no_grad()
def initialise(model: nn.Module, kind: str, seed: int) -> nn.Module:
    """Draw the weights of the model's linear layers, in place, and return the model.

    Args:
        kind: one of `INITIALISATIONS`.
        seed: the same seed gives the same weights.

    Raises:
        ValueError: if the kind is unknown.
    """
    if kind not in INITIALISATIONS:
        raise ValueError(f"kind must be one of {', '.join(INITIALISATIONS)}, got {kind!r}")
    draw = INITIALISATIONS[kind]
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            draw(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model
