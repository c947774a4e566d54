"""Find straight, thin and nearly horizontal lines in a mask of ink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mnist_nb.handwriting.preprocessing import EIGHT_NEIGHBOURS, Integers, Mask

Point = tuple[float, float]  # x, y

# Tuned on pictures of forms and ruled paper. Lengths are relative to the shortest line.
MIN_COVERAGE = 0.6  # of a line's columns; gaps are bridged
MIN_RULE_COVERAGE = 0.8  # of a line that may be a rule across the picture
MAX_THICKNESS = 0.25  # in lengths of the line
THIN = 0.25  # the quantile of its height over all columns that is its thickness
MAX_BEND = 0.01  # mean distance from the straight line between its ends, in lengths of the line
MAX_SHARED = 0.6  # of a line's pixels; with more it is a part of a longer line
MAX_LINES = 300  # only the longest are kept, to bound the time for textured pictures


@dataclass(frozen=True, eq=False)
class Line:
    """A straight and thin part of the ink. It starts at its left end or at its top.

    Attributes:
        pixels: rows and columns, int64 `[2, pixel]`.
        is_straight: whether it is covered and straight enough for a rule across the picture.
    """

    start: Point
    stop: Point
    thickness: float
    pixels: Integers
    is_straight: bool = True

    @property
    def length(self) -> float:
        """The length in pixels, along the longer axis."""
        across = abs(self.stop[0] - self.start[0])
        down = abs(self.stop[1] - self.start[1])
        return max(across, down) + 1

    def transposed(self) -> Line:
        """The same line in the transposed picture."""
        start, stop, pixels = self.start[::-1], self.stop[::-1], self.pixels[::-1]
        return Line(start, stop, self.thickness, pixels, self.is_straight)


def draw_lines(lines: Sequence[Line], shape: tuple[int, ...]) -> Mask:
    """Return a mask of this shape with the lines' pixels."""
    drawn = np.zeros(shape, np.bool_)
    for line in lines:
        rows, columns = line.pixels
        is_inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        drawn[rows[is_inside], columns[is_inside]] = True
    return drawn


def find_level_lines(mask: Mask, shortest: int) -> list[Line]:
    """Find nearly horizontal lines of at least this length, the longest first.

    A line has paper on at least one side, so digits may touch it along the other side.
    """
    thickest = max(5, shortest // 3)
    turned = mask[::-1]  # its lower edge is the upper edge
    along_lower_edge = _lines_along(_near_lower_edge(mask, thickest), mask, shortest)
    along_upper_edge = _lines_along(_near_lower_edge(turned, thickest), turned, shortest)
    lines = [*along_lower_edge, *_upside_down(along_upper_edge, len(mask))]
    lines.sort(key=lambda line: line.length, reverse=True)
    return _without_doubles(lines[:MAX_LINES], mask.shape)


def _near_lower_edge(mask: Mask, distance: int) -> Mask:
    """Keep the pixels with paper at most this far below."""
    is_deep = mask.copy()  # the ink continues so far
    for shift in range(1, distance + 1):
        is_deep[:-shift] &= mask[shift:]
        is_deep[-shift:] = False
    return mask & ~is_deep


def _lines_along(edge: Mask, mask: Mask, shortest: int) -> list[Line]:
    """Find the lines in a mask's lower edge."""
    bridged = ~_long_runs(~_with_rows_around(edge), shortest // 2)
    straight = _long_runs(bridged & _with_rows_around(mask), shortest)
    labels, _ = ndimage.label(straight, EIGHT_NEIGHBOURS)
    lines = []
    for label, place in enumerate(ndimage.find_objects(labels), start=1):
        line = _measure(labels[place] == label, edge[place], place)
        if line is not None:
            lines.append(line)
    return lines


def _measure(part: Mask, edge: Mask, place: tuple[slice, slice]) -> Line | None:
    """Return a part `[h, w]` as a line, or None if it is too thick or has too many gaps."""
    height, width = part.shape
    top, left = place[0].start, place[1].start
    heights = (part & edge).sum(axis=0)
    coverage = np.count_nonzero(heights) / width
    if coverage < MIN_COVERAGE:
        return None
    thickness = _quantile(heights[heights > 0], THIN)
    if thickness > MAX_THICKNESS * width:
        return None
    middles = np.arange(height) @ part / part.sum(axis=0)  # [column], the mean row
    bend = np.abs(middles - np.linspace(middles[0], middles[-1], width)).mean()
    is_straight = bool(coverage > MIN_RULE_COVERAGE and bend < 1 + MAX_BEND * width)
    start = float(left), float(top + middles[0])
    stop = float(left + width - 1), float(top + middles[-1])
    rows, columns = np.nonzero(part & _lowest_rows(part & edge, round(thickness)))
    return Line(start, stop, thickness, np.stack([rows + top, columns + left]), is_straight)


def _quantile(values: Integers, share: float) -> float:
    """Return a quantile of a few values; `np.quantile` takes ten times as long."""
    ordered = np.sort(values)
    place = share * (len(ordered) - 1)
    return float(np.interp(place, np.arange(len(ordered)), ordered))


def _lowest_rows(line: Mask, count: int) -> Mask:
    """Return so many rows above the lower edge `[column]`, and one below, for blur.

    Strokes that run along the line are above them.
    """
    height, width = line.shape
    columns = np.flatnonzero(line.any(axis=0))
    lowest = height - 1 - line[::-1].argmax(axis=0)
    edge = np.interp(np.arange(width), columns, lowest[columns])
    above_edge = np.rint(edge) - np.arange(height)[:, None]  # [row, column]
    is_near: Mask = (above_edge >= -1) & (above_edge < count)
    return is_near


def _upside_down(lines: Sequence[Line], height: int) -> list[Line]:
    """Return lines of a picture that was turned upside down as they are in the upright one."""
    upright = []
    for line in lines:
        start = line.start[0], height - 1 - line.start[1]
        stop = line.stop[0], height - 1 - line.stop[1]
        rows, columns = line.pixels
        pixels = np.stack([height - 1 - rows, columns])
        upright.append(Line(start, stop, line.thickness, pixels, line.is_straight))
    return upright


def _without_doubles(lines: Sequence[Line], shape: tuple[int, ...]) -> list[Line]:
    """Remove lines that are parts of longer ones, or their other edge."""
    is_taken = np.zeros(shape, np.bool_)
    kept = []
    for line in lines:
        rows, columns = line.pixels
        if is_taken[rows, columns].mean() > MAX_SHARED:
            continue
        kept.append(line)
        reach = round(2 * line.thickness)
        for shift in range(-reach, reach + 1):
            is_taken[(rows + shift).clip(0, shape[0] - 1), columns] = True
    return kept


def _with_rows_around(mask: Mask) -> Mask:
    """Add the pixels above and below, so that a slightly sloping line stays connected."""
    thickened = mask.copy()
    thickened[1:] |= mask[:-1]
    thickened[:-1] |= mask[1:]
    return thickened


def _long_runs(mask: Mask, length: int) -> Mask:
    """Keep horizontal runs of at least this length: an opening, much faster than SciPy's."""
    runs = mask.copy()
    reached = 1
    while reached < length:  # a pixel stays if the next `reached` pixels are in the mask
        step = min(reached, length - reached)
        runs[:, :-step] &= runs[:, step:]
        runs[:, -step:] = False
        reached += step
    reached = 1
    while reached < length:
        step = min(reached, length - reached)
        runs[:, step:] |= runs[:, :-step]
        reached += step
    return runs
