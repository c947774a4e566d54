"""Numbers about the images themselves: how they were prepared, which are shared, and which are
nearly the same."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Floats = NDArray[np.float64]


class ImageStats(NamedTuple):
    """What MNIST's preparation determines in each of N images; see
    `drawing.preprocessing.preparation_steps`."""

    centres: Floats  # [N, 2], centre of mass (row, column), in pixels
    boxes: NDArray[np.int64]  # [N, 2], height and width of the ink's bounding box, in pixels
    peaks: NDArray[np.uint8]  # [N], the darkest pixel


class Neighbours(NamedTuple):
    """For each of N images the nearest of some others, by Euclidean distance of their pixels from 0
    to 1."""

    distances: Tensor  # float32 [N]
    indices: Tensor  # int64 [N]


def image_stats(images: ArrayLike) -> ImageStats:
    """Centre of mass, bounding box and peak of images uint8 `[N, 28, 28]`.

    Raises:
        ValueError: if the images have another shape, or one of them has no ink.
    """
    pictures = np.asarray(images)
    if pictures.ndim != 3:
        raise ValueError(
            f"expected images of shape [N, height, width], got shape {list(pictures.shape)}"
        )
    if len(blank := np.flatnonzero(~pictures.any(axis=(1, 2)))):
        raise ValueError(f"image {blank[0]} has no ink, so it has no centre of mass: leave it out")
    profiles = (
        pictures.sum(axis=2, dtype=np.int64),
        pictures.sum(axis=1, dtype=np.int64),
    )  # ink by row and by column
    centres = [profile @ np.arange(profile.shape[1]) / profile.sum(axis=1) for profile in profiles]
    inked = [profile > 0 for profile in profiles]
    boxes = [
        rows.shape[1] - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1) for rows in inked
    ]  # less the margins
    return ImageStats(np.stack(centres, axis=1), np.stack(boxes, axis=1), pictures.max(axis=(1, 2)))


def count_shared(first: ArrayLike, second: ArrayLike) -> int:
    """How many images of the first set are, byte for byte, also in the second; both `[N, 28,
    28]`."""
    known = {image.tobytes() for image in np.asarray(second)}
    return sum(image.tobytes() in known for image in np.asarray(first))


def nearest(queries: Tensor, images: Tensor, *, chunk: int = 500) -> Neighbours:
    """The nearest of `images` to each query; both uint8 `[N, 28, 28]`. All pairs are compared, a
    chunk at a time.

    Of |a - b|² = |a|² - 2 a·b + |b|², only the middle term needs both, and it is a matrix product.

    Raises:
        ValueError: if there are no images to search.
    """
    if not len(images):
        raise ValueError("there are no images to look for neighbours in")
    known, asked = images.flatten(1).float() / 255, queries.flatten(1).float() / 255
    lengths = known.square().sum(1)
    indices = torch.cat(
        [torch.addmm(lengths, p, known.T, alpha=-2).argmin(1) for p in torch.split(asked, chunk)]
    )
    return Neighbours((asked - known[indices]).norm(dim=1), indices)
