"""Drawings made of strokes, with undo, eraser and storage, and their MNIST-like images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.errors import check_range
from mnist_nb.handwriting.preprocessing import (
    BOX,
    PEN_WIDTH,
    RASTER,
    EmptySketchError,
    Floats,
    Pixels,
    Steps,
    preparation_steps,
)
from mnist_nb.handwriting.raster import Sieve, discs, walk_sparsely

CANVAS = 280  # the default side of a canvas, in pixels
ERASER_GRID = 256  # cells along each side of the canvas, for marking erased places
MAX_POINTS = 100_000  # limits of a sketch, far more than a person draws
MAX_STROKES = 1_000
DENSE_POINTS = 5_000  # a sketch with more points keeps one per quarter of a pixel
QUARTERS = 4
STEPS_PER_ERASER = 8  # steps along an eraser's path, as a share of its width
DOT_EXTENT = 1 / 2  # a drawing with a smaller extent, in widths of its brush, is a dot


@dataclass(frozen=True, eq=False)
class Stroke:
    """A line of a brush or an eraser, in canvas pixels."""

    points: NDArray[np.float32]  # [point, (x, y)]
    width: float  # diameter of the brush or eraser
    erase: bool = False


class VisibleLine(NamedTuple):
    """The visible points of a stroke."""

    points: Floats  # [point, (x, y)], close to each other
    later_erasers: int  # the number of erasers after it


class Eraser(NamedTuple):
    """The path of an eraser."""

    points: Floats  # [point, (x, y)], close to each other
    width: float


class ErasedPlaces:
    """The cells of a grid over the canvas that erasers have passed.

    Args:
        size: width and height of the canvas.
    """

    def __init__(self, size: float) -> None:
        self._size = size
        self._scale = ERASER_GRID / size
        self._is_erased = np.zeros((ERASER_GRID, ERASER_GRID), np.bool_)  # [y, x]

    def __bool__(self) -> bool:
        return bool(self._is_erased.any())

    def add(self, stroke: Stroke, is_dense: bool) -> Eraser:
        """Add the path of an eraser, thinned if `is_dense`, and return it."""
        start, stop = _clip(stroke, self._size)
        points = _walk_eraser(stroke, start, stop, self._size, is_dense)
        radius = stroke.width / 2
        self._is_erased |= discs(points * self._scale, radius * self._scale, ERASER_GRID)
        return Eraser(points, stroke.width)

    def remove_from(self, points: Floats) -> Floats:
        """Return the points whose cells are not erased, for any pen that redraws their line."""
        cells = (points * self._scale).astype(np.int64).clip(0, ERASER_GRID - 1)
        x, y = cells.T
        kept: Floats = points[~self._is_erased[y, x]]
        return kept


class Sketch:
    """A drawing: strokes on a square canvas, each of which can be undone.

    Args:
        size: width and height of the canvas in pixels. Points outside are allowed, but their ink is
            not visible.
    """

    def __init__(self, size: float = CANVAS) -> None:
        if not (np.isfinite(size) and size > 0):
            raise ValueError(f"size must be a positive number of pixels, got {size!r}")
        self.size = float(size)
        self._states: list[tuple[Stroke, ...]] = [()]
        self._current = 0

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """The strokes on the canvas, oldest first."""
        return self._states[self._current]

    def __len__(self) -> int:
        return len(self.strokes)

    def __bool__(self) -> bool:
        """Return whether any ink is visible, so that `to_mnist` returns an image."""
        return bool(self._draw(PEN_WIDTH).any())

    def add_stroke(self, points: ArrayLike, width: float, erase: bool = False) -> None:
        """Draw a line, or erase along one. This clears the history of `redo`.

        Args:
            points: `[n, 2]`, n >= 1, canvas pixels, x right and y down.
            width: diameter of the brush (or eraser) in pixels.
            erase: remove ink of earlier strokes.

        Raises:
            ValueError: if points or width are invalid, or the sketch would have more than 100,000
                points or 1,000 strokes. The sketch is not changed.
        """
        path = as_points(points)
        count = len(path) + sum(len(stroke.points) for stroke in self.strokes)
        if count > MAX_POINTS or len(self.strokes) >= MAX_STROKES:
            raise ValueError(
                f"a sketch has at most {MAX_STROKES:,} strokes and {MAX_POINTS:,} points, this one "
                f"would have {len(self.strokes) + 1:,} and {count:,}: clear it first"
            )
        if not (np.isfinite(width) and width > 0):
            raise ValueError(f"width must be a positive number of pixels, got {width!r}")
        path.flags.writeable = False
        self._push((*self.strokes, Stroke(path, float(width), bool(erase))))

    def undo(self) -> bool:
        """Undo the last stroke or `clear`; return False if there is nothing to undo."""
        if self._current == 0:
            return False
        self._current -= 1
        return True

    def redo(self) -> bool:
        """Redo the last `undo`; return False if there is nothing to redo."""
        if self._current == len(self._states) - 1:
            return False
        self._current += 1
        return True

    def clear(self) -> None:
        """Remove all strokes from the canvas. `undo` restores them."""
        if self.strokes:
            self._push(())

    def copy(self) -> Sketch:
        """Return a copy of the sketch, including its history."""
        twin = Sketch(self.size)
        twin._states = list(self._states)
        twin._current = self._current
        return twin

    def _push(self, strokes: tuple[Stroke, ...]) -> None:
        self._states[self._current + 1 :] = [strokes]
        self._current += 1

    def to_mnist(self, pen_width: float = PEN_WIDTH) -> Pixels:
        """Return the drawing as an image like MNIST's: uint8 `[28, 28]`.

        The strokes are redrawn with the width of MNIST's pens, so that position, size and brush
        width of the drawing do not matter. An eraser keeps its own width.

        Args:
            pen_width: in pixels of the 20x20 box that the drawing fills, from 0.5 to 10.

        Raises:
            EmptySketchError: if no ink is visible.
            ValueError: if the pen width is out of range.
        """
        return self.preparation_steps(pen_width).centred

    def preparation_steps(self, pen_width: float = PEN_WIDTH) -> Steps:
        """Return the image of every step of `to_mnist`. Arguments and errors are the same."""
        check_range("pen_width", pen_width, 0.5, BOX // 2)
        ink = self._draw(float(pen_width))
        if not ink.any():
            raise EmptySketchError("there is no ink on the canvas: draw something first")
        return preparation_steps(ink)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the strokes as flat arrays to store; `from_arrays` recreates the sketch.

        Returns:
            "points" float32 `[total, 2]`; for each stroke its number of points "lengths" int64,
            "widths" float32 and "erase" uint8; "size" float32, of shape `[]`. Undone strokes are
            not included.
        """
        points = [np.empty((0, 2), np.float32)]
        points += [stroke.points for stroke in self.strokes]
        # larger values become infinite, which `from_arrays` rejects
        with np.errstate(over="ignore"):
            return {
                "points": np.concatenate(points),
                "lengths": np.array([len(stroke.points) for stroke in self.strokes], np.int64),
                "widths": np.array([stroke.width for stroke in self.strokes], np.float32),
                "erase": np.array([stroke.erase for stroke in self.strokes], np.uint8),
                "size": np.array(self.size, np.float32),
            }

    @classmethod
    def from_arrays(
        cls,
        points: ArrayLike,
        lengths: ArrayLike,
        widths: ArrayLike,
        erase: ArrayLike,
        size: float | NDArray[Any],
    ) -> Sketch:
        """Recreate a sketch from the result of `to_arrays`: `Sketch.from_arrays(**arrays)`.

        Raises:
            ValueError: if the arrays are inconsistent, or `add_stroke` rejects a stroke.
        """
        try:
            lengths = np.asarray(lengths)
            widths = np.asarray(widths).astype(float).reshape(lengths.shape)
            erase = np.asarray(erase).astype(bool).reshape(lengths.shape)
            paths = _split_points(np.asarray(points), lengths)
            sketch = cls(float(size))
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise ValueError(
                f"points, lengths, widths, erase and size do not fit together: {error}"
            ) from error
        # without strokes there is one empty path
        for path, width, is_eraser in zip(paths, widths, erase, strict=False):
            sketch.add_stroke(path, width, is_eraser)
        return sketch

    def _draw(self, pen_width: float) -> NDArray[np.bool_]:
        """Draw the visible ink with the given pen, 160 pixels along the longest side."""
        lines, erasers = visible_lines(self.strokes, self.size)
        if not lines:
            return np.zeros((RASTER, RASTER), np.bool_)
        widest = max(stroke.width for stroke in self.strokes if not stroke.erase)
        return ink_along(lines, erasers, widest, pen_width)


def as_points(points: ArrayLike) -> NDArray[np.float32]:
    """Return a copy of the points of a stroke as float32 `[n, 2]`, n >= 1.

    Raises:
        ValueError: if they have another shape or are not finite.
    """
    try:
        with np.errstate(over="ignore"):
            path = np.array(points, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"points must be numbers of shape [n, 2]: {error}") from None
    if path.ndim != 2 or path.shape[1] != 2 or not len(path):
        shape = list(path.shape)
        raise ValueError(f"points must have shape [n, 2] with n >= 1, got {shape}")
    is_finite = np.isfinite(path).all(axis=1)
    if not is_finite.all():
        bad = int(is_finite.argmin())
        raise ValueError(f"points must be finite, but point {bad} is {path[bad].tolist()}")
    return path


def _split_points(points: NDArray[Any], lengths: NDArray[Any]) -> list[NDArray[Any]]:
    if (lengths < 1).any() or lengths.sum() != len(points):
        raise ValueError(f"lengths {lengths.tolist()} must add up to {len(points)} points")
    ends = np.cumsum(lengths)
    return np.split(points, ends[:-1])


def visible_lines(
    strokes: tuple[Stroke, ...], size: float, erased: ErasedPlaces | None = None
) -> tuple[list[VisibleLine], list[Eraser]]:
    """Return the visible points of each stroke, and the erasers, latest first.

    Points off the canvas and erased points are omitted, as are strokes without visible points.

    Args:
        strokes: oldest first.
        size: width and height of the canvas.
        erased: places erased after these strokes. Those that the strokes erase are added.
    """
    segments = [_clip(stroke, size) for stroke in strokes]
    box = _ink_box(strokes, segments)
    if box is None:
        return [], []
    corner, extent = box
    spacing = extent / RASTER  # a pixel of the raster
    is_dense = sum(len(stroke.points) for stroke in strokes) > DENSE_POINTS
    line_sieve = (
        Sieve(corner, _drawn_side(strokes, extent), QUARTERS * RASTER) if is_dense else None
    )
    erased = ErasedPlaces(size) if erased is None else erased
    lines: list[VisibleLine] = []
    erasers: list[Eraser] = []
    for stroke, (start, stop) in zip(reversed(strokes), reversed(segments), strict=True):
        if stroke.erase:
            erasers.append(erased.add(stroke, is_dense))
            continue
        step = spacing / QUARTERS if erased else spacing
        points = erased.remove_from(walk_sparsely(start, stop, step, line_sieve))
        if len(points):
            lines.append(VisibleLine(points, len(erasers)))
    return lines, erasers


def _walk_eraser(
    stroke: Stroke, start: Floats, stop: Floats, size: float, is_dense: bool
) -> Floats:
    step = max(stroke.width / STEPS_PER_ERASER, size / ERASER_GRID)
    sieve = None
    if is_dense:
        margin = stroke.width / 2  # its middle may be this far off the canvas
        side = size + 2 * margin
        sieve = Sieve(np.full(2, -margin), side, math.ceil(QUARTERS * side / step))
    return walk_sparsely(start, stop, step, sieve)


def _drawn_side(strokes: tuple[Stroke, ...], extent: float) -> float:
    """Return the canvas pixels that the raster covers: it includes the brush of dots only."""
    brush = max(stroke.width for stroke in strokes if not stroke.erase)
    return extent + brush if extent < DOT_EXTENT * brush else extent


def _ink_box(
    strokes: tuple[Stroke, ...], segments: list[tuple[Floats, Floats]]
) -> tuple[Floats, float] | None:
    """Return the upper left corner `(x, y)` and the longer side of the ink; None if there is
    none."""
    ends = [np.empty((0, 2))]
    for stroke, start_and_stop in zip(strokes, segments, strict=True):
        if not stroke.erase:
            ends.extend(start_and_stop)
    all_ends = np.concatenate(ends)
    if not len(all_ends):
        return None
    return all_ends.min(axis=0), float(np.ptp(all_ends, axis=0).max())


def ink_along(
    lines: list[VisibleLine],
    erasers: list[Eraser],
    brush: float,
    pen_width: float = PEN_WIDTH,
) -> NDArray[np.bool_]:
    """Draw visible lines with a pen, 160 pixels along the longest side: bool `[160, 160]`.

    Args:
        lines, erasers: the result of `visible_lines`.
        brush: width of the widest brush of the lines, in canvas pixels, for the shape of a dot.
        pen_width: in pixels of the 20x20 box that the drawing fills.
    """
    points = np.concatenate([line.points for line in lines])
    corner = points.min(axis=0)
    extent = float((points - corner).max())
    if extent < DOT_EXTENT * brush:  # a dot has no lines to redraw, only the brush's shape
        scale = RASTER / (extent + brush)
        radius = scale * brush / 2
    else:
        radius = pen_width * RASTER / BOX / 2
        scale = (RASTER - 2 * radius) / extent
    ink = np.zeros((RASTER, RASTER), np.bool_)
    is_erased = np.zeros_like(ink)
    applied = 0
    for line in lines:
        for eraser in erasers[applied : line.later_erasers]:
            centres = (eraser.points - corner) * scale + radius
            is_erased |= discs(centres, eraser.width / 2 * scale, RASTER)
        applied = line.later_erasers
        centres = (line.points - corner) * scale + radius
        ink |= discs(centres, radius, RASTER) & ~is_erased
    return ink


def _clip(stroke: Stroke, size: float) -> tuple[Floats, Floats]:
    """Return the starts and ends of a stroke's segments, `[segment, (x, y)]`.

    Segments are cut where the whole brush leaves the canvas.
    """
    points = stroke.points.astype(np.float64)
    start, stop = points[:-1], points[1:]
    if len(points) == 1:
        start, stop = points, points
    low = -stroke.width / 2
    high = size + stroke.width / 2
    if low <= points.min() and points.max() <= high:
        return start, stop
    # where each segment enters and leaves on each axis, as a fraction of its length
    step = stop - start
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        at_low = (low - start) / step
        at_high = (high - start) / step
    enter = np.minimum(at_low, at_high)
    leave = np.maximum(at_low, at_high)
    # a segment without movement on an axis is inside always or never
    is_still = step == 0
    is_inside = (start >= low) & (start <= high)
    enter[is_still & is_inside] = -np.inf
    enter[is_still & ~is_inside] = np.inf
    leave[is_still] = np.inf
    enter = enter.max(axis=1, initial=0, keepdims=True)
    leave = leave.min(axis=1, initial=1, keepdims=True)
    is_seen = (enter <= leave)[:, 0]
    start, step = start[is_seen], step[is_seen]
    return start + enter[is_seen] * step, start + leave[is_seen] * step
