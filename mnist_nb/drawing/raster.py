"""Lines as pixels: what a round pen covers that is led along them."""

import numpy as np
from numpy.typing import NDArray

from mnist_nb.drawing.preprocessing import BOX, Floats

PEN_WIDTH = 2.5  # of MNIST's pens, in pixels of the 20x20 box
RASTER = 8 * BOX  # a drawing is first inked this many pixels high or wide, in black and white like MNIST's sources


def walk(start: Floats, stop: Floats, spacing: float) -> Floats:
    """Points along straight pieces `[m, 2]`, both ends of each among them, no further apart than `spacing`."""
    length = np.hypot(*(stop - start).T)
    count = np.ceil(length / spacing).astype(np.int64) + 1 if spacing > 0 else np.ones(len(start), np.int64)
    index = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    part = index / np.repeat(np.maximum(count - 1, 1), count)
    points: Floats = np.repeat(start, count, axis=0) + part[:, None] * np.repeat(stop - start, count, axis=0)
    return points


def discs(centres: Floats, radius: float, side: int) -> NDArray[np.bool_]:
    """Which pixels of `[side, side]` have their middle in a disc around one of the centres (x, y).

    Each disc is a run of pixels in each row that it crosses: runs are counted at their two ends and summed along rows.
    """
    x, y = centres[:, :1], centres[:, 1:]
    first = np.maximum(np.ceil(y - radius - 0.5), 0)
    rows = first + np.arange(min(2 * radius + 1, side))
    reach = radius**2 - (rows + 0.5 - y) ** 2
    half = np.sqrt(np.maximum(reach, 0))
    left = np.clip(np.ceil(x - half - 0.5), 0, side)
    right = np.clip(np.floor(x + half + 0.5), 0, side)
    crossed = (reach >= 0) & (rows < side) & (left < right)
    ends = [(rows * (side + 1) + end)[crossed].astype(np.int64) for end in (left, right)]
    starts, stops = (np.bincount(end, minlength=side * (side + 1)) for end in ends)
    runs: NDArray[np.bool_] = (starts - stops).reshape(side, side + 1).cumsum(axis=1)[:, :side] > 0
    return runs
