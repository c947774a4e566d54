"""Whole numbers: which strokes, or which pieces of a picture's ink, make up each digit, and what
they say.

A digit's pieces lie close together, but so may two digits. So every plausible group of neighbours
is read, all in one batch, and of all ways to deal the pieces into groups the one is taken that
looks most like digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.checkpoints import load_pretrained
from mnist_nb.data.arguments import check_arguments
from mnist_nb.handwriting.pictures import _thicken, find_ink
from mnist_nb.handwriting.preprocessing import EmptySketchError, Floats, Pixels, prepare
from mnist_nb.handwriting.refusal import has_learnt_to_refuse, is_refused, predict_and_score
from mnist_nb.handwriting.sketch import Sketch, Stroke, ink_along, visible_lines
from mnist_nb.models import predict

# Lengths are in heights of a digit.
_REACH = 5  # the pieces of a digit are among so many that follow each other from left to right
_NEAR = 0.3  # the widest gap within a digit
_SPECK = 0.15  # what is smaller is no piece
_DOT = 0.3  # what is smaller is no digit
_WIDEST, _TALLEST = 1.7, 2.0  # of a digit in several pieces
_SPARSE = 96  # points of a piece between which distances are measured
_MOST = 400  # pieces
_DOUBTFUL = (
    0.95  # a digit written with a pen that is read less surely is drawn anew in these forms as well
)
_FORMS = (
    (1, -0.2),
    (1, 0.2),
    (0.8, 0),
    (1.25, 0),
)  # how much wider, and x per y; their mean is right more often
_SLANTS = (-0.4, -0.2, 0.0, 0.2, 0.4)  # of a cut through touching digits: x per y
# What speaks for a group being a digit: the logit of its score, at most 6, the probability that it
# is a 4, whose open forms get lower scores than other digits, and that it is one more; and against
# it: the widest gap within, ln(0.7 / height) if above 0, the width beyond 0.9, the share of its
# width or of another piece's that both stand over, how much nearer than 0.15 another piece is, and
# being cut from connected ink of which others have the rest. The weights maximise the likelihood of
# the right grouping of 2,560 numbers put together from the digits of 32 people, less 0.15 times
# their squares; that of cuts was chosen by hand, on pictures.
_WEIGHTS = (0.58, 3.7, 2.3, -1.2, -4.4, -4.6, -3.4, -5.6, -3.0)


Box = tuple[float, float, float, float]  # left, top, right, bottom


class Digit(NamedTuple):
    """One digit of a number."""

    text: str  # "0" to "9", or "?" where the network refuses it
    box: Box  # of its ink
    image: Pixels  # [28, 28], what the network saw
    probabilities: NDArray[
        np.float32
    ]  # [10], of a doubtful drawing the mean over several forms of it
    score: float  # in [0, 1], how sure it is that this is a digit at all
    strokes: Sequence[
        Stroke
    ] = ()  # what is to be seen of it, on the sketch's canvas; none in a picture


class Number(NamedTuple):
    """What is read in a drawing or a picture of several digits."""

    text: str  # lines are joined by newlines
    digits: list[Digit]  # in the text's order
    confidence: float  # in [0, 1], that all of it is read right: the product over the digits


@dataclass(frozen=True, eq=False)
class _Piece:
    """A stroke or connected ink."""

    points: Floats  # places on it `[n, 2]`, x right and y down
    ink: Any  # what it is drawn from
    whole: int = -1  # which connected ink it was cut from

    @cached_property
    def box(self) -> Box:
        low, high = self.points.min(axis=0).tolist(), self.points.max(axis=0).tolist()
        return low[0], low[1], high[0], high[1]

    @property
    def extent(self) -> float:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@check_arguments
def read_number(source: Any, model: nn.Module | None = None) -> Number:
    """Read a number of any length, in one line or several.

    Strokes are taken whole: where two digits are written in one, they are read as one. Digits that
    touch in a picture are cut where their ink is thin. Neither the order of the strokes nor the
    place on the canvas matters.

    Args:
        source: a `Sketch`, whose canvas the boxes are measured on, or a picture as `find_ink` takes
            it, in whose pixels they are.
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
        raise ValueError(
            f"there are {len(pieces)} pieces of ink here, but a number has no more than {_MOST}"
        )
    pieces.sort(
        key=lambda piece: (piece.box[0] + piece.box[2], piece.box[1] + piece.box[3], piece.box)
    )
    groups, shapes = _candidates(pieces, scale)
    draw = _draw_strokes if isinstance(source, Sketch) else _draw_blobs
    images = np.stack([draw(tuple(pieces[at].ink for at in group)) for group in groups])
    model = model or load_pretrained()
    probabilities, scores = (answer.numpy() for answer in predict_and_score(model, images))
    chosen = _best(
        groups, np.column_stack([_sureness(model, scores), probabilities[:, 4], shapes]) @ _WEIGHTS
    )
    wholes = {
        at: _Piece(np.concatenate([pieces[one].points for one in groups[at]]), None)
        for at in chosen
    }
    least = min(_DOT * scale, max(whole.extent for whole in wholes.values()))
    found = []  # dots among digits are none, but where there is nothing else they are read
    for at in (at for at in chosen if wholes[at].extent >= least):
        if isinstance(source, Sketch) and probabilities[at].max() < _DOUBTFUL:
            drawn = [
                _draw_strokes(tuple(pieces[one].ink for one in groups[at]), *form)
                for form in _FORMS
            ]
            probabilities[at] = np.vstack(
                [probabilities[at], predict(model, np.stack(drawn)).numpy()]
            ).mean(axis=0)
        # beside other digits one is far likelier than on a pad where anything may be drawn, so less
        # evidence will do
        text = "?" if is_refused(model, 10 * float(scores[at])) else str(probabilities[at].argmax())
        of_pen = [pieces[one] for one in groups[at] if isinstance(source, Sketch)]
        strokes = [Stroke(piece.points.astype(np.float32), piece.ink[1]) for piece in of_pen]
        found.append(
            Digit(text, wholes[at].box, images[at], probabilities[at], float(scores[at]), strokes)
        )
    lines = _lines(found)
    digits = [digit for line in lines for digit in line]
    confidence = float(np.prod([digit.probabilities.max() * digit.score for digit in digits]))
    return Number(
        "\n".join("".join(digit.text for digit in line) for line in lines), digits, confidence
    )


def _sureness(model: nn.Module, scores: NDArray[np.float32]) -> Floats:
    """The logits of digit scores, those from energies stretched to the range of learnt ones."""
    shares = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    logits: Floats = np.log(shares / (1 - shares))
    return np.minimum(logits if has_learnt_to_refuse(model) else 4.5 * logits - 4, 6)


# ---- pieces, and how a group of them is drawn


def _strokes(sketch: Sketch) -> list[_Piece]:
    """What is to be seen of each stroke; where an eraser has parted it, each part."""
    pieces: list[_Piece] = []
    for number, stroke in enumerate(sketch.strokes):
        erasers = (later for later in sketch.strokes[number:] if later.erase)
        for points, _ in visible_lines((stroke, *erasers), sketch.size)[0]:
            steps = np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1))
            gaps = np.flatnonzero(steps > max(stroke.width, np.ptp(points, axis=0).max() / 20)) + 1
            pieces += [
                _Piece(part, (part.tobytes(), stroke.width)) for part in np.split(points, gaps)
            ]
    return pieces


@lru_cache(1000)  # while one writes, most groups stay as they are
def _draw_strokes(
    lines: tuple[tuple[bytes, float], ...], across: float = 1, slant: float = 0
) -> Pixels:
    points = [
        (np.frombuffer(line).reshape(-1, 2) @ [[across, 0], [slant, 1]], 0) for line, _ in lines
    ]
    return prepare(ink_along(points, [], max(width for _, width in lines)))


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
    """Places of ink `[n, 2]` in parts, from left to right: between them run straight lines that
    meet little ink."""
    width, height = np.ptp(points, axis=0) + 1
    if width < 0.5 * height:
        return [points]
    leant = points[:, 0] - np.multiply.outer(_SLANTS, points[:, 1] - height / 2)
    met = np.stack(
        [np.bincount(x, minlength=int(width)) for x in leant.clip(0, width - 1).astype(np.int64)]
    )
    best, slant = met.min(axis=0), np.array(_SLANTS)[met.argmin(axis=0)]
    cuts: list[int] = []
    for x in np.argsort(best, kind="stable").tolist():
        if best[x] > 0.35 * height:
            break
        if 0.15 * height < x < width - 0.15 * height and all(
            abs(x - cut) >= 0.2 * height for cut in cuts
        ):
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
    """Every group of neighbours that may be one digit, and how well its shape and surroundings bear
    that out."""
    count = len(pieces)
    boxes = np.array([piece.box for piece in pieces]) / scale
    low, high = boxes[:, :2], boxes[:, 2:]
    sparse = [piece.points[:: -(-len(piece.points) // _SPARSE)] / scale for piece in pieces]
    far = np.full((count, count), np.inf)
    for one in range(count):
        for other in range(one + 1, min(one + _REACH, count)):
            (x, y), (a, b) = sparse[one].T, sparse[other].T
            squares = np.subtract.outer(x, a) ** 2 + np.subtract.outer(y, b) ** 2
            far[one, other] = far[other, one] = np.sqrt(squares.min())
    groups, shapes = [], []
    for first in range(count):
        window = [
            at
            for at in range(first + 1, min(first + _REACH, count))
            if low[at, 0] - low[first, 0] <= _WIDEST
        ]
        for group in (
            (first, *rest) for size in range(_REACH) for rest in combinations(window, size)
        ):
            mine = list(group)
            start, stop = low[mine].min(axis=0), high[mine].max(axis=0)
            width, height = (stop - start).tolist()
            small = len(group) == 1 or (width <= _WIDEST and height <= _TALLEST)
            if not small or (gap := _widest_gap(far, group)) > _NEAR:
                continue
            others = [
                at
                for at in range(max(0, first - _REACH), min(group[-1] + _REACH, count))
                if at not in group
            ]
            shared = np.minimum(stop, high[others]) - np.maximum(start, low[others])
            shares = shared[:, 0] / np.clip((high - low)[others, 0], 0.15, max(width, 0.15))
            short, overlap = (
                max(np.log(0.7 / max(height, 0.05)), 0),
                shares[shared[:, 1] > -0.3].max(initial=0),
            )
            near = 0.15 - far[np.ix_(mine, others)].min(initial=0.15)
            cut = bool(
                {pieces[at].whole for at in others} & {pieces[at].whole for at in group} - {-1}
            )
            groups.append(group)
            shapes.append((1, gap, short, max(width - 0.9, 0), overlap, near, cut))
    return groups, np.array(shapes, np.float64)


def _widest_gap(far: Floats, group: tuple[int, ...]) -> float:
    """The widest gap that must be bridged to connect all of a group."""
    gaps = far[np.ix_(group, group)]
    for by in range(len(group)):  # ways by way of one more piece, of which the narrowest counts
        gaps = np.minimum(gaps, np.maximum(gaps[:, by, None], gaps[by]))
    return float(gaps[0, 1:].max(initial=0))


def _best(groups: Sequence[tuple[int, ...]], worth: Floats) -> list[int]:
    """Of all ways to deal pieces into groups that worth most in total, by dynamic programming;
    indices of its groups.

    The groups are ordered by their first pieces. What matters of the pieces dealt so far is the
    first that is left, and which of the next four are gone.
    """
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    for first, mine in groupby(enumerate(groups), key=lambda numbered: numbered[1][0]):
        steps = [(at, sum(1 << piece for piece in group), float(worth[at])) for at, group in mine]
        states, best = best, {}
        for gone, (total, chosen) in states.items():
            for at, mask, value in [(-1, 0, 0.0)] if gone >> first & 1 else steps:
                if not gone & mask and (
                    gone | mask not in best or total + value > best[gone | mask][0]
                ):
                    best[gone | mask] = total + value, chosen + [at] * bool(mask)
    return best[(1 << first + 1) - 1][1]


def _stand_beside(one: Box, other: Box) -> bool:
    """Whether one reaches over more than a third of the other's height, or the other way round."""
    shared = min(one[3], other[3]) - max(one[1], other[1])
    return shared > 0.35 * min(one[3] - one[1], other[3] - other[1])


def _lines(digits: Sequence[Digit]) -> list[list[Digit]]:
    """Digits in lines from above, each from left to right.

    A digit follows the nearest one on its left beside which it stands, so a line may slope.
    """
    lines: list[list[Digit]] = []
    for digit in sorted(digits, key=lambda digit: digit.box[0] + digit.box[2]):
        beside = [line for line in lines if _stand_beside(line[-1].box, digit.box)]
        if beside:
            max(beside, key=lambda line: line[-1].box[2]).append(digit)
        else:
            lines.append([digit])
    return sorted(
        lines, key=lambda line: float(np.mean([digit.box[1] + digit.box[3] for digit in line]))
    )
