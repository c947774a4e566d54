"""Pruning: setting a network's smallest weights to 0."""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from mnist_nb.data import Split
from mnist_nb.errors import check_range
from mnist_nb.models import layer_parameters, loss_and_accuracy, one_thread


def prune(model: nn.Module, share: float) -> nn.Module:
    """Return a copy of the model whose smallest weights are 0.

    S. Han and others, *Learning both Weights and Connections* (2015), by PyTorch's own pruning.

    Args:
        share: the share of the weights of all linear and convolutional layers to set to 0, in
            [0, 1]. Biases are not changed.

    Raises:
        ValueError: if the share is out of range.
    """
    check_range("share", share, 0, 1)
    masked = copy.deepcopy(model)
    masked.to(memory_format=torch.contiguous_format)  # the only layout that can be flattened
    weights = set(layer_parameters(masked))
    layers = [
        (layer, "weight")
        for layer in masked.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer.weight in weights
    ]
    torch_prune.global_unstructured(layers, torch_prune.L1Unstructured, amount=float(share))
    for layer, name in layers:
        torch_prune.remove(layer, name)  # type: ignore[no-untyped-call]
    pruned = copy.deepcopy(model)  # keeps the order of the tensors, which pruning changes
    pruned.load_state_dict(masked.state_dict())
    return pruned


@one_thread()
def pruning_curve(model: nn.Module, split: Split, shares: Sequence[float]) -> list[float]:
    """Return the accuracy, in [0, 1], on a split after pruning each share of the weights."""
    accuracies = []
    for share in shares:
        _, accuracy = loss_and_accuracy(prune(model, share), split.images, split.labels)
        accuracies.append(accuracy)
    return accuracies
