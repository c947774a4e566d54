"""Comparing networks."""

import torch
from torch import nn


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks hold the same, bit for bit."""
    ours, theirs = one.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(
        torch.equal(tensor, theirs[name]) for name, tensor in ours.items()
    )
