"""The pieces of a number's digits: strokes of a sketch, or connected ink of a picture, cut where
digits may touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol, TypeVar

import numpy as np

from mnist_nb.handwriting.cuts import cut_apart, paint
from mnist_nb.handwriting.pictures import thicken
from mnist_nb.handwriting.preprocessing import (
    EIGHT_NEIGHBOURS,
    Floats,
    Integers,
    Pixels,
    prepare,
)
from mnist_nb.handwriting.sketch import (
    DENSE_POINTS,
    ErasedPlaces,
    Sketch,
    Stroke,
    VisibleLine,
    ink_along,
    visible_lines,
)

STEPS_PER_EXTENT = 20  # a stroke's points are closer than this share of its extent
MAX_PIECES = 400  # of a number

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, eq=False)
class Piece:
    """A stroke or connected ink.

    Attributes:
        points: points on it, float64 `[point, (x, y)]`, x right and y down.
    """

    points: Floats

    @cached_property
    def box(self) -> Box:
        """The bounding box of the points."""
        left, top = self.points.min(axis=0).tolist()
        right, bottom = self.points.max(axis=0).tolist()
        return left, top, right, bottom


@dataclass(frozen=True, eq=False)
class StrokePiece(Piece):
    """A visible part of a stroke, with the width of its brush."""

    width: float

    @cached_property
    def key(self) -> tuple[bytes, float]:
        """The content in a hashable form."""
        return self.points.tobytes(), self.width

    def to_stroke(self) -> Stroke:
        """The stroke that draws this piece."""
        return Stroke(self.points.astype(np.float32), self.width)


@dataclass(frozen=True, eq=False)
class InkPiece(Piece):
    """Ink of a picture.

    Attributes:
        pixels: columns and rows of its pixels, int64 `[pixel, (x, y)]`.
        strengths: the ink of the pixels, float64 `[pixel]`.
        blob: the number of the connected ink from which it comes.
    """

    pixels: Integers
    strengths: Floats
    blob: int


def enclosing_box(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around these boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def longer_side(box: Box) -> float:
    """Return the longer side of a box."""
    left, top, right, bottom = box
    return max(right - left, bottom - top)


class HasBox(Protocol):
    """Anything with a bounding box."""

    @property
    def box(self) -> Box:
        """The bounding box."""


Item = TypeVar("Item", bound=HasBox)


def without_small(items: Sequence[Item], smallest: float) -> list[Item]:
    """Keep the items whose longer side is at least this long, or the largest if none is."""
    sizes = [longer_side(item.box) for item in items]
    limit = min(smallest, max(sizes))
    return [item for item, size in zip(items, sizes, strict=True) if size >= limit]


def check_piece_count(pieces: Sequence[Piece]) -> None:
    """Raise ValueError if there are too many pieces for a number."""
    if len(pieces) > MAX_PIECES:
        raise ValueError(
            f"there are {len(pieces)} pieces of ink here, but a number has at most {MAX_PIECES}"
        )


# ---- finding pieces


def stroke_pieces(sketch: Sketch) -> list[Piece]:
    """Find the visible parts of each stroke. An eraser may leave several."""
    pieces: list[Piece] = []
    erased = ErasedPlaces(sketch.size)
    for stroke in reversed(sketch.strokes):
        if stroke.erase:
            erased.add(stroke, is_dense=len(stroke.points) > DENSE_POINTS)
            continue
        parts: list[Piece] = []
        lines, _ = visible_lines((stroke,), sketch.size, erased)
        for line in lines:
            for part in _split_at_jumps(line.points, stroke.width):
                parts.append(StrokePiece(part, stroke.width))
        pieces = parts + pieces
    return pieces


def _split_at_jumps(points: Floats, width: float) -> list[Floats]:
    """Split a line between consecutive points that are farther apart than the brush's width."""
    steps = np.diff(points, axis=0)
    lengths = np.sqrt((steps**2).sum(axis=1))
    extent = np.ptp(points, axis=0).max()
    is_jump = lengths > max(width, extent / STEPS_PER_EXTENT)
    return np.split(points, np.flatnonzero(is_jump) + 1)


def ink_pieces(ink: Floats) -> list[Piece]:
    """Find connected ink in a picture `[H, W]`, and cut it where digits may touch."""
    pieces: list[Piece] = []
    for blob, pixels in enumerate(_connected_pixels(ink)):
        columns, rows = pixels.T
        strengths = ink[rows, columns]
        for part in cut_apart(pixels, strengths):
            centres = pixels[part].astype(np.float64) + 0.5
            pieces.append(InkPiece(centres, pixels[part], strengths[part], blob))
    return pieces


def join_low(pieces: Sequence[InkPiece], lowest: float) -> list[InkPiece]:
    """Join the parts of connected ink again where it is too low for touching digits."""
    joined = []
    for parts in by_blob(pieces).values():
        _, top, _, bottom = enclosing_box([part.box for part in parts])
        if bottom - top >= lowest:
            joined += parts
        else:
            joined.append(_join(parts))
    return joined


def by_blob(pieces: Sequence[InkPiece]) -> dict[int, list[InkPiece]]:
    """Return the pieces of each blob of connected ink."""
    blobs: dict[int, list[InkPiece]] = {}
    for piece in pieces:
        blobs.setdefault(piece.blob, []).append(piece)
    return blobs


def _join(parts: Sequence[InkPiece]) -> InkPiece:
    return InkPiece(
        points=np.concatenate([part.points for part in parts]),
        pixels=np.concatenate([part.pixels for part in parts]),
        strengths=np.concatenate([part.strengths for part in parts]),
        blob=parts[0].blob,
    )


def _connected_pixels(ink: Floats) -> list[Integers]:
    """Return the columns and rows of the pixels of each blob of connected ink."""
    from scipy import ndimage  # imported late: it is slow, and drawings do not need it

    labels, _ = ndimage.label(ink > 0, EIGHT_NEIGHBOURS)
    blobs = []
    for label, place in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = np.nonzero(labels[place] == label)
        top, left = place[0].start, place[1].start
        blobs.append(np.stack([columns + left, rows + top], axis=1))
    return blobs


# ---- drawing pieces


def draw_pieces(pieces: Sequence[Piece], stretch: float = 1, slant: float = 0) -> Pixels:
    """Draw pieces of one source as an image for a network, uint8 `[28, 28]`.

    Args:
        pieces: strokes, or ink of one picture.
        stretch: their width is multiplied by this.
        slant: x per y, added to each point.
    """
    strokes = [piece for piece in pieces if isinstance(piece, StrokePiece)]
    if strokes:
        return _draw_lines(tuple(stroke.key for stroke in strokes), stretch, slant)
    return _draw_ink([piece for piece in pieces if isinstance(piece, InkPiece)], stretch, slant)


@lru_cache(1000)  # most groups do not change between two strokes
def _draw_lines(lines: tuple[tuple[bytes, float], ...], stretch: float, slant: float) -> Pixels:
    form = np.array([[stretch, 0], [slant, 1]])
    paths, widths = [], []
    for content, width in lines:
        points = np.frombuffer(content).reshape(-1, 2)
        paths.append(VisibleLine(points @ form, later_erasers=0))
        widths.append(width)
    return prepare(ink_along(paths, [], max(widths)))


def _draw_ink(pieces: Sequence[InkPiece], stretch: float, slant: float) -> Pixels:
    whole = _join(pieces)
    ink = paint(whole.pixels, whole.strengths)
    if stretch != 1 or slant != 0:
        ink = _stretch_and_slant(ink, stretch, slant)
    return prepare(thicken(ink))


def _stretch_and_slant(ink: Floats, stretch: float, slant: float) -> Floats:
    """Return ink `[H, W]` in another form: new x = stretch * x + slant * y, moved to begin at 0."""
    from scipy import ndimage  # imported late: it is slow, and drawings do not need it

    height, width = ink.shape
    new_width = int(np.ceil(stretch * width + abs(slant) * height))
    old_from_new = np.array([[1, 0], [-slant / stretch, 1 / stretch]])  # of (y, x)
    old_at_origin = (0, min(slant, 0) * height / stretch)
    return np.asarray(
        ndimage.affine_transform(
            ink, old_from_new, old_at_origin, output_shape=(height, new_width), order=1
        )
    )
