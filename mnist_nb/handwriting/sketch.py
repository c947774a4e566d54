"""Pen strokes: a drawing that can be undone, erased and stored, and the image that MNIST's makers
would make of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.data.arguments import Between, check_arguments
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
from mnist_nb.handwriting.raster import discs, walk

_GRID = 256  # the canvas is divided so finely to see what an eraser has met
_DOT = 1 / 8  # a drawing that moves by less than this part of its brush is a dot


@dataclass(frozen=True, eq=False)
class Stroke:
    """One line of a brush, or of an eraser: its points float32 `[n, 2]` and its diameter, in canvas
    pixels."""

    points: NDArray[np.float32]
    width: float
    erase: bool = False


class Sketch:
    """A drawing: the strokes on a square canvas, each of which can be taken back.

    Args:
        size: width and height of the canvas in pixels. Points outside are allowed; ink outside does
            not show.
    """

    @check_arguments
    def __init__(self, size: float = 280) -> None:
        if not (np.isfinite(size) and size > 0):
            raise ValueError(f"the size of a canvas is a positive number of pixels, not {size!r}")
        self.size = size
        self._states: list[tuple[Stroke, ...]] = [()]
        self._now = 0

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """The strokes on the canvas, oldest first."""
        return self._states[self._now]

    def __len__(self) -> int:
        return len(self.strokes)

    def __bool__(self) -> bool:
        """Whether any ink is to be seen, so that `to_mnist` gives an image."""
        return bool(self._draw(PEN_WIDTH).any())

    @check_arguments
    def add_stroke(self, points: ArrayLike, width: float, erase: bool = False) -> None:
        """Draw a line, or erase along one; what could be redone is forgotten.

        Args:
            points: `[n, 2]`, n >= 1, canvas pixels, x right and y down.
            width: diameter of the brush (or eraser) in pixels.
            erase: take away what earlier strokes drew.

        Raises:
            ValueError: for points of another shape or not finite, or a width not above 0; the
                sketch stays as it was.
        """
        path = as_points(points)
        if not (np.isfinite(width) and width > 0):
            raise ValueError(f"the width of a stroke is a positive number of pixels, not {width!r}")
        path.flags.writeable = False
        self._push((*self.strokes, Stroke(path, float(width), bool(erase))))

    def undo(self) -> bool:
        """Take back the last stroke or `clear`; False if there is nothing to take back."""
        self._now -= (possible := self._now > 0)
        return possible

    def redo(self) -> bool:
        """Bring back what the last `undo` took; False if there is nothing to bring back."""
        self._now += (possible := self._now + 1 < len(self._states))
        return possible

    def clear(self) -> None:
        """Take every stroke off the canvas; `undo` brings them back."""
        if self.strokes:
            self._push(())

    def copy(self) -> Sketch:
        """A sketch with the same strokes and the same history, which then goes its own way."""
        twin = Sketch(self.size)
        twin._states, twin._now = list(self._states), self._now
        return twin

    def _push(self, strokes: tuple[Stroke, ...]) -> None:
        self._states[self._now + 1 :] = [strokes]
        self._now += 1

    def to_mnist(self, pen_width: float = PEN_WIDTH) -> Pixels:
        """The drawing as MNIST's makers would have made it: uint8 `[28, 28]`.

        The strokes are drawn anew with the width of MNIST's pens, so that place and size of the
        drawing and the width of its brush do not matter; an eraser keeps its own width.

        Args:
            pen_width: in pixels of the 20x20 box that the drawing fills, above 0 and below 20.

        Raises:
            EmptySketchError: if no ink is on the canvas.
            ValueError: for a pen width out of range.
        """
        return self.preparation_steps(pen_width).centred

    @check_arguments
    def preparation_steps(
        self, pen_width: Annotated[float, Between(0.5, BOX / 2)] = PEN_WIDTH
    ) -> Steps:
        """Every image on the way to `to_mnist`; arguments and errors are the same."""
        ink = self._draw(float(pen_width))
        if not ink.any():
            raise EmptySketchError("there is no ink on the canvas: draw something first")
        return preparation_steps(ink)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The strokes as flat arrays, to be stored: `from_arrays` makes the sketch again.

        Returns:
            "points" float32 `[total, 2]`; for each stroke its number of points "lengths" int64,
            "widths" float32 and "erase" uint8; "size" float32, of shape `[]`. What was undone is
            not among them.
        """
        points = [stroke.points for stroke in self.strokes]
        with np.errstate(
            over="ignore"
        ):  # what is too large becomes infinite, which `from_arrays` refuses
            return {
                "points": np.concatenate([np.empty((0, 2), np.float32), *points]),
                "lengths": np.array([len(path) for path in points], np.int64),
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
        """The sketch whose `to_arrays` these are: `Sketch.from_arrays(**arrays)`.

        Raises:
            ValueError: if they do not fit together, or hold what `add_stroke` refuses.
        """
        try:
            points, lengths, widths, erase = (
                np.asarray(array) for array in (points, lengths, widths, erase)
            )
            if (
                not len(lengths) == len(widths) == len(erase)
                or (lengths < 1).any()
                or lengths.sum() != len(points)
            ):
                raise ValueError(
                    f"there are {len(points)}, {len(lengths)}, {len(widths)} and {len(erase)} of them"
                )
            sketch = cls(float(size))
            widths, erase = (
                widths.astype(float).reshape(lengths.shape),
                erase.astype(bool).reshape(lengths.shape),
            )
            paths = np.split(points, np.cumsum(lengths)[:-1])
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise ValueError(
                f"points, lengths, widths, erase and size do not fit together: {error}"
            ) from error
        for path, width, rubs in zip(paths, widths, erase, strict=False):
            sketch.add_stroke(path, float(width), bool(rubs))
        return sketch

    def _draw(self, pen_width: float) -> NDArray[np.bool_]:
        """The visible ink drawn with the given pen, 160 pixels along the longest side: bool `[160,
        160]`."""
        lines, erasers = visible_lines(self.strokes, self.size)
        if not lines:
            return np.zeros((RASTER, RASTER), np.bool_)
        return ink_along(
            lines,
            erasers,
            max(stroke.width for stroke in self.strokes if not stroke.erase),
            pen_width,
        )


def as_points(points: ArrayLike) -> NDArray[np.float32]:
    """The points of a stroke as an array of its own, float32 `[n, 2]`, n >= 1.

    Raises:
        ValueError: for another shape, or numbers that are not finite.
    """
    try:
        with np.errstate(over="ignore"):
            path = np.array(points, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the points of a stroke are numbers of shape [n, 2]: {error}") from None
    if path.ndim != 2 or path.shape[1] != 2 or not len(path):
        raise ValueError(
            f"the points of a stroke have shape [n, 2] with n >= 1, not {list(path.shape)}"
        )
    if not np.isfinite(path).all():
        bad = int(np.flatnonzero(~np.isfinite(path).all(axis=1))[0])
        raise ValueError(
            f"the points of a stroke are finite numbers, but point {bad} is {path[bad].tolist()}"
        )
    return path


def visible_lines(
    strokes: tuple[Stroke, ...], size: float
) -> tuple[list[tuple[Floats, int]], list[tuple[Floats, float]]]:
    """Lines of ink and erasers as close points `[n, 2]`, latest first, without what lies off the
    canvas or was erased.

    With a line comes the number of erasers that are later than it, with an eraser its width.
    """
    paths = [(stroke, *_clip(stroke, size)) for stroke in strokes]
    ends = np.concatenate(
        [np.empty((0, 2)), *(end for stroke, *ends in paths if not stroke.erase for end in ends)]
    )
    if not len(ends):
        return [], []
    spacing = float(np.ptp(ends, axis=0).max()) / RASTER
    grid = _GRID / size
    gone = np.zeros((_GRID, _GRID), np.bool_)
    lines: list[tuple[Floats, int]] = []
    erasers: list[tuple[Floats, float]] = []
    for stroke, start, stop in reversed(paths):
        if stroke.erase:
            points = walk(start, stop, max(stroke.width / 8, 1 / grid))
            erasers.append((points, stroke.width))
            gone = gone | discs(points * grid, stroke.width / 2 * grid, _GRID)
            continue
        points = walk(start, stop, spacing / 4 if gone.any() else spacing)
        if erasers:  # a line without its middle is gone, however wide the pen that will redraw it
            cells = (points * grid).astype(np.int64).clip(0, _GRID - 1)
            points = points[~gone[cells[:, 1], cells[:, 0]]]
        if len(points):
            lines.append((points, len(erasers)))
    return lines, erasers


def ink_along(
    lines: list[tuple[Floats, int]],
    erasers: list[tuple[Floats, float]],
    brush: float,
    pen_width: float = PEN_WIDTH,
) -> NDArray[np.bool_]:
    """What `visible_lines` gave, drawn with a pen, 160 pixels along the longest side: bool `[160,
    160]`.

    Args:
        brush: the widest one that drew the lines, in canvas pixels; a dot keeps its shape.
        pen_width: in pixels of the 20x20 box that the drawing fills.
    """
    points = np.concatenate([points for points, _ in lines])
    corner = points.min(axis=0)
    extent = float((points - corner).max())
    if extent < _DOT * brush:  # there is no shape to fit the pen to, only the brush's
        scale = RASTER / (extent + brush)
        radius = scale * brush / 2
    else:
        radius = pen_width * RASTER / BOX / 2
        scale = (RASTER - 2 * radius) / extent
    ink = gone = np.zeros((RASTER, RASTER), np.bool_)
    done = 0
    for count, group in groupby(lines, key=itemgetter(1)):
        for points, width in erasers[done:count]:
            gone = gone | discs((points - corner) * scale + radius, width / 2 * scale, RASTER)
        done = count
        points = np.concatenate([points for points, _ in group])
        ink = ink | (discs((points - corner) * scale + radius, radius, RASTER) & ~gone)
    return ink


def _clip(stroke: Stroke, size: float) -> tuple[Floats, Floats]:
    """Starts and ends `[m, 2]` of a stroke's straight pieces, cut where the brush leaves the canvas
    altogether."""
    points = stroke.points.astype(np.float64)
    start, stop = (points, points) if len(points) == 1 else (points[:-1], points[1:])
    low, high = -stroke.width / 2, size + stroke.width / 2
    if low <= points.min() and points.max() <= high:
        return start, stop
    step = stop - start
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bounds = np.sort([(low - start) / step, (high - start) / step], axis=0)
    within = np.where(
        (start >= low) & (start <= high), -np.inf, np.inf
    )  # for pieces that do not move on this axis
    enter = np.where(step == 0, within, bounds[0]).max(axis=1, initial=0, keepdims=True)
    leave = np.where(step == 0, np.inf, bounds[1]).min(axis=1, initial=1, keepdims=True)
    seen = (enter <= leave)[:, 0]
    return start[seen] + enter[seen] * step[seen], start[seen] + leave[seen] * step[seen]
