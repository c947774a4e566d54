"""How accurate a model stays on corrupted images: shifted, turned, drawn with another pen, blurred,
or noisy."""

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
PLUS = ndimage.generate_binary_structure(2, 1)[
    None
]  # a pixel and its four neighbours, within one image


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One way to corrupt images, in several severities."""

    name: str
    unit: str  # of its severities
    severities: tuple[float, ...]  # rising; 0, which changes nothing, among them
    alter: Callable[[Images, float], Images]

    def __call__(self, images: Tensor, severity: float) -> Tensor:
        """Corrupted copies of images uint8 `[N, 28, 28]`; the same images and severity give the
        same result."""
        corrupted = self.alter(images.numpy().astype(np.float64), severity)
        return torch.from_numpy(np.clip(np.rint(corrupted), 0, 255).astype(np.uint8))


def _shift(images: Images, pixels: float) -> Images:
    """Move a quarter of the images each right, down, left and up, so that no direction is
    favoured."""
    moved = np.empty_like(images)
    for start, (down, right) in enumerate(((0, 1), (1, 0), (0, -1), (-1, 0))):
        moved[start::4] = ndimage.shift(
            images[start::4], (0, down * pixels, right * pixels), order=1
        )
    return moved


def _turn(images: Images, degrees: float) -> Images:
    """Turn them clockwise about the image's middle."""
    return np.asarray(ndimage.rotate(images, -degrees, axes=(1, 2), reshape=False, order=1))


def _redraw(images: Images, steps: float) -> Images:
    """Thicken the strokes by whole pixels on each side, and blend for the rest; thin them for less
    than 0."""
    draw = ndimage.grey_dilation if steps > 0 else ndimage.grey_erosion
    for _ in range(int(abs(steps))):
        images = draw(images, footprint=PLUS)
    rest = abs(steps) % 1
    return images if rest == 0 else (1 - rest) * images + rest * draw(images, footprint=PLUS)


def _blur(images: Images, pixels: float) -> Images:
    """Blur them with a Gaussian of this standard deviation, as a lens out of focus does."""
    return np.asarray(ndimage.gaussian_filter(images, (0, pixels, pixels)))


def _noise(images: Images, levels: float) -> Images:
    """Add a normal random number of this standard deviation to each pixel, the same numbers each
    time."""
    return images + levels * np.random.default_rng(0).standard_normal(images.shape)


_ALL = (
    Corruption("shifted", "pixels", (0, 1, 2, 3, 4, 5, 6), _shift),
    Corruption("turned", "degrees, clockwise", (-45, -30, -15, 0, 15, 30, 45), _turn),
    Corruption("pen", "pixels wider on each side", (-1, -0.5, 0, 0.5, 1, 1.5, 2), _redraw),
    Corruption("blurred", "pixels of standard deviation", (0, 0.5, 1, 1.5, 2, 2.5, 3), _blur),
    Corruption("noisy", "grey levels of standard deviation", (0, 20, 40, 60, 80, 100, 120), _noise),
)
CORRUPTIONS = {corruption.name: corruption for corruption in _ALL}
"""The five corruptions by name. The severest of each goes beyond what a person would still call a
careful scan."""


def accuracy_under(
    models: Mapping[str, nn.Module], split: Split, corruption: Corruption
) -> dict[str, list[float]]:
    """Each model's accuracy in [0, 1] at each severity of a corruption; all get the same corrupted
    images."""
    corrupted = [
        dataclasses.replace(split, images=corruption(split.images, each))
        for each in corruption.severities
    ]
    return {
        name: [evaluate(model, each).accuracy for each in corrupted]
        for name, model in models.items()
    }
