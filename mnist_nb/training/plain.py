"""Training in one plain loop: `TrainingRun` without its optimizations. Read this first.

A test checks that both give the same weights.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mnist_nb.data import Split
from mnist_nb.models import to_input
from mnist_nb.training.hyperparameters import Hyperparameters


def train_plainly(model: nn.Module, split: Split, settings: Hyperparameters) -> list[float]:
    """Train the model in place by gradient descent with momentum, at a constant learning rate.

    Returns:
        The mean cross-entropy of each batch, in nats.
    """
    losses = []
    weights = list(model.train().parameters())
    velocities = [torch.zeros_like(weight) for weight in weights]
    for epoch in range(settings.epochs):
        order = permutation(settings.seed, epoch, len(split))
        for rows in torch.split(order, settings.batch_size):
            images, labels = to_input(split.images[rows]), split.labels[rows]
            loss = cross_entropy(model(images), labels)  # how wrong the model is
            gradients = torch.autograd.grad(loss, weights)  # the uphill direction
            with torch.no_grad():
                for weight, velocity, gradient in zip(weights, velocities, gradients, strict=True):
                    velocity.mul_(settings.momentum).add_(gradient)  # keep part of the last step
                    weight.sub_(velocity, alpha=settings.learning_rate)  # step downhill
            losses.append(loss.item())
    return losses


def permutation(seed: int, epoch: int, images: int) -> Tensor:
    """Return the order of the training images in an epoch, counted from 0, int64 `[images]`."""
    return torch.randperm(images, generator=generator_of(seed, epoch, 0))


def generator_of(
    seed: int, epoch: int, batch: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a generator for an epoch's order (batch 0) or for its b-th batch (batch b)."""
    words = np.random.SeedSequence([seed, epoch, batch]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(words[0] >> np.uint64(1)))
