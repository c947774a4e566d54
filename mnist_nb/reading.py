"""Whole numbers: which strokes, or which pieces of a picture's ink, make up each digit, and what they say.

A digit's pieces lie close together, but so may two digits. So every plausible group of neighbours is read, all in one
batch, and of all ways to deal the pieces into groups the one is taken that looks most like digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mnist_nb.checkpoints import load_pretrained
from mnist_nb.data.mnist import load_sample
from mnist_nb.drawing import EmptySketchError, Sketch, find_ink, prepare
from mnist_nb.drawing.pictures import _thicken
from mnist_nb.drawing.preprocessing import Floats, Pixels
from mnist_nb.drawing.sketch import Stroke, visible_lines
from mnist_nb.models import predict, to_input

_REACH = 5  # the pieces of a digit are among so many that follow each other from left to right
_NEAR = 0.3  # the widest gap within a digit; this and all that follows in heights of a digit
_SPECK = 0.15  # what is smaller is no piece
_WIDEST, _TALLEST = 1.7, 2.0  # of a digit in several pieces
_SPARSE = 96  # points of a piece between which distances are measured
_MOST = 400  # pieces
_WEIGHTS = (2.2, -0.6, -3.0, -6.0, -3.2, -2.2, -3.5, -2.5)
_SLANTS = (-0.4, -0.2, 0.0, 0.2, 0.4)  # of a cut through touching digits: x per y


class Digit(NamedTuple):
    """One digit of a number."""

    box: tuple[float, float, float, float]  # left, top, right, bottom of its ink
    image: Pixels  # [28, 28], what the network saw
    probabilities: NDArray[np.float32]  # [10]
    score: float  # in [0, 1], how sure it is that this is a digit at all

    @property
    def text(self) -> str:
        """The digit, or "?" where there is none."""
        return str(self.probabilities.argmax()) if self.score >= 0.5 else "?"


class Number(NamedTuple):
    """What is read in a drawing or a picture of several digits."""

    text: str  # lines are joined by newlines
    digits: list[Digit]  # in the text's order
    confidence: float  # in [0, 1], that all of it is read right: the product over the digits


class _Piece(NamedTuple):
    """A stroke or connected ink: places on it `[n, 2]`, x right and y down, and what it is drawn from."""

    points: Floats
    ink: Any
    whole: int = -1  # which connected ink it was cut from

    @property
    def box(self) -> tuple[float, ...]:
        return (*self.points.min(axis=0).tolist(), *self.points.max(axis=0).tolist())


def read_number(source: Any, model: nn.Module | None = None) -> Number:
    """Read a number of any length, in one line or several.

    Strokes are taken whole: where two digits are written in one, they are read as one. Digits that touch in a picture
    are cut where their ink is thin. Neither the order of the strokes nor the place on the canvas matters.

    Args:
        source: a `Sketch`, whose canvas the boxes are measured on, or a picture as `find_ink` takes it, in whose pixels
            they are.
        model: reads the digits; without it the shipped network that reads hands best.

    Raises:
        EmptySketchError: if there is no ink.
        ValueError: for what is no picture, or has more than 400 pieces of ink.
    """
    pieces = _strokes(source) if isinstance(source, Sketch) else _blobs(find_ink(source))
    if not pieces:
        raise EmptySketchError("there is no ink here: draw a number first")
    scale = _height(pieces)
    least = min(_SPECK * scale, max(np.ptp(piece.points, axis=0).max() for piece in pieces))
    pieces = [piece for piece in pieces if np.ptp(piece.points, axis=0).max() >= least]
    if len(pieces) > _MOST:
        raise ValueError(f"there are {len(pieces)} pieces of ink here, but a number has no more than {_MOST}")
    pieces.sort(key=lambda piece: (piece.box[0] + piece.box[2], piece.box[1] + piece.box[3], piece.box))
    groups, shapes = _candidates(pieces, scale)
    draw = _draw_strokes if isinstance(source, Sketch) else _draw_blobs
    images = np.stack([draw([pieces[at].ink for at in group]) for group in groups])
    model = model or load_pretrained()
    probabilities, scores = predict(model, images).numpy(), _score(model, images)
    sure = np.log(np.clip(scores, 1e-9, 0.9) / (1 - np.clip(scores, 1e-9, 0.9)))
    worth = np.column_stack([sure, shapes]) @ _WEIGHTS
    boxes = np.array([piece.box for piece in pieces])
    digits = []
    for at in _best(groups, worth, len(pieces)):
        box = (*boxes[list(groups[at]), :2].min(axis=0).tolist(), *boxes[list(groups[at]), 2:].max(axis=0).tolist())
        digits.append(Digit(box, images[at], probabilities[at], float(scores[at])))
    lines = _lines(digits)
    text = "\n".join("".join(digit.text for digit in line) for line in lines)
    ordered = [digit for line in lines for digit in line]
    confidence = float(np.prod([digit.probabilities.max() * digit.score for digit in ordered]))
    return Number(text, ordered, confidence)


@torch.inference_mode()
def _score(model: nn.Module, images: Pixels) -> Floats:
    """TEMPORARY until digit_score is on this branch."""
    model.eval()
    known, energy = (model(to_input(x)).logsumexp(1).double() for x in (_known_digits(), torch.as_tensor(images)))
    return torch.sigmoid((energy - known.mean()) / known.std() + 2.33).numpy()


@cache
def _known_digits() -> torch.Tensor:
    return load_sample().test.images[:256]


# ---- pieces, and how a group of them is drawn


def _strokes(sketch: Sketch) -> list[_Piece]:
    """What is to be seen of each stroke; where an eraser has parted it, each part."""
    pieces: list[_Piece] = []
    erasers: list[Stroke] = []
    for stroke in reversed(sketch.strokes):
        if stroke.erase:
            erasers.insert(0, stroke)
            continue
        for points, _ in visible_lines((stroke, *erasers), sketch.size)[0]:
            steps = np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1))
            gaps = np.flatnonzero(steps > max(stroke.width, np.ptp(points, axis=0).max() / 20)) + 1
            pieces += [_Piece(part, (part, stroke.width, sketch.size)) for part in np.split(points, gaps)]
    return pieces


def _draw_strokes(lines: Sequence[tuple[Floats, float, float]]) -> Pixels:
    sketch = Sketch(lines[0][2])
    for points, width, _ in lines:
        sketch.add_stroke(points, width)
    return sketch.to_mnist()


def _blobs(ink: Floats) -> list[_Piece]:
    """Connected ink, cut where digits may touch."""
    from scipy import ndimage  # takes a while to import, and a drawing pad does without

    labels, count = ndimage.label(ink >= 0.25, np.ones((3, 3)))
    labels = np.where(labels, labels, ndimage.grey_dilation(labels, size=3)) * (ink > 0)
    pieces = []
    for place, mine in zip(ndimage.find_objects(labels), range(1, count + 1), strict=True):
        corner = np.array([place[1].start, place[0].start])
        y, x = np.nonzero(labels[place] == mine)
        parts = _cut(np.stack([x, y], axis=1).astype(np.float64) + 0.5) if len(x) > 1 else [np.array([[0.5, 0.5]])]
        for part in parts:
            at = np.floor(part + corner).astype(np.int64)
            pieces.append(_Piece(part + corner, (at, ink[at[:, 1], at[:, 0]]), mine))
    return pieces


def _cut(points: Floats) -> list[Floats]:
    """Places of ink `[n, 2]` in parts, from left to right: between them run straight lines that meet little ink."""
    width, height = np.ptp(points, axis=0) + 1
    if width < 0.5 * height:
        return [points]
    best = np.full(int(width), np.inf)
    slant = np.zeros(int(width))
    for lean in _SLANTS:
        x = points[:, 0] - lean * (points[:, 1] - height / 2)
        met = np.bincount(x.clip(0, width - 1).astype(np.int64), minlength=int(width))
        better = met < best
        best[better], slant[better] = met[better], lean
    cuts: list[int] = []
    for x in np.argsort(best, kind="stable").tolist():
        if best[x] > 0.35 * height:
            break
        if 0.15 * height < x < width - 0.15 * height and all(abs(x - cut) >= 0.2 * height for cut in cuts):
            cuts.append(x)
    side = np.zeros(len(points), np.int64)
    for cut in cuts:
        side += points[:, 0] - slant[cut] * (points[:, 1] - height / 2) > cut + 0.5
    return [points[side == part] for part in np.unique(side)]


def _draw_blobs(parts: Sequence[tuple[NDArray[np.int64], Floats]]) -> Pixels:
    places = np.concatenate([places for places, _ in parts])
    corner = places.min(axis=0)
    width, height = np.ptp(places, axis=0) + 1
    ink = np.zeros((height, width))
    ink[tuple((places - corner).T[::-1])] = np.concatenate([values for _, values in parts])
    return prepare(_thicken(ink))


# ---- which pieces belong together


def _height(pieces: Sequence[_Piece]) -> float:
    """The height of the digits: the median over pieces, in which tall ones count for more."""
    heights = np.sort([max(np.ptp(piece.points[:, 1]), 1e-3) for piece in pieces])
    weights = np.cumsum(heights)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])


def _candidates(pieces: Sequence[_Piece], scale: float) -> tuple[list[tuple[int, ...]], Floats]:
    """Every group of neighbours that may be one digit, and how well its shape and surroundings bear that out."""
    count = len(pieces)
    boxes = np.array([piece.box for piece in pieces]) / scale
    sparse = [piece.points[:: -(-len(piece.points) // _SPARSE)] / scale for piece in pieces]
    far = np.full((count, count), np.inf)
    for one in range(count):
        for other in range(one + 1, min(one + _REACH, count)):
            gaps = sparse[one][:, None] - sparse[other]
            far[one, other] = far[other, one] = np.sqrt((gaps**2).sum(axis=2).min())
    groups, shapes = [], []
    for first in range(count):
        window = range(first + 1, min(first + _REACH, count))
        for group in ((first, *rest) for size in range(_REACH) for rest in combinations(window, size)):
            left, top = boxes[list(group), :2].min(axis=0)
            right, bottom = boxes[list(group), 2:].max(axis=0)
            gap = _widest_gap(far, group)
            if len(group) > 1 and (right - left > _WIDEST or bottom - top > _TALLEST or gap > _NEAR):
                continue
            others = [at for at in range(max(0, first - _REACH), min(group[-1] + _REACH, count)) if at not in group]
            overlap = max(
                (
                    (min(right, boxes[at, 2]) - max(left, boxes[at, 0]))
                    / max(min(right - left, boxes[at, 2] - boxes[at, 0]), 0.15)
                    for at in others
                    if min(bottom, boxes[at, 3]) - max(top, boxes[at, 1]) > -0.3
                ),
                default=0.0,
            )
            close = min((far[at, other] for at in group for other in others), default=1.0)
            groups.append(group)
            shapes.append(
                [
                    1.0,
                    gap,
                    max(np.log(0.7 / max(bottom - top, 0.05)), 0),
                    max(right - left - 0.9, 0),
                    max(overlap, 0),
                    max(0.15 - close, 0),
                    float(any(pieces[at].whole == pieces[other].whole >= 0 for at in group for other in others)),
                ]
            )
    return groups, np.array(shapes)


def _widest_gap(far: Floats, group: tuple[int, ...]) -> float:
    """The widest gap that must be bridged to connect all of a group."""
    reached, rest, widest = {group[0]}, set(group[1:]), 0.0
    while rest:
        gap, nearest = min((float(far[one, other]), other) for one in reached for other in rest)
        widest = max(widest, gap)
        reached.add(nearest)
        rest.discard(nearest)
    return widest


def _best(groups: Sequence[tuple[int, ...]], worth: Floats, count: int) -> list[int]:
    """Of all ways to deal pieces into groups that worth most in total, by dynamic programming; indices of its groups.

    What matters of the pieces dealt so far is the first that is left, and which of the next four are gone.
    """
    by_first: dict[int, list[tuple[int, int]]] = {}
    for at, group in enumerate(groups):
        by_first.setdefault(group[0], []).append((at, sum(1 << piece for piece in group)))
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    for first in range(count):
        states, best = best, {}
        for gone, (total, chosen) in states.items():
            steps = [(-1, 0)] if gone >> first & 1 else by_first[first]
            for at, mask in steps:
                if not gone & mask:
                    value = total + (float(worth[at]) if mask else 0.0)
                    if gone | mask not in best or value > best[gone | mask][0]:
                        best[gone | mask] = value, chosen + [at] * bool(mask)
    return best[(1 << count) - 1][1]


def _lines(digits: Sequence[Digit]) -> list[list[Digit]]:
    """Digits in lines from above, each from left to right.

    A digit follows the nearest one on its left beside which it stands, so a line may slope.
    """
    lines: list[list[Digit]] = []
    for digit in sorted(digits, key=lambda digit: digit.box[0] + digit.box[2]):
        beside = []
        for line in lines:
            top, bottom = line[-1].box[1], line[-1].box[3]
            shared = min(bottom, digit.box[3]) - max(top, digit.box[1])
            if shared > 0.35 * min(bottom - top, digit.box[3] - digit.box[1]):
                beside.append(line)
        if beside:
            max(beside, key=lambda line: line[-1].box[2]).append(digit)
        else:
            lines.append([digit])
    return sorted(lines, key=lambda line: np.mean([digit.box[1] + digit.box[3] for digit in line]))
