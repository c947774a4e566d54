"""The interface of augmentations. `mnist_nb.handwriting.augmentation` implements them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Batch(NamedTuple):
    """The images of one training step."""

    originals: Tensor  # float32 [N, 28, 28] in [0, 1]
    images: Tensor  # the same after augmentation
    labels: Tensor  # int64 [N]
    augmentation: Augmentation
    generator: torch.Generator | None  # for random numbers in this step; None if it needs none


class Augmentation:
    """A change of a run's images. Register an instance by name in `plugins.AUGMENTATIONS`."""

    def __call__(
        self, images: Tensor, generator: torch.Generator, labels: Tensor | None = None
    ) -> Tensor:
        """Change every image at random, independently of the others.

        Args:
            images: float32 `[N, 28, 28]` in [0, 1], bright ink on black.
            generator: the only source of randomness. The same state gives bit-identical images on
                the same device with the same number of threads.
            labels: int64 `[N]` on the same device, if known.

        Returns:
            A tensor of the same shape in [0, 1]; `images` is not modified.
        """
        return images

    def prepare_model(self, model: nn.Module, seed: int) -> None:
        """Add any layers that this augmentation trains, before a run begins. Most add none."""


NONE = Augmentation()
"""The augmentation "none", which returns the images unchanged."""
