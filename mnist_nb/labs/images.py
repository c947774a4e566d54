"""Measures of the images themselves: their preparation, shared images, and nearest neighbours."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Floats = NDArray[np.float64]
FULL_INK = 255


class ImageStats(NamedTuple):
    """The properties of N images that MNIST's preparation determines.

    See `handwriting.preprocessing.preparation_steps`.
    """

    centres: Floats  # [N, 2], centre of mass (row, column), in pixels
    boxes: NDArray[np.int64]  # [N, 2], height and width of the ink's bounding box, in pixels
    peaks: NDArray[np.uint8]  # [N], the darkest pixel


class Neighbours(NamedTuple):
    """The nearest image to each of N, by Euclidean distance of the pixels in [0, 1]."""

    distances: Tensor  # float32 [N]
    indices: Tensor  # int64 [N]


def image_stats(images: ArrayLike) -> ImageStats:
    """Measure the centre of mass, bounding box and peak of uint8 images `[N, 28, 28]`.

    Raises:
        ValueError: if the images have another shape, or one of them has no ink.
    """
    pictures = np.asarray(images)
    if pictures.ndim != 3:
        raise ValueError(f"images must have shape [N, height, width], got {list(pictures.shape)}")
    blank = np.flatnonzero(~pictures.any(axis=(1, 2)))
    if len(blank):
        raise ValueError(f"image {blank[0]} has no ink, so it has no centre of mass: leave it out")
    ink_by_row = pictures.sum(axis=2, dtype=np.int64)  # [image, row]
    ink_by_column = pictures.sum(axis=1, dtype=np.int64)  # [image, column]
    centres = [_centre_of_mass(ink_by_row), _centre_of_mass(ink_by_column)]
    extents = [_extent(ink_by_row), _extent(ink_by_column)]
    peaks = pictures.max(axis=(1, 2))
    return ImageStats(np.stack(centres, axis=1), np.stack(extents, axis=1), peaks)


def _centre_of_mass(profiles: NDArray[np.int64]) -> Floats:
    """Return the centre of mass `[N]` of profiles of ink `[N, 28]`."""
    positions = np.arange(profiles.shape[1])
    return np.asarray(profiles @ positions / profiles.sum(axis=1))


def _extent(profiles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pixels `[N]` from the first ink to the last in profiles `[N, 28]`."""
    has_ink = profiles > 0
    margin_before = has_ink.argmax(axis=1)
    margin_after = has_ink[:, ::-1].argmax(axis=1)
    return np.asarray(profiles.shape[1] - margin_before - margin_after)


def count_shared(first: ArrayLike, second: ArrayLike) -> int:
    """Count the images of the first set that are also in the second, byte for byte.

    Both are `[N, 28, 28]`.
    """
    known = {image.tobytes() for image in np.asarray(second)}
    return sum(image.tobytes() in known for image in np.asarray(first))


def nearest(queries: Tensor, images: Tensor, *, chunk: int = 500) -> Neighbours:
    """Find the nearest of `images` to each query; both are uint8 `[N, 28, 28]`.

    All pairs are compared, `chunk` queries at a time. In |a - b|² = |a|² - 2 a·b + |b|², only the
    middle term needs both images; it is a matrix product.

    Raises:
        ValueError: if there are no images to search.
    """
    if not len(images):
        raise ValueError("images must have at least one image to search, got none")
    points = images.flatten(1).float() / FULL_INK  # [image, pixel]
    query_points = queries.flatten(1).float() / FULL_INK
    squared_lengths = points.square().sum(1)
    indices = []
    for part in torch.split(query_points, chunk):
        comparable = torch.addmm(squared_lengths, part, points.T, alpha=-2)  # distance² - |query|²
        indices.append(comparable.argmin(1))
    found = torch.cat(indices)
    return Neighbours((query_points - points[found]).norm(dim=1), found)
