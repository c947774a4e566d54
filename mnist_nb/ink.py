"""From ink to the image that MNIST's makers would have made of it: a drawing, a photo or a file in, 28x28 pixels out.

The five steps are those of C. Yadav and L. Bottou, "Cold Case: The Lost MNIST Digits" (2019), who rebuilt MNIST from
its sources.
"""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageFilter, ImageOps

SIDE = 28
BOX = 20  # the longest side of a digit's ink in MNIST
PEN_WIDTH = 2.5  # of MNIST's pens, in pixels of the 20x20 box
_RASTER = 8 * BOX  # a drawing is first inked this many pixels high or wide, in black and white like MNIST's sources
_PHOTO = 512  # a picture's sides are reduced to this
_COARSE = 56  # the light on the paper is found in a picture of this side
_MOST_PIXELS = 90_000_000
_THIN = 1.0  # pixels of the 20x20 box; thinner lines are not in MNIST
_GRID = 256  # the canvas is divided so finely to see what an eraser has met
_DOT = 1 / 8  # a drawing that moves by less than this part of its brush is a dot

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]


class EmptySketchError(ValueError):
    """There is no ink to make an image of."""


class Steps(NamedTuple):
    """What each of MNIST's five steps makes of a grey image; the last is the result."""

    cropped: Floats  # [h, w], the bounding box of the ink
    square: Floats  # [side, side], side = max(h, w, 10)
    resampled: Floats  # [20, 20], the same ink, averaged over areas
    scaled: Pixels  # [20, 20], peak 255
    centred: Pixels  # [28, 28], the centre of mass at pixel 14


def preparation_steps(grey: ArrayLike) -> Steps:
    """MNIST's preparation of a grey image `[H, W]`, ink bright on 0, with every image in between.

    1. Crop to the ink, whatever is above 0. 2. Pad to a square of side max(h, w, 10). 3. Resample to 20x20 by area
    coverage: a pixel is a small square, so a box under 20 needs no doubling first. 4. Scale so that the peak is 255 and
    round; ink never rounds to 0. 5. Paste into 28x28, moved by whole pixels so that the centre of mass comes to lie in
    (13.5, 14.5] on both axes; ink is never cut off, so a lopsided drawing may stop at the border short of that.

    Raises:
        ValueError: if `grey` has another shape, or values that are negative or not finite.
        EmptySketchError: if nothing in it is above 0.
    """
    image = np.asarray(grey, dtype=np.float64)
    if image.ndim != 2:
        raise ValueError(f"expected a grey image of shape [height, width], got shape {list(image.shape)}")
    if not np.isfinite(image).all() or (image < 0).any():
        raise ValueError("a grey image holds finite values from 0 (no ink) up, but this one holds others")
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if not len(rows):
        raise EmptySketchError("there is no ink in this image: nothing in it is above 0")
    cropped = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = cropped.shape
    side = max(height, width, 10)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.pad(cropped, ((top, side - height - top), (left, side - width - left)))
    coverage = _coverage(side)
    resampled = coverage @ square @ coverage.T
    scaled = np.rint(resampled * (255 / resampled.max()))
    scaled = np.where(resampled > 0, np.maximum(scaled, 1), 0).astype(np.uint8)
    centred = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _shift(scaled.sum(axis=1)), _shift(scaled.sum(axis=0))
    inside = np.s_[max(0, -top) : SIDE - top, max(0, -left) : SIDE - left]
    centred[max(0, top) : top + BOX, max(0, left) : left + BOX] = scaled[inside]
    return Steps(cropped, square, resampled, scaled, centred)


def prepare(grey: ArrayLike) -> Pixels:
    """The 28x28 uint8 image that MNIST's makers would have made of a grey image `[H, W]`, ink bright on 0.

    Raises:
        ValueError, EmptySketchError: as `preparation_steps`, which shows the images in between.
    """
    return preparation_steps(grey).centred


def _coverage(side: int) -> Floats:
    """Matrix `[20, side]`: which part of each of 20 equal stretches each of `side` pixels covers."""
    edges = np.arange(BOX + 1)[:, None] * (side / BOX)
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    covered: Floats = overlap.clip(0) * (BOX / side)
    return covered


def _shift(profile: NDArray[Any]) -> int:
    """How far to move 20 rows (or columns) of the given ink to bring their centre of mass to index 14."""
    inked = np.flatnonzero(profile)
    shift = int(np.floor(14.5 - (profile @ np.arange(BOX)) / profile.sum()))
    return int(np.clip(shift, -inked[0], SIDE - 1 - inked[-1]))


@dataclass(frozen=True, eq=False)
class Stroke:
    """One line of a brush, or of an eraser: its points float32 `[n, 2]` and its diameter, in canvas pixels."""

    points: NDArray[np.float32]
    width: float
    erase: bool = False


class Sketch:
    """A drawing: the strokes on a square canvas, each of which can be taken back.

    Args:
        size: width and height of the canvas in pixels. Points outside are allowed; ink outside does not show.
    """

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
        try:
            return bool(self._draw(PEN_WIDTH).any())
        except EmptySketchError:
            return False

    def add_stroke(self, points: ArrayLike, width: float, erase: bool = False) -> None:
        """Draw a line, or erase along one; what could be redone is forgotten.

        Args:
            points: `[n, 2]`, n >= 1, canvas pixels, x right and y down.
            width: diameter of the brush (or eraser) in pixels.
            erase: take away what earlier strokes drew.

        Raises:
            ValueError: for points of another shape or not finite, or a width not above 0; the sketch stays as it was.
        """
        try:
            with np.errstate(over="ignore"):
                path = np.array(points, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the points of a stroke are numbers of shape [n, 2]: {error}") from None
        if path.ndim != 2 or path.shape[1] != 2 or not len(path):
            raise ValueError(f"the points of a stroke have shape [n, 2] with n >= 1, not {list(path.shape)}")
        if not np.isfinite(path).all():
            bad = int(np.flatnonzero(~np.isfinite(path).all(axis=1))[0])
            raise ValueError(f"the points of a stroke are finite numbers, but point {bad} is {path[bad].tolist()}")
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

        The strokes are drawn anew with the width of MNIST's pens, so that place and size of the drawing and the width
        of its brush do not matter; an eraser keeps its own width.

        Args:
            pen_width: in pixels of the 20x20 box that the drawing fills, above 0 and below 20.

        Raises:
            EmptySketchError: if no ink is on the canvas.
            ValueError: for a pen width out of range.
        """
        return self.preparation_steps(pen_width).centred

    def preparation_steps(self, pen_width: float = PEN_WIDTH) -> Steps:
        """Every image on the way to `to_mnist`; arguments and errors are the same."""
        if not 0.5 <= pen_width <= BOX / 2:
            raise ValueError(f"the width of the pen lies between 0.5 and {BOX / 2:g} pixels, not {pen_width!r}")
        return preparation_steps(self._draw(pen_width))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The strokes as flat arrays, to be stored: `from_arrays` makes the sketch again.

        Returns:
            "points" float32 `[total, 2]`; for each stroke its number of points "lengths" int64, "widths" float32 and
            "erase" uint8; "size" float32, of shape `[]`. What was undone is not among them.
        """
        points = [stroke.points for stroke in self.strokes]
        return {
            "points": np.concatenate([np.empty((0, 2), np.float32), *points]),
            "lengths": np.array([len(path) for path in points], np.int64),
            "widths": np.array([stroke.width for stroke in self.strokes], np.float32),
            "erase": np.array([stroke.erase for stroke in self.strokes], np.uint8),
            "size": np.array(self.size, np.float32),
        }

    @classmethod
    def from_arrays(
        cls, points: ArrayLike, lengths: ArrayLike, widths: ArrayLike, erase: ArrayLike, size: float
    ) -> Sketch:
        """The sketch whose `to_arrays` these are: `Sketch.from_arrays(**arrays)`.

        Raises:
            ValueError: if they do not fit together, or hold what `add_stroke` refuses.
        """
        points, lengths, widths, erase = (np.asarray(array) for array in (points, lengths, widths, erase))
        if not len(lengths) == len(widths) == len(erase) or (lengths < 1).any() or lengths.sum() != len(points):
            raise ValueError(
                f"these strokes do not fit together: {len(points)} points, lengths {lengths.tolist()}, "
                f"{len(widths)} widths, {len(erase)} erase flags"
            )
        sketch = cls(float(size))
        for path, width, rubs in zip(np.split(points, np.cumsum(lengths)[:-1]), widths, erase, strict=False):
            sketch.add_stroke(path, float(width), bool(rubs))
        return sketch

    def _draw(self, pen_width: float) -> NDArray[np.bool_]:
        """The visible ink drawn with the given pen, 160 pixels along the longest side: bool `[160, 160]`."""
        lines, erasers = _visible_lines(self.strokes, self.size)
        if not lines:
            raise EmptySketchError("there is no ink on the canvas: draw something first")
        points = np.concatenate([points for points, _ in lines])
        corner = points.min(axis=0)
        extent = float((points - corner).max())
        brush = max(stroke.width for stroke in self.strokes if not stroke.erase)
        if extent < _DOT * brush:  # there is no shape to fit the pen to, only the brush's
            scale = _RASTER / (extent + brush)
            radius = scale * brush / 2
        else:
            radius = pen_width * _RASTER / BOX / 2
            scale = (_RASTER - 2 * radius) / extent
        ink = gone = np.zeros((_RASTER, _RASTER), np.bool_)
        done = 0
        for count, group in groupby(lines, key=itemgetter(1)):
            for points, width in erasers[done:count]:
                gone = gone | _discs((points - corner) * scale + radius, width / 2 * scale, _RASTER)
            done = count
            points = np.concatenate([points for points, _ in group])
            ink = ink | (_discs((points - corner) * scale + radius, radius, _RASTER) & ~gone)
        if not ink.any():
            raise EmptySketchError("there is no ink left on the canvas: draw something first")
        return ink


def _visible_lines(
    strokes: tuple[Stroke, ...], size: float
) -> tuple[list[tuple[Floats, int]], list[tuple[Floats, float]]]:
    """Lines of ink and erasers as close points `[n, 2]`, latest first, without what lies off the canvas or was erased.

    With a line comes the number of erasers that are later than it, with an eraser its width.
    """
    paths = [(stroke, *_clip(stroke, size)) for stroke in strokes]
    ends = np.concatenate([np.empty((0, 2)), *(end for stroke, *ends in paths if not stroke.erase for end in ends)])
    if not len(ends):
        return [], []
    spacing = float(np.ptp(ends, axis=0).max()) / _RASTER
    grid = _GRID / size
    gone = np.zeros((_GRID, _GRID), np.bool_)
    lines: list[tuple[Floats, int]] = []
    erasers: list[tuple[Floats, float]] = []
    for stroke, start, stop in reversed(paths):
        if stroke.erase:
            points = _walk(start, stop, max(stroke.width / 8, 1 / grid))
            erasers.append((points, stroke.width))
            gone = gone | _discs(points * grid, stroke.width / 2 * grid, _GRID)
            continue
        points = _walk(start, stop, spacing / 4 if gone.any() else spacing)
        if erasers:  # a line without its middle is gone, however wide the pen that will redraw it
            cells = (points * grid).astype(np.int64).clip(0, _GRID - 1)
            points = points[~gone[cells[:, 1], cells[:, 0]]]
        if len(points):
            lines.append((points, len(erasers)))
    return lines, erasers


def _clip(stroke: Stroke, size: float) -> tuple[Floats, Floats]:
    """Starts and ends `[m, 2]` of a stroke's straight pieces, cut where the brush leaves the canvas altogether."""
    points = stroke.points.astype(np.float64)
    start, stop = (points, points) if len(points) == 1 else (points[:-1], points[1:])
    low, high = -stroke.width / 2, size + stroke.width / 2
    if low <= points.min() and points.max() <= high:
        return start, stop
    step = stop - start
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bounds = np.sort([(low - start) / step, (high - start) / step], axis=0)
    within = np.where((start >= low) & (start <= high), -np.inf, np.inf)  # for pieces that do not move on this axis
    enter = np.where(step == 0, within, bounds[0]).max(axis=1, initial=0, keepdims=True)
    leave = np.where(step == 0, np.inf, bounds[1]).min(axis=1, initial=1, keepdims=True)
    seen = (enter <= leave)[:, 0]
    return start[seen] + enter[seen] * step[seen], start[seen] + leave[seen] * step[seen]


def _walk(start: Floats, stop: Floats, spacing: float) -> Floats:
    """Points along straight pieces `[m, 2]`, both ends of each among them, no further apart than `spacing`."""
    length = np.hypot(*(stop - start).T)
    count = np.ceil(length / spacing).astype(np.int64) + 1 if spacing > 0 else np.ones(len(start), np.int64)
    index = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    part = index / np.repeat(np.maximum(count - 1, 1), count)
    points: Floats = np.repeat(start, count, axis=0) + part[:, None] * np.repeat(stop - start, count, axis=0)
    return points


def _discs(centres: Floats, radius: float, side: int) -> NDArray[np.bool_]:
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


def from_image(source: Image.Image | str | os.PathLike[str] | bytes | BinaryIO | ArrayLike) -> Pixels:
    """A digit in a picture of any size, prepared as MNIST's makers did: uint8 `[28, 28]`.

    Dark on light or light on dark, which the border decides; a photo's uneven light and its grain are taken out, and
    lines thinner than any of MNIST's are thickened to its pens. The picture should show one digit and little else.

    Args:
        source: a Pillow image, the path, the bytes or the open file of one, or an array `[H, W]`, `[H, W, 3]` or
            `[H, W, 4]` with values in 0..255, or floats in 0..1.

    Raises:
        EmptySketchError: if the picture is blank.
        ValueError: if it is no picture, or one of more than 90 million pixels.
    """
    return prepare(_thicken(_find_ink(_grey(source))))


def _grey(source: Any) -> Floats:
    """A picture as grey values `[H, W]` in 0..255, neither side over 512."""
    try:
        if isinstance(source, Image.Image):
            picture = source
        elif isinstance(source, str | os.PathLike | bytes | bytearray) or hasattr(source, "read"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
                picture = Image.open(io.BytesIO(source) if isinstance(source, bytes | bytearray) else source)
            picture.draft("RGB", (2 * _PHOTO, 2 * _PHOTO))  # a JPEG file is decoded at about the size that is needed
        else:
            picture = _from_array(np.asarray(source))
        if not 0 < picture.width * picture.height <= _MOST_PIXELS:
            raise ValueError(
                f"a picture of {picture.width} x {picture.height} pixels cannot be read here: "
                f"expected at least one pixel and {_MOST_PIXELS // 10**6} million at most"
            )
        picture = ImageOps.exif_transpose(picture)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"this is no picture that can be read ({error}): choose a PNG or JPEG file") from error
    if picture.mode.startswith(("I", "F")):  # converting these to 8 bits would cut them off at 255
        values = np.array(picture, np.float64)
        picture = _from_array(values / max(1.0, float(values.max())))
    if picture.has_transparency_data:
        colours = picture.convert("RGBA")
        grey, opacity = (np.array(channel) for channel in (colours.convert("L"), colours.getchannel("A")))
        light = opacity.any() and np.average(grey, weights=opacity) > 127
        paper = Image.new("RGBA", colours.size, "black" if light else "white")
        picture = Image.alpha_composite(paper, colours)
    picture = picture.convert("L")
    picture.thumbnail((_PHOTO, _PHOTO), Image.Resampling.BOX)
    return np.asarray(picture, np.float64)


def _from_array(array: NDArray[Any]) -> Image.Image:
    """A Pillow image of an array of pixels."""
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)) or array.dtype.kind not in "buif":
        raise ValueError(
            f"expected a picture as an array [H, W], [H, W, 3] or [H, W, 4], got {array.dtype} {list(array.shape)}"
        )
    if array.size and not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 255):
        raise ValueError("expected an array of pixels in 0..255, or floats in 0..1, but some lie outside")
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and array.max(initial=0) <= 1):
        array = array * 255.0
    return Image.fromarray(np.rint(array).astype(np.uint8))


def _find_ink(grey: Floats) -> Floats:
    """Ink `[H, W]` in 0..1 on paper at exactly 0, from grey values in which either may be the darker one.

    The paper's light is a quadratic surface, fitted first to the border, then to all that lies close to it.
    """
    small = np.asarray(Image.fromarray(grey).resize((_COARSE, _COARSE), Image.Resampling.BOX))
    rim = np.ones(small.shape, np.bool_)
    rim[2:-2, 2:-2] = False
    paper = rim
    for step in range(8):
        light = np.linalg.lstsq(_surface(*small.shape)[paper.ravel()], small[paper], rcond=None)[0]
        off = np.abs(small - (_surface(*small.shape) @ light).reshape(small.shape))
        close = off <= max(4 * float(np.median(off[paper])), 2)
        paper = close & rim if step < 3 else close
    ink = grey - (_surface(*grey.shape) @ light).reshape(grey.shape)
    grain = 1.5 * float(np.median(np.abs(ink)))  # of the paper, which is most of the picture: its standard deviation
    if (ink**3).sum() < 0:
        ink = -ink
    full = float(np.quantile(ink[ink >= ink.max() / 2], 0.5))
    if full < max(10, 6 * grain):
        raise EmptySketchError("there is no digit in this picture: nothing in it stands out from its background")
    if grain <= 0.5:  # drawn by a program, or one of MNIST's own: its soft edges are right as they are
        return np.where(ink > 0.5, ink, 0).clip(0, 255) / 255
    ink = np.where(ink > max(5 * grain, 0.4 * full), ink, 0).clip(0, full) / full
    spread = ImageFilter.BoxBlur(max(ink.shape) / 40)
    around = np.asarray(Image.fromarray(np.rint(255 * ink).astype(np.uint8)).filter(spread))
    return np.where(around > around.max() / 12, ink, 0)  # specks have little ink around them


def _surface(height: int, width: int) -> Floats:
    """The terms of a quadratic surface at each pixel, `[height * width, 6]`."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].reshape(2, -1)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _thicken(ink: Floats) -> Floats:
    """Ink `[H, W]` drawn with MNIST's pen if its lines are thinner than MNIST's ever are."""
    rows, columns = np.nonzero(ink)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    solid = np.pad(ink >= ink.max() / 2, 1)
    outline = np.count_nonzero(np.diff(solid, axis=0)) + np.count_nonzero(np.diff(solid, axis=1))
    thickness = 2 * (4 / np.pi) * solid.sum() / outline * BOX / side  # 4/pi: the outline is measured along the axes
    if thickness >= _THIN:
        return ink
    radius = (PEN_WIDTH - thickness) / 2 * _RASTER / BOX
    centres = (np.stack([columns - columns.min(), rows - rows.min()], axis=1) + 0.5) * (_RASTER / side) + radius
    return _discs(centres, radius, _RASTER + 2 * int(np.ceil(radius))).astype(np.float64)
