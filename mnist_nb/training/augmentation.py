"""What a run does to its images: nothing here; the rooms built on the core bring augmentations."""

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
    generator: torch.Generator | None  # for what is drawn in this step; None if nothing is


class Augmentation:
    """What a run does to its images. Subclasses are entered by name in `plugins.AUGMENTATIONS`."""

    def __call__(
        self, images: Tensor, generator: torch.Generator, labels: Tensor | None = None
    ) -> Tensor:
        """Change every image at random, each in its own way.

        Args:
            images: float32 `[N, 28, 28]` in [0, 1], bright ink on black.
            generator: the only source of randomness: the same state gives the same images, bit for
                bit, on the same device with the same number of threads.
            labels: int64 `[N]` on the same device, where they are known.

        Returns:
            A tensor of the same shape in [0, 1]; the images given stay as they are.
        """
        return images

    def prepare_model(self, model: nn.Module, seed: int) -> None:
        """Add the layers that this augmentation trains, before a run begins. Most add none."""


NONE = Augmentation()
"""The augmentation "none": the images as they are."""
