"""Find printed lines in the ink of a picture: boxes, combs, tables, ruled and squared paper.

A digit's strokes can be as straight as a printed line, so the whole picture decides: boxes are
closed and contain ink, and rules run across the picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from mnist_nb.handwriting.blobs import blob_sizes
from mnist_nb.handwriting.preprocessing import (
    EIGHT_NEIGHBOURS,
    Floats,
    Integers,
    Mask,
    weighted_quantile,
)
from mnist_nb.handwriting.straight_lines import (
    Line,
    Point,
    draw_lines,
    find_level_lines,
)

# Tuned on pictures of forms and ruled paper.
MIN_LENGTH = 1 / 24  # of a line, in longer sides of the picture
MIN_PIXELS = 8  # likewise
MIN_RULE = 0.5  # the length of a rule, in widths of the picture
MIN_LONE_RULE = 2  # likewise, in heights of all ink
MIN_INNER_RULE = 2.6  # likewise, in heights of connected ink, if it is inside the picture
MIN_MARGIN = 2  # its distance from the picture's edge, in pixels
MIN_NARROW = 0.1  # of all ink is narrower than a rule; with less, all ink is measured
SAME_STRENGTH = 2.5  # rules of one sheet differ by at most this factor
SAME_SIZE = 0.2  # boxes of one form differ by at most this share
CLOSED = 0.8  # of the side of a box is ink
FREE_INK = 0.25  # the height of ink in a box that is not a box itself, in heights of the box
DOUBLE = 0.25  # boxes closer than this share of their size are one, perhaps with a wrong side
APART = 0.8  # boxes of a form are at least this share of their size apart
NESTED = 3  # so many boxes may share their top; higher ones enclose several rows
ROW = 3  # so many boxes side by side need no free ink
STROKE_STRENGTH = 1.7  # of strokes that are darker than the lines they cross
CRUMB = 0.7  # of its pixels are near a removed line


def find_box_lines(mask: Mask, ink: Floats) -> Mask:
    """Find the lines of boxes, combs and tables, without strokes that cross them.

    Args:
        mask: the pixels with ink, bool `[H, W]`.
        ink: the strength of the ink, `[H, W]`.
    """
    shortest = _shortest_line(mask)
    level: list[Line] = []
    upright: list[Line] = []
    for box in _boxes(find_level_lines(mask, shortest), mask):
        level += [box.first, box.second]
        upright += box.other_sides()
    for box in _boxes(find_level_lines(mask.T, shortest), mask.T):
        upright += [side.transposed() for side in (box.first, box.second)]
        level += [side.transposed() for side in box.other_sides()]
    return _without_strokes(level, upright, mask, ink)


def find_rules(mask: Mask, ink: Floats) -> Mask:
    """Find lines much longer than the height of the ink, and the lines between them.

    Arguments and result are those of `find_box_lines`.
    """
    shortest = _shortest_line(mask)
    level = _level_rules(find_level_lines(mask, shortest), mask)
    if not level:
        return np.zeros_like(mask)
    usual = float(np.median([_strength(line, ink) for line in level]))
    band = draw_lines(level, mask.shape)
    upright = []
    for line in find_level_lines(mask.T, shortest):
        is_long = line.is_straight and line.length > MIN_RULE * mask.shape[0]
        across = line.transposed()
        if is_long and _is_as_strong(across, ink, usual) and _is_held(across, band):
            upright.append(across)
    return _without_strokes(level, upright, mask, ink)


def find_paper_rules(mask: Mask, ink: Floats) -> Mask:
    """Find the lines of ruled or squared paper in a photo, without strokes that cross them.

    Arguments and result are those of `find_box_lines`.
    """
    level = _level_paper_rules(mask, ink)
    if not level.any():
        return level
    return level | _level_paper_rules(mask.T, ink.T).T


def _shortest_line(mask: Mask) -> int:
    longer_side: int = max(mask.shape)
    return max(MIN_PIXELS, round(MIN_LENGTH * longer_side))


# ---- boxes


@dataclass(frozen=True, eq=False)
class _Box:
    """Two horizontal lines, the top and the bottom of a box."""

    first: Line
    second: Line

    @cached_property
    def width(self) -> float:
        return (self.first.length + self.second.length) / 2

    @cached_property
    def height(self) -> float:
        return self.second.start[1] - self.first.start[1]

    @cached_property
    def centre(self) -> Point:
        x = (self.first.start[0] + self.second.stop[0]) / 2
        y = (self.first.start[1] + self.second.stop[1]) / 2
        return x, y

    def is_like(self, other: _Box) -> bool:
        """Return whether both boxes have the same size."""
        has_width = abs(self.width - other.width) <= SAME_SIZE * other.width
        return has_width and abs(self.height - other.height) <= SAME_SIZE * other.height

    def other_sides(self) -> list[Line]:
        """The left and the right side, as thick as the top and the bottom."""
        thickness = min(self.first.thickness, self.second.thickness)
        return [_upright_line(*ends, thickness) for ends in self.other_ends()]

    def other_ends(self) -> list[tuple[Point, Point]]:
        """The ends of the left and of the right side."""
        return [(self.first.start, self.second.start), (self.first.stop, self.second.stop)]


def _upright_line(start: Point, stop: Point, thickness: float) -> Line:
    """Return the nearly vertical line between two points, a pixel wider for its blur."""
    reach = round(thickness / 2) + 1
    points = points_between(start, stop)
    across = np.arange(-reach, reach + 1)
    columns = np.add.outer(across, points[1]).ravel()
    rows = np.tile(points[0], len(across))
    return Line(start, stop, thickness, np.stack([rows, columns]))


def _level_line(start: Point, length: int, thickness: float) -> Line:
    """Return the horizontal line from its left end, a pixel wider for its blur."""
    x, y = start
    return _upright_line((y, x), (y, x + length), thickness).transposed()


def points_between(start: Point, stop: Point) -> Integers:
    """Rows and columns of the pixels on a straight line, `[2, point]`."""
    longer = max(abs(stop[1] - start[1]), abs(stop[0] - start[0]))
    along = np.linspace(start, stop, round(longer) + 1)  # [point, (x, y)]
    return np.rint(along.T[::-1]).astype(np.int64)


def _boxes(lines: Sequence[Line], mask: Mask) -> list[_Box]:
    """Find boxes around digits: some are certain, and the others have the same size."""
    closed = _closed_boxes(lines, mask)
    blobs, _ = ndimage.label(mask, EIGHT_NEIGHBOURS)
    places = ndimage.find_objects(blobs)
    proven = [box for box in closed if _has_free_ink(box, places) or _is_in_a_row(box, closed)]
    alike = [box for box in closed if any(box.is_like(other) for other in proven)]
    alike.sort(key=lambda box: box.width * box.height, reverse=True)
    kept = _add_distant([], alike, DOUBLE)
    # half of two neighbours and a stroke of each digit may look like a box between them
    return _add_distant(kept, _boxes_of_sizes(proven, mask), APART)


def _boxes_of_sizes(examples: Sequence[_Box], mask: Mask) -> Iterator[_Box]:
    """Find upright boxes of the same sizes, also where digits touch their lines."""
    searched: list[_Box] = []
    for example in examples:
        if not any(example.is_like(other) for other in searched):
            searched.append(example)
            yield from _boxes_of_size(example, mask)


def _boxes_of_size(example: _Box, mask: Mask) -> Iterator[_Box]:
    """Find upright boxes of the same size: all four sides are ink."""
    width, height = round(example.width) - 1, round(example.height)
    thick = ndimage.maximum_filter(mask, 3)
    is_fit = _coverage_of_sides(thick, width, height).min(axis=0) >= CLOSED
    fits = np.where(is_fit, _coverage_of_sides(mask, width, height).sum(axis=0), 0)
    best = ndimage.maximum_filter(fits, (height // 2 + 1, width // 2 + 1))
    thickness = min(example.first.thickness, example.second.thickness)
    for row, column in np.argwhere(is_fit & (fits == best)).tolist():
        top = _level_line((column, row), width, thickness)
        bottom = _level_line((column, row + height), width, thickness)
        yield _Box(top, bottom)


def _coverage_of_sides(mask: Mask, width: int, height: int) -> Floats:
    """Return the shares of ink on the sides of a box with its top left corner at each pixel.

    The result is `[side, H - height, W - width]`.
    """
    ink = mask.astype(np.float64)
    across = ndimage.uniform_filter1d(ink, width, axis=1, origin=-(width // 2))
    down = ndimage.uniform_filter1d(ink, height, axis=0, origin=-(height // 2))
    top, bottom = across[:-height, :-width], across[height:, :-width]
    left, right = down[:-height, :-width], down[:-height, width:]
    return np.stack([top, bottom, left, right])


def _closed_boxes(lines: Sequence[Line], mask: Mask) -> list[_Box]:
    thick = ndimage.maximum_filter(mask, 3)
    thick[[0, -1]] = True  # the picture's edge closes boxes that it cuts off
    thick[:, [0, -1]] = True
    ordered = sorted(lines, key=lambda line: line.start[1])
    boxes: list[_Box] = []
    for index, top in enumerate(ordered):
        boxes += itertools.islice(_boxes_below(top, ordered[index + 1 :], thick), NESTED)
    return boxes


def _boxes_below(top: Line, bottoms: Sequence[Line], thick: Mask) -> Iterator[_Box]:
    for bottom in bottoms:
        box = _Box(top, bottom)
        if _are_opposite(box) and _is_closed(box, thick):
            yield box


def _are_opposite(box: _Box) -> bool:
    """Return whether the ends of two lines are aligned vertically."""
    top, bottom = box.first, box.second
    tolerance = SAME_SIZE * min(top.length, bottom.length) + 1
    has_start = abs(top.start[0] - bottom.start[0]) < tolerance
    has_stop = abs(top.stop[0] - bottom.stop[0]) < tolerance
    return has_start and has_stop and box.height > 3 * (top.thickness + bottom.thickness)


def _is_closed(box: _Box, thick: Mask) -> bool:
    reach = max(1, round(min(box.first.thickness, box.second.thickness)))
    for ends in box.other_ends():
        rows, columns = points_between(*ends)
        coverages = []
        for shift in range(-reach, reach + 1):
            shifted = (columns + shift).clip(0, thick.shape[1] - 1)
            coverages.append(thick[rows, shifted].mean())
        if max(coverages) < CLOSED:
            return False
    return True


def _has_free_ink(box: _Box, places: Sequence[tuple[slice, slice]]) -> bool:
    """Return whether ink inside the box does not touch it."""
    top, bottom = box.first, box.second
    left, right = max(top.start[0], bottom.start[0]), min(top.stop[0], bottom.stop[0])
    high, low = max(top.start[1], top.stop[1]), min(bottom.start[1], bottom.stop[1])
    for rows, columns in places:
        is_within = left < columns.start and columns.stop <= right
        is_between = high < rows.start and rows.stop <= low
        if is_within and is_between and rows.stop - rows.start > FREE_INK * (low - high):
            return True
    return False


def _is_in_a_row(box: _Box, boxes: Sequence[_Box]) -> bool:
    """Return whether enough equal boxes are next to this one."""
    places = [box.centre[0]]
    for other in boxes:
        is_level = abs(other.centre[1] - box.centre[1]) < SAME_SIZE * box.height
        if is_level and box.is_like(other):
            is_apart = all(abs(other.centre[0] - x) > APART * box.width for x in places)
            if is_apart:
                places.append(other.centre[0])
        if len(places) == ROW:
            return True
    return False


def _add_distant(kept: Sequence[_Box], boxes: Iterable[_Box], distance: float) -> list[_Box]:
    """Add the boxes that are not too close to a box of the same size."""
    result = list(kept)
    for box in boxes:
        if not any(_is_close(box, other, distance) for other in result):
            result.append(box)
    return result


def _is_close(box: _Box, other: _Box, distance: float) -> bool:
    """Return whether two boxes of the same size are closer than this share of it."""
    across = abs(box.centre[0] - other.centre[0])
    down = abs(box.centre[1] - other.centre[1])
    if across >= distance * other.width or down >= distance * other.height:
        return False
    return box.is_like(other)


# ---- rules


def _level_rules(lines: Sequence[Line], mask: Mask) -> list[Line]:
    """Return lines across half of the picture, and shorter ones inside it, as in an addition.

    Both are much longer than digits are high.
    """
    if not lines:
        return []
    rows = np.flatnonzero(mask.any(axis=1))
    shortest = max(MIN_RULE * mask.shape[1], MIN_LONE_RULE * (rows[-1] - rows[0] + 1))
    shortest_inside = MIN_INNER_RULE * _typical_height(mask)
    rules = []
    for line in lines:
        if not line.is_straight:
            continue
        if line.length > shortest:
            rules.append(line)
        elif line.length > shortest_inside and _is_inside(line, mask.shape):
            rules.append(_widened(line))
    return rules


def _typical_height(mask: Mask) -> float:
    """Return the median height of connected ink, weighted by its amount.

    Ink across half of the picture, such as a table, is ignored unless nearly all ink is.
    """
    blobs, _ = ndimage.label(mask, EIGHT_NEIGHBOURS)
    heights, widths = blob_sizes(blobs)
    amounts = np.bincount(blobs.ravel(), mask.ravel())
    of_narrow = np.where(widths > MIN_RULE * mask.shape[1], 0, amounts)
    if of_narrow.sum() > MIN_NARROW * amounts.sum():
        amounts = of_narrow
    return weighted_quantile(heights, amounts)


def _is_inside(line: Line, shape: tuple[int, ...]) -> bool:
    """Return whether a line is away from the picture's edge, unlike the grain of a wooden table."""
    last = np.array(shape)[:, None] - 1
    distances = np.minimum(line.pixels, last - line.pixels)
    return bool(distances.min() >= MIN_MARGIN)


def _widened(line: Line) -> Line:
    """Add a row above and one below, because a line drawn by hand varies in thickness."""
    rows, columns = line.pixels
    pixels = np.concatenate([np.stack([rows + shift, columns]) for shift in (-1, 0, 1)], axis=1)
    return replace(line, pixels=pixels)


def _strength(line: Line, ink: Floats) -> float:
    strengths = ink[line.pixels[0], line.pixels[1]]
    return float(np.median(strengths[strengths > 0]))


def _is_as_strong(line: Line, ink: Floats, usual: float) -> bool:
    return usual / SAME_STRENGTH < _strength(line, ink) < usual * SAME_STRENGTH


def _is_held(line: Line, band: Mask) -> bool:
    """Return whether both ends are at a horizontal rule or at the picture's edge."""
    reach = round(line.thickness) + 3
    padded = np.pad(band, reach, constant_values=True)
    for x, y in (line.start, line.stop):
        row, column = round(y), round(x)
        around = padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        if not around.any():
            return False
    return True


def _level_paper_rules(mask: Mask, ink: Floats) -> Mask:
    """Find several nearly horizontal lines, each across more than half of the width.

    Most are rules; pixels that are much darker than those are strokes.
    """
    width = mask.shape[1]
    thickened = ndimage.maximum_filter1d(mask, 3, axis=0)
    level_parts = ndimage.grey_opening(thickened, (1, width // 16))
    lines, _ = ndimage.label(level_parts, EIGHT_NEIGHBOURS)
    _, widths = blob_sizes(lines)
    long_lines = np.flatnonzero(widths > MIN_RULE * width)  # labels
    if len(long_lines) < 2:  # a single line may be the bar of a 7
        return np.zeros_like(mask)
    strengths = ndimage.median(ink, np.where(mask, lines, 0), long_lines)
    usual = np.quantile(strengths, 0.5, method="lower")  # a stroke may be on one of two lines
    is_pale = ink <= SAME_STRENGTH * usual
    crossing = ndimage.grey_opening(mask, (3 + max(mask.shape) // 80, 1))
    rules: Mask = np.isin(lines, long_lines) & is_pale & ~crossing
    return rules


# ---- strokes that cross lines


def _without_strokes(
    level: Sequence[Line], upright: Sequence[Line], mask: Mask, ink: Floats
) -> Mask:
    """Return the pixels of these lines, without strokes that cross them."""
    if not level and not upright:
        return np.zeros_like(mask)
    thickness = round(float(np.median([line.thickness for line in (*level, *upright)])))
    level_band = draw_lines(level, mask.shape)
    upright_band = draw_lines(upright, mask.shape)
    across_level = _crossing(mask & ~upright_band, level_band, thickness)
    across_upright = _crossing((mask & ~level_band).T, upright_band.T, thickness).T
    lines = mask & ((level_band & ~across_level) | (upright_band & ~across_upright))
    if not lines.any():
        return lines
    lines &= ink <= STROKE_STRENGTH * np.median(ink[lines])
    band = level_band | upright_band
    strokes = _without_crumbs(mask & ~lines, band, thickness)
    return mask & ~strokes & ~(_closed(strokes, thickness + 1) & band)


def _crossing(mask: Mask, band: Mask, thickness: int) -> Mask:
    """Find the pixels of horizontal lines with connected ink above and below."""
    from_above = _reached_from_above(mask, band, thickness)
    from_below = _reached_from_above(mask[::-1], band[::-1], thickness)[::-1]
    return from_above & from_below


def _reached_from_above(mask: Mask, band: Mask, thickness: int) -> Mask:
    reached = mask & ~band
    for _ in range(2 * thickness + 4):  # a band is at most this many pixels thick
        reached[1:] |= reached[:-1] & mask[1:]
    return reached


def _without_crumbs(strokes: Mask, band: Mask, thickness: int) -> Mask:
    """Remove the remains of the lines' edges."""
    near = ndimage.binary_dilation(band, EIGHT_NEIGHBOURS, iterations=max(1, thickness))
    labels, count = ndimage.label(strokes, EIGHT_NEIGHBOURS)
    shares = ndimage.mean(near, labels, np.arange(count + 1))
    is_narrow = np.minimum(*blob_sizes(labels)) <= thickness + 2
    is_crumb = is_narrow & (np.asarray(shares) > CRUMB)
    kept: Mask = strokes & ~is_crumb[labels]
    return kept


def _closed(strokes: Mask, reach: int) -> Mask:
    """Bridge gaps that are narrower than twice the reach: a closing with a disc."""
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = x**2 + y**2 <= reach**2 + 1
    padded = np.pad(strokes, reach)
    closed = ndimage.binary_closing(padded, disc)
    inside: Mask = closed[reach:-reach, reach:-reach]
    return inside
