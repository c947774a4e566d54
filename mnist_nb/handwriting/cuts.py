"""Cuts through connected ink where digits may touch.

A cut is a path from top to bottom that crosses few strokes and little ink, also known as a seam.
Crossed ink is measured in widths of the pen, so that bold and thin digits of any size are cut
alike.
"""

from __future__ import annotations

import numpy as np

from mnist_nb.handwriting.preprocessing import Floats, Integers

# Tuned on generated pages of touching digits.
MIN_WIDTH = 0.5  # of ink that is cut, in heights of the ink
MAX_COST = 3.5  # of a cut: the ink on its path in widths of the pen, and the costs below
STROKE_COST = 1.0  # of each stroke that it crosses, half at each edge
SIDE_COST = 2.0  # of moving to the side by one height of the ink
MIN_PART = 0.5  # of the ink of a vertical line as high as all ink; smaller parts are not cut off


def cut_apart(pixels: Integers, strengths: Floats) -> list[Integers]:
    """Cut connected ink along the cheapest paths from top to bottom.

    Args:
        pixels: columns and rows of the pixels, `[pixel, (x, y)]`.
        strengths: their ink, `[pixel]`.

    Returns:
        The indices of the pixels of each part, from left to right.
    """
    ink = paint(pixels, strengths)
    height, width = ink.shape
    if width < MIN_WIDTH * height:
        return [np.arange(len(pixels))]
    pen = pen_width(ink)
    costs, path_columns = _find_paths(ink, pen)
    ink_left = _ink_left_of(path_columns, ink)
    smallest = MIN_PART * pen * height
    columns, rows = (pixels - pixels.min(axis=0)).T
    part_numbers = np.zeros(len(pixels), np.int64)
    for path in _choose_cuts(costs, ink_left, ink.sum(), smallest):
        is_right_of_cut = columns > path_columns[rows, path]
        part_numbers += is_right_of_cut
    return [np.flatnonzero(part_numbers == number) for number in np.unique(part_numbers)]


def paint(pixels: Integers, strengths: Floats) -> Floats:
    """Return the ink of pixels `[pixel, (x, y)]` as a picture of their bounding box, `[H, W]`."""
    width, height = np.ptp(pixels, axis=0) + 1
    columns, rows = (pixels - pixels.min(axis=0)).T
    ink = np.zeros((height, width))
    ink[rows, columns] = strengths
    return ink


def pen_width(ink: Floats) -> float:
    """Return the mean width of the strokes in ink `[H, W]`, in pixels.

    It is twice their area divided by the length of their outline, so a few pixels are enough.
    """
    padded = np.pad(ink, 1)
    change_across = np.diff(padded, axis=1)[1:]
    change_down = np.diff(padded, axis=0)[:, 1:]
    outline = np.hypot(change_across, change_down).sum()
    return float(2 * ink.sum() / outline)


def _find_paths(ink: Floats, pen: float) -> tuple[Floats, Integers]:
    """Find the cheapest path from top to bottom through each pixel of the middle row.

    Args:
        ink: `[H, W]`.
        pen: the width of the pen, in pixels.

    Returns:
        The cost of each path, `[path]`, and its column in each row, `[y, path]`.
    """
    height = len(ink)
    side_cost = SIDE_COST / height
    upper, lower = ink[: height // 2], ink[height // 2 :]
    upper_costs, upper_columns = _find_paths_down(upper[::-1], pen, side_cost)
    lower_costs, lower_columns = _find_paths_down(lower, pen, side_cost)
    return upper_costs + lower_costs, np.concatenate([upper_columns[::-1], lower_columns])


def _find_paths_down(ink: Floats, pen: float, side_cost: float) -> tuple[Floats, Integers]:
    """Find the cheapest path from each pixel of the first row to the last row, as `_find_paths`.

    Dynamic programming, from the last row up. A step leads to the pixel below or, for `side_cost`,
    to one beside that.
    """
    height, width = ink.shape
    steps = np.zeros((height, width), np.int64)  # from each pixel to a column of the next row
    ink = np.pad(ink, ((0, 1), (0, 0)))
    costs = np.zeros(width)
    for row in reversed(range(height)):
        edges = np.abs(_neighbours(ink[row + 1], outside=0) - ink[row])
        ways = _neighbours(costs, outside=np.inf) + STROKE_COST / 2 * edges
        ways[1:] += side_cost
        steps[row] = np.array([0, -1, 1])[ways.argmin(axis=0)]
        costs = ink[row] / pen + ways.min(axis=0)
    columns = np.tile(np.arange(width), (height, 1))
    for row in range(1, height):
        above = columns[row - 1]
        columns[row] = above + steps[row - 1, above]
    return costs, columns


def _neighbours(row: Floats, outside: float) -> Floats:
    """Return the values of each pixel, the one on its left and the one on its right: `[3, x]`."""
    padded = np.pad(row, 1, constant_values=outside)
    return np.stack([row, padded[:-2], padded[2:]])


def _ink_left_of(path_columns: Integers, ink: Floats) -> Floats:
    """Return the ink on each path `[y, path]` and on its left: `[path]`."""
    in_row = ink.cumsum(axis=1)  # [y, x]
    return np.asarray(np.take_along_axis(in_row, path_columns, axis=1).sum(axis=0))


def _choose_cuts(costs: Floats, ink_left: Floats, total: float, smallest: float) -> list[int]:
    """Choose paths, the cheapest first, that leave enough ink for a digit between them.

    Args:
        costs: of each path, `[path]`.
        ink_left: the ink on the left of each path, `[path]`.
        total: all ink.
        smallest: the ink of the smallest part.
    """
    cuts: list[int] = []
    borders = [0.0, total]  # the ink on the left of each border between parts
    for path in np.argsort(costs, kind="stable").tolist():
        if costs[path] > MAX_COST:
            break
        if np.abs(ink_left[path] - borders).min() >= smallest:
            cuts.append(path)
            borders.append(ink_left[path])
    return cuts
