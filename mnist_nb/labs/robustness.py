"""Accuracy on corrupted images: shifted, turned, drawn with another pen, blurred, or noisy."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from mnist_nb.data import Split
from mnist_nb.evaluation.metrics import evaluate

Images = NDArray[np.float64]  # [N, 28, 28], 0 is paper and 255 is full ink
# a pixel and its four neighbours, within one image: [1, row, column]
PLUS = ndimage.generate_binary_structure(2, 1)[None]
DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # (down, right): right, down, left, up


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A way to corrupt images, with several severities."""

    name: str
    unit: str  # of its severities
    severities: tuple[float, ...]  # rising; they include 0, which changes nothing
    alter: Callable[[Images, float], Images]

    def __call__(self, images: Tensor, severity: float) -> Tensor:
        """Return corrupted copies of uint8 images `[N, 28, 28]`.

        The same images and severity give the same result.
        """
        corrupted = self.alter(images.numpy().astype(np.float64), severity)
        return torch.from_numpy(np.clip(np.rint(corrupted), 0, 255).astype(np.uint8))


def _shift(images: Images, pixels: float) -> Images:
    """Move a quarter of the images each right, down, left and up."""
    moved = np.empty_like(images)
    for start, (down, right) in enumerate(DIRECTIONS):
        quarter = slice(start, None, len(DIRECTIONS))
        offset = (0, down * pixels, right * pixels)
        moved[quarter] = ndimage.shift(images[quarter], offset, order=1)
    return moved


def _turn(images: Images, degrees: float) -> Images:
    """Turn the images clockwise about their centre."""
    return np.asarray(ndimage.rotate(images, -degrees, axes=(1, 2), reshape=False, order=1))


def _redraw(images: Images, steps: float) -> Images:
    """Thicken the strokes by `steps` pixels on each side, or thin them if `steps` is negative.

    A fraction of a pixel blends two whole steps.
    """
    change_width = ndimage.grey_dilation if steps > 0 else ndimage.grey_erosion
    for _ in range(int(abs(steps))):
        images = np.asarray(change_width(images, footprint=PLUS))
    fraction = abs(steps) % 1
    if fraction == 0:
        return images
    next_step = np.asarray(change_width(images, footprint=PLUS))
    return (1 - fraction) * images + fraction * next_step


def _blur(images: Images, pixels: float) -> Images:
    """Blur the images with a Gaussian of this standard deviation, as a lens out of focus does."""
    return np.asarray(ndimage.gaussian_filter(images, (0, pixels, pixels)))


def _noise(images: Images, levels: float) -> Images:
    """Add normal noise of this standard deviation, the same on each call."""
    noise = np.random.default_rng(0).standard_normal(images.shape)
    return images + levels * noise


_ALL = (
    Corruption("shifted", "pixels", (0, 1, 2, 3, 4, 5, 6), _shift),
    Corruption("turned", "degrees, clockwise", (-45, -30, -15, 0, 15, 30, 45), _turn),
    Corruption("pen", "pixels wider on each side", (-1, -0.5, 0, 0.5, 1, 1.5, 2), _redraw),
    Corruption("blurred", "pixels of standard deviation", (0, 0.5, 1, 1.5, 2, 2.5, 3), _blur),
    Corruption("noisy", "grey levels of standard deviation", (0, 20, 40, 60, 80, 100, 120), _noise),
)
CORRUPTIONS = {corruption.name: corruption for corruption in _ALL}
"""The five corruptions by name. The highest severities are worse than in any careful scan."""


def accuracy_under(
    models: Mapping[str, nn.Module], split: Split, corruption: Corruption
) -> dict[str, list[float]]:
    """Return each model's accuracy, in [0, 1], at each severity of a corruption."""
    accuracies: dict[str, list[float]] = {name: [] for name in models}
    for severity in corruption.severities:
        images = corruption(split.images, severity)
        corrupted = dataclasses.replace(split, images=images)
        for name, model in models.items():
            accuracies[name].append(evaluate(model, corrupted).accuracy)
    return accuracies
