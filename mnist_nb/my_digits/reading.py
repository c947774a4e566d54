"""Whole numbers: which strokes, or which pieces of a picture's ink, make up each digit, and what they say.

A digit's pieces lie close together, but so may two digits. So every plausible group of neighbours is read, all in one
batch, and of all ways to deal the pieces into groups the one is taken that looks most like digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.checkpoints import load_pretrained
from mnist_nb.data.arguments import check_arguments
from mnist_nb.drawing.pictures import _thicken, find_ink
from mnist_nb.drawing.preprocessing import EmptySketchError, Floats, Pixels, prepare
from mnist_nb.drawing.sketch import Sketch, Stroke, visible_lines
from mnist_nb.models import digit_score, predict
from mnist_nb.models.refusal import has_learnt_to_refuse, is_refused

# Lengths are in heights of a digit. The weights maximise the likelihood of the right grouping of 1,200 numbers put
# together from the digits of 32 people; those of short groups and of cuts were raised by hand, on pictures.
_REACH = 5  # the pieces of a digit are among so many that follow each other from left to right
_NEAR = 0.3  # the widest gap within a digit
_SPECK = 0.15  # what is smaller is no piece
_DOT = 0.3  # what is smaller is no digit
_WIDEST, _TALLEST = 1.7, 2.0  # of a digit in several pieces
_SPARSE = 96  # points of a piece between which distances are measured
_MOST = 400  # pieces
_SLANTS = (-0.4, -0.2, 0.0, 0.2, 0.4)  # of a cut through touching digits: x per y
_WEIGHTS = (
    0.49,  # how sure the network is that this is a digit: the logit of its score, at most 6
    -0.74,  # each group
    -2.0,  # the widest gap within
    -4.5,  # how short: ln(0.7 / height), if that is above 0
    -2.5,  # how much wider than 0.9
    -2.1,  # the share of its width, or of another piece's, that both stand over
    -2.2,  # how much nearer than 0.15 another piece is
    -2.5,  # cut from connected ink, of which others have the rest
)


class Digit(NamedTuple):
    """One digit of a number."""

    text: str  # "0" to "9", or "?" where the network refuses it
    box: tuple[float, float, float, float]  # left, top, right, bottom of its ink
    image: Pixels  # [28, 28], what the network saw
    probabilities: NDArray[np.float32]  # [10]
    score: float  # in [0, 1], how sure it is that this is a digit at all
    strokes: Sequence[Stroke] = ()  # what is to be seen of it, on the sketch's canvas; none in a picture


class Number(NamedTuple):
    """What is read in a drawing or a picture of several digits."""

    text: str  # lines are joined by newlines
    digits: list[Digit]  # in the text's order
    confidence: float  # in [0, 1], that all of it is read right: the product over the digits


class _Piece(NamedTuple):
    """A stroke or connected ink."""

    points: Floats  # places on it `[n, 2]`, x right and y down
    ink: Any  # what it is drawn from
    whole: int = -1  # which connected ink it was cut from

    @property
    def box(self) -> tuple[float, ...]:
        return (*self.points.min(axis=0).tolist(), *self.points.max(axis=0).tolist())

    @property
    def extent(self) -> float:
        return float(np.ptp(self.points, axis=0).max())


@check_arguments
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
    least = min(_SPECK * scale, max(piece.extent for piece in pieces))
    pieces = [piece for piece in pieces if piece.extent >= least]
    if len(pieces) > _MOST:
        raise ValueError(f"there are {len(pieces)} pieces of ink here, but a number has no more than {_MOST}")
    pieces.sort(key=lambda piece: (piece.box[0] + piece.box[2], piece.box[1] + piece.box[3], piece.box))
    groups, shapes = _candidates(pieces, scale)
    draw = _draw_strokes if isinstance(source, Sketch) else _draw_blobs
    images = np.stack([draw([pieces[at].ink for at in group]) for group in groups])
    model = model or load_pretrained()
    probabilities, scores = predict(model, images).numpy(), digit_score(model, images).numpy()
    chosen = _best(groups, np.column_stack([_sureness(model, scores), shapes]) @ _WEIGHTS, len(pieces))
    digits = []
    for at in chosen:
        # beside other digits one is far likelier than on a pad where anything may be drawn, so less evidence will do
        text = "?" if is_refused(model, 10 * float(scores[at])) else str(probabilities[at].argmax())
        corners = np.array([pieces[piece].box for piece in groups[at]])
        left, top = map(float, corners[:, :2].min(axis=0))
        right, bottom = map(float, corners[:, 2:].max(axis=0))
        strokes = [Stroke(*pieces[piece].ink[:2]) for piece in groups[at]] if isinstance(source, Sketch) else []
        read = images[at], probabilities[at], float(scores[at])
        digits.append(Digit(text, (left, top, right, bottom), *read, strokes))
    sizes = [max(right - left, bottom - top) for left, top, right, bottom in (digit.box for digit in digits)]
    least = min(_DOT * scale, max(sizes))  # dots among digits are none, but where there is nothing else they are read
    lines = _lines([digit for digit, size in zip(digits, sizes, strict=True) if size >= least])
    digits = [digit for line in lines for digit in line]
    confidence = float(np.prod([digit.probabilities.max() * digit.score for digit in digits]))
    return Number("\n".join("".join(digit.text for digit in line) for line in lines), digits, confidence)


def _sureness(model: nn.Module, scores: NDArray[np.float32]) -> Floats:
    """The logits of digit scores, those from energies stretched to the range of learnt ones."""
    shares = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    logits: Floats = np.log(shares / (1 - shares))
    return np.minimum(logits if has_learnt_to_refuse(model) else 4.5 * logits - 4, 6)


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
        for part in _cut(np.stack([x, y], axis=1) + np.array(0.5)):
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
    low, high, whole = boxes[:, :2], boxes[:, 2:], np.array([piece.whole for piece in pieces])
    sparse = [piece.points[:: -(-len(piece.points) // _SPARSE)] / scale for piece in pieces]
    far = np.full((count, count), np.inf)
    for one in range(count):
        for other in range(one + 1, min(one + _REACH, count)):
            gaps = sparse[one][:, None] - sparse[other]
            far[one, other] = far[other, one] = np.sqrt((gaps**2).sum(axis=2).min())
    groups, shapes = [], []
    for first in range(count):
        window = [at for at in range(first + 1, min(first + _REACH, count)) if low[at, 0] - low[first, 0] <= _WIDEST]
        for group in ((first, *rest) for size in range(_REACH) for rest in combinations(window, size)):
            mine, gap = list(group), _widest_gap(far, group)
            start, stop = low[mine].min(axis=0), high[mine].max(axis=0)
            width, height = (stop - start).tolist()
            if len(group) > 1 and (width > _WIDEST or height > _TALLEST or gap > _NEAR):
                continue
            others = [at for at in range(max(0, first - _REACH), min(group[-1] + _REACH, count)) if at not in group]
            shared = np.minimum(stop, high[others]) - np.maximum(start, low[others])
            shares = shared[:, 0] / np.clip((high - low)[others, 0], 0.15, max(width, 0.15))
            short, overlap = max(np.log(0.7 / max(height, 0.05)), 0), shares[shared[:, 1] > -0.3].max(initial=0)
            near = 0.15 - far[np.ix_(mine, others)].min(initial=0.15)
            cut = bool((np.isin(whole[others], whole[mine]) & (whole[others] >= 0)).any())
            groups.append(group)
            shapes.append((1, gap, short, max(width - 0.9, 0), overlap, near, cut))
    return groups, np.array(shapes, np.float64)


def _widest_gap(far: Floats, group: tuple[int, ...]) -> float:
    """The widest gap that must be bridged to connect all of a group."""
    gaps = far[np.ix_(group, group)]
    for by in range(len(group)):  # ways by way of one more piece, of which the narrowest counts
        gaps = np.minimum(gaps, np.maximum(gaps[:, by, None], gaps[by]))
    return float(gaps[0, 1:].max(initial=0))


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
        _, top, _, bottom = digit.box
        beside = [
            line
            for line in lines
            for _, above, _, below in [line[-1].box]
            if min(bottom, below) - max(top, above) > 0.35 * min(bottom - top, below - above)
        ]
        if beside:
            max(beside, key=lambda line: line[-1].box[2]).append(digit)
        else:
            lines.append([digit])
    return sorted(lines, key=lambda line: float(np.mean([digit.box[1] + digit.box[3] for digit in line])))
