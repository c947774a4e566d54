"""Rasterization: points along lines, filled discs, and anti-aliased lines of a round pen."""

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnist_nb.data import SIDE
from mnist_nb.handwriting.preprocessing import BOX, Floats

DISCS_AT_ONCE = 4_096  # so many fit a processor's cache
SEGMENTS_AT_ONCE = 250


class Sieve:
    """A filter that keeps the first point in each cell of a grid, to bound the cost of scribbles.

    Args:
        corner: of the grid, `(x, y)`.
        side: of the grid.
        cells: along each side.
    """

    def __init__(self, corner: Floats, side: float, cells: int) -> None:
        self._corner = corner
        self._scale = cells / side if side > 0 else 0.0
        self._cells = cells
        self._first = np.full((cells + 1) ** 2, -1)  # [cell], position of the point kept in it

    def __call__(self, points: Floats) -> Floats:
        """Return the points `[point, (x, y)]` whose cells have no point yet."""
        columns, rows = ((points - self._corner) * self._scale).astype(np.int64).T
        cells = rows * (self._cells + 1) + columns
        is_free = self._first[cells] < 0
        points = points[is_free]
        cells = cells[is_free]
        positions = np.arange(len(points))
        self._first[cells[::-1]] = positions[::-1]  # the first of several in a cell is kept
        kept: Floats = points[self._first[cells] == positions]
        return kept


def walk_sparsely(start: Floats, stop: Floats, spacing: float, sieve: Sieve | None) -> Floats:
    """Return the points of `walk`, filtered by a sieve if given, in bounded memory."""
    if sieve is None:
        return walk(start, stop, spacing)
    points = []
    for first in range(0, len(start), SEGMENTS_AT_ONCE):
        part = slice(first, first + SEGMENTS_AT_ONCE)
        points.append(sieve(walk(start[part], stop[part], spacing)))
    return np.concatenate(points)


def walk(start: Floats, stop: Floats, spacing: float) -> Floats:
    """Return points along straight segments, at most `spacing` apart.

    Args:
        start, stop: ends of the segments, `[segment, (x, y)]`; both are included.
        spacing: with 0, only the start of each segment is returned.

    Returns:
        The points of all segments, one after the other: `[point, (x, y)]`.
    """
    displacement = stop - start
    # np.hypot rounds differently from the page's JavaScript
    length = np.sqrt((displacement**2).sum(axis=1))
    count = np.ones(len(start), np.int64)
    if spacing > 0:
        count += np.ceil(length / spacing).astype(np.int64)
    segment = np.repeat(np.arange(len(start)), count)  # [point], its segment
    first_point = np.cumsum(count) - count
    step = np.arange(len(segment)) - first_point[segment]
    last_step = np.maximum(count - 1, 1)
    fraction = step / last_step[segment]
    points: Floats = start[segment] + fraction[:, None] * displacement[segment]
    return points


def discs(centres: Floats, radius: float, side: int) -> NDArray[np.bool_]:
    """Return the pixels whose centre is within a disc: bool `[side, side]`.

    In each row that it crosses, a disc covers one run of pixels. With +1 where a run starts and -1
    where it stops, the cumulative sum of a row is the number of discs that cover each pixel.

    Args:
        centres: `[disc, (x, y)]`, in pixels.
        radius: of every disc, in pixels.
    """
    changes = np.zeros((side, side + 1), np.int64)
    for first in range(0, len(centres), DISCS_AT_ONCE):
        changes += _count_runs(centres[first : first + DISCS_AT_ONCE], radius, side)
    depth = changes.cumsum(axis=1)
    covered: NDArray[np.bool_] = depth[:, :side] > 0
    return covered


def _count_runs(centres: Floats, radius: float, side: int) -> NDArray[np.int64]:
    """Count the runs of pixels that start at each place, minus those that stop before it.

    The result is `[row, place]`. A run may stop one place to the right of the last pixel.
    """
    x, y = np.split(centres, 2, axis=1)  # each [disc, 1]
    first_row = np.maximum(np.ceil(y - radius - 0.5), 0)
    rows = first_row + np.arange(min(2 * radius + 1, side))  # [disc, row]
    below_centre = rows + 0.5 - y
    half_width_squared = radius * radius - below_centre**2
    half_width = np.sqrt(np.maximum(half_width_squared, 0))
    left = np.ceil(x - half_width - 0.5).clip(0, side)
    right = np.floor(x + half_width + 0.5).clip(0, side)
    is_crossed = (half_width_squared >= 0) & (rows < side) & (left < right)

    row_length = side + 1
    row_start = rows * row_length
    starts = (row_start + left)[is_crossed].astype(np.int64)
    stops = (row_start + right)[is_crossed].astype(np.int64)
    changes = np.bincount(starts, minlength=side * row_length)
    changes -= np.bincount(stops, minlength=side * row_length)
    return changes.reshape(side, row_length)


def draw_lines(points: Tensor, radius: Tensor) -> Tensor:
    """Draw one line per image with a round pen, straight from point to point, anti-aliased.

    Args:
        points: `[image, point, (x, y)]`, in pixels; at least two points.
        radius: half the width of the pen, `[image]`, in pixels.

    Returns:
        The ink, float32 `[image, 28, 28]` in [0, 1].
    """
    pixel_x, pixel_y = _pixel_places().to(radius.device)
    start_x, start_y = points[:, :-1, :, None].unbind(2)  # each [image, segment, 1]
    step_x, step_y = points.diff(dim=1).unsqueeze(3).unbind(2)
    from_start_x = pixel_x - start_x  # [image, segment, pixel]
    from_start_y = pixel_y - start_y
    length_squared = (step_x.square() + step_y.square()).clamp_min(1e-6)
    projection = from_start_x * step_x + from_start_y * step_y
    fraction = (projection / length_squared).clamp_(0, 1)  # the nearest point of the segment
    from_line_x = from_start_x - fraction * step_x
    from_line_y = from_start_y - fraction * step_y
    distance_squared = from_line_x.square_() + from_line_y.square_()
    distance = distance_squared.amin(1).sqrt_()
    ink: Tensor = (radius[:, None] + 0.5 - distance).clamp_(0, 1)
    return ink.view(-1, SIDE, SIDE)


@functools.cache
def _pixel_places() -> Tensor:
    """Return the coordinates of all pixels, row by row: float32 `[(x, y), pixel]`."""
    places = torch.arange(float(SIDE))
    x = places.repeat(SIDE)
    y = places.repeat_interleave(SIDE)
    return torch.stack([x, y])


def render_centred(points: Tensor, across: Tensor, radius: Tensor) -> Tensor:
    """Draw strokes as MNIST's digits are: the longer side 20 pixels, the centre of mass at index
    14.

    Args:
        points: `[image, stroke, point, (x, y)]`, in any unit.
        across: how many times as wide the strokes are made first, `[image]`.
        radius: half the width of the pen, `[image]`, in pixels.

    Returns:
        float32 `[image, 28, 28]` in [0, 1].
    """
    height_factor = torch.ones_like(across)
    points = points * torch.stack([across, height_factor], 1)[:, None, None]
    extent = points.amax((1, 2)) - points.amin((1, 2))  # [image, (x, y)]
    longer_side = extent.amax(1).clamp_min(0.2)
    scale = (BOX - 2 * radius) / longer_side
    points = points * scale[:, None, None, None]
    centre = _centre_of_lines(points)
    points = points - centre[:, None, None] + SIDE // 2
    ink = [draw_lines(stroke, radius) for stroke in points.unbind(1)]
    return torch.stack(ink).amax(0)


def _centre_of_lines(points: Tensor) -> Tensor:
    """Return the mean place of all segments, weighted by their lengths: `[image, (x, y)]`."""
    length: Tensor = points.diff(dim=2).norm(dim=3, keepdim=True)
    weight = length + 1e-6  # a stroke that is a point has no length
    middle = (points[:, :, 1:] + points[:, :, :-1]) / 2
    weighted_sum = (middle * weight).sum((1, 2))
    return weighted_sum / weight.sum((1, 2))
