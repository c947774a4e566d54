"""Ways to draw the first weights of a network."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Draw = Callable[[Tensor, torch.Generator], Tensor]


def _he(weight: Tensor, generator: torch.Generator) -> Tensor:
    return nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


INITIALISATIONS: dict[str, Draw] = {
    "all zeros": lambda weight, generator: nn.init.zeros_(weight),
    "a hundredth of He": lambda weight, generator: _he(weight, generator).div_(100),
    "Xavier": lambda weight, generator: nn.init.xavier_normal_(weight, generator=generator),
    "He": _he,
    "five times He": lambda weight, generator: _he(weight, generator).mul_(5),
}
"""Ways to draw a layer's first weights, by name; biases begin at zero.

Xavier (X. Glorot and Y. Bengio, 2010): normal, of variance 2 / (inputs + outputs). He (K. He et al., 2015): normal, of
variance 2 / inputs, which keeps a signal's size through ReLU, since ReLU sets about half of it to 0.
"""


@torch.no_grad()
def initialise(model: nn.Module, kind: str, seed: int) -> nn.Module:
    """Draw the weights of the model's linear layers anew, in place, in one of `INITIALISATIONS`, and return it.

    Raises:
        ValueError: for a kind that is not one of those.
    """
    if kind not in INITIALISATIONS:
        raise ValueError(f"there is no initialisation {kind!r}: choose one of {', '.join(INITIALISATIONS)}")
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            INITIALISATIONS[kind](layer.weight, generator)
            nn.init.zeros_(layer.bias)
    return model
