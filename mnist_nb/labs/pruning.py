"""How many of its weights a network needs: the smallest ones set to 0."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from mnist_nb.data import Split
from mnist_nb.models import loss_and_accuracy, one_thread, reading_parameters


@torch.no_grad()
def prune(model: nn.Module, share: float) -> nn.Module:
    """A copy of the model whose smallest weights are 0: this share of all in any layer that reads;
    biases stay.

    S. Han and others, *Learning both Weights and Connections* (2015).

    Raises:
        ValueError: unless the share lies in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share of the weights from 0 to 1, got {share}")
    pruned = copy.deepcopy(model)
    weights = [parameter for parameter in reading_parameters(pruned) if parameter.ndim > 1]
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    sizes[sizes.argsort(stable=True)[: round(share * len(sizes))]] = 0
    for weight, part in zip(
        weights, torch.split(sizes, [weight.numel() for weight in weights]), strict=True
    ):
        weight.mul_(part.view_as(weight) != 0)
    return pruned


@one_thread()
def pruning_curve(model: nn.Module, split: Split, shares: Sequence[float]) -> list[float]:
    """The accuracy, in [0, 1], on a split after pruning each share of the weights."""
    return [
        loss_and_accuracy(prune(model, share), split.images, split.labels)[1] for share in shares
    ]
