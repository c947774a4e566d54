"""Grouping of a picture's pieces of ink into digits and dropped pieces.

Pieces that are close to each other form a cluster. Each cluster is divided in the most probable
way. A log-linear model gives the probabilities; `tools/fit_grouping.py` fits its weights on made
pages.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_nb.handwriting.cuts import paint, pen_width
from mnist_nb.handwriting.grouping import sample_points, shortest_distance, widest_gap
from mnist_nb.handwriting.lines import Lines, find_lines
from mnist_nb.handwriting.pieces import InkPiece
from mnist_nb.handwriting.preprocessing import Floats, Integers, weighted_quantile

# Lengths are in heights of a digit.
MAX_MEMBERS = 5  # of a group
MAX_GAP = 0.3  # between pieces of a group
MAX_WIDTH = 1.7  # of a group of several pieces
MAX_HEIGHT = 1.7  # likewise
TYPICAL_WIDTH = 0.9
SHORT, TALL = 0.75, 1.15  # digits are rarely lower or higher
CLEARANCE = 0.15  # other digits are usually at least this far away
THIN_LINE = 2.5  # pixels, as `pen_width` measures it; the thinnest lines have 1.5
SMALLEST = 0.05  # smaller groups count as this large
LINE_REACH = 0.3  # pieces farther above or below do not overlap
MAX_LINE_OFFSET = 0.3  # of a piece that is in a line
MAX_OFFSET = 1.0  # from a line; larger distances count as this far
SURE = 0.5  # ink that is read with at least this confidence shows where the lines are
MAX_STATES = 500  # the best partial divisions that are kept
WEIGHTS_FILE = "weights/ink_grouping.json"


@dataclass(frozen=True)
class DigitFeatures:
    """The features of pieces as one digit. Lengths are in usual heights of a digit.

    Attributes:
        digit: 1.
        score_logit: the logit of the network's digit score, at most 6.
        surprise: minus the logarithm of the reading's probability.
        four: the probability of a 4, whose open forms get lower scores than other digits.
        one: the probability of a 1, which looks like a part of another digit. It is 0 if it is
            lower than 0.75, far from other ink, and between the upper and lower edge of a line.
        widest_gap: the widest gap to bridge to connect its pieces.
        shortness: ln(0.75 / height), at least 0.
        tallness: ln(height / 1.15), at least 0.
        excess_width: beyond 0.9, at least 0.
        overlap: the largest share of its width, or of another piece's, that both cover.
        crowding: how much closer than 0.15 the nearest ink of another piece is, at least 0.
        cut_ink: the length of its cuts through connected ink.
        offset: the distance from the nearest line of digits, at most 1.
        is_low: 1 if it is lower than 0.75 and all below the middle of that line, like a comma.
        loneliness: 1 / (1 + the number of other certain digits in that line).
    """

    digit: float
    score_logit: float
    surprise: float
    four: float
    one: float
    widest_gap: float
    shortness: float
    tallness: float
    excess_width: float
    overlap: float
    crowding: float
    cut_ink: float
    offset: float
    is_low: float
    loneliness: float


@dataclass(frozen=True)
class DroppedFeatures:
    """The features of ink that is dropped, because it is not a part of a digit.

    Attributes:
        dropped: 1.
        dropped_size: the logarithm of its longer side.
        dropped_height: the logarithm of its height.
        dropped_paleness: how much fainter its ink is than most of the page's, at least 0.
        dropped_at_edge: 1 if it touches the edge of the picture, else 0.
        dropped_crowding: how much closer than 0.15 the nearest ink of another piece is.
        dropped_cut_ink: the length of its cuts through connected ink.
        dropped_offset: the distance from the nearest line of digits, at most 1.
        dropped_in_line: 1 if it is about as high as a digit, and in a line, else 0.
        dropped_width_in_line: in the same case its width beyond 0.9, else 0: several digits.
        dropped_loneliness: 1 / (1 + the number of certain digits in that line).
    """

    dropped: float
    dropped_size: float
    dropped_height: float
    dropped_paleness: float
    dropped_at_edge: float
    dropped_crowding: float
    dropped_cut_ink: float
    dropped_offset: float
    dropped_in_line: float
    dropped_width_in_line: float
    dropped_loneliness: float


@dataclass(frozen=True)
class Doubts:
    """The doubts about the reading of a page. The confidence is exp(-their weighted sum).

    Attributes:
        digits: their number.
        division: minus the logarithm of the probability that all clusters are divided right.
        reading: minus the logarithm of the product of the digits' probabilities.
        score: minus the logarithm of the product of the digits' scores.
    """

    digits: float
    division: float
    reading: float
    score: float


@dataclass(frozen=True)
class SlashFeatures:
    """The features of a digit that is read as 1 and may be a slash.

    Lengths are in heights of the digits near it.

    Attributes:
        slash: 1.
        slash_above: how far it extends above those digits, from -0.2 to 0.4.
        slash_below: how far it extends below them, likewise.
        slash_lean: how much more it leans to the right than they do, x per y, from -0.2 to 0.5.
        slash_thickness: of its stroke, in lengths of the stroke, at most 0.5.
    """

    slash: float
    slash_above: float
    slash_below: float
    slash_lean: float
    slash_thickness: float


@cache
def load_weights() -> Mapping[str, float]:
    """The weights of all features and doubts."""
    text = resources.files(__package__).joinpath(WEIGHTS_FILE).read_text(encoding="utf-8")
    weights: dict[str, float] = json.loads(text)
    return MappingProxyType(weights)


def weighted_sum(
    features: DigitFeatures | DroppedFeatures | Doubts | SlashFeatures, weights: Mapping[str, float]
) -> float:
    """Return the weighted sum of features."""
    total = 0.0
    for name, value in vars(features).items():
        total += weights[name] * value
    return total


class Choice(NamedTuple):
    """Pieces that may be one digit, or be dropped together."""

    members: list[int]  # indices of pieces, increasing
    is_digit: bool


class Reading(NamedTuple):
    """The network's reading of pieces."""

    probabilities: NDArray[np.float32]  # [10]
    score_logit: float
    confidence: float  # the score times the largest probability


class InkLayout:
    """The layout of a picture's pieces: the groups that are possible, and their features.

    Args:
        pieces: of one picture.
        scale: the height of a digit, in pixels.
        shape: height and width of the picture.

    Attributes:
        whole_blobs: the pieces of each connected ink.
    """

    def __init__(self, pieces: Sequence[InkPiece], scale: float, shape: tuple[int, ...]) -> None:
        self._boxes = np.array([piece.box for piece in pieces]) / scale  # [piece, 4]
        self._blobs = np.array([piece.blob for piece in pieces])
        self._paleness = _measure_paleness(pieces, self._boxes)
        self._is_at_edge = np.array([_touches_edge(piece, shape) for piece in pieces])
        self._contacts = _measure_contacts(pieces) / scale
        self._distances = _measure_distances(pieces, self._boxes, scale)
        self._distances[self._contacts > 0] = 0
        self.whole_blobs = [
            np.flatnonzero(self._blobs == blob).tolist() for blob in np.unique(self._blobs)
        ]
        self._lines: Lines | None = None
        self._sure: list[list[int]] = []  # pieces of the digits in the lines

    def clusters(self) -> list[list[int]]:
        """Return clusters of pieces that may share a digit, each from left to right."""
        from scipy.sparse import csgraph  # imported late: it is slow, and drawings do not need it

        is_near = self._distances <= MAX_GAP
        count, numbers = csgraph.connected_components(is_near, directed=False)
        clusters: list[list[int]] = [[] for _ in range(count)]
        for piece in np.lexsort((self._boxes[:, 1], self._boxes[:, 0])).tolist():
            clusters[numbers[piece]].append(piece)
        return clusters

    def choices(self, cluster: Sequence[int]) -> Iterator[Choice]:
        """Yield single pieces, as digits or dropped, and groups compact enough to be one digit.

        Connected ink may also be dropped as a whole.
        """
        for piece in cluster:
            yield Choice([piece], is_digit=False)
        for blob in self.whole_blobs:
            if len(blob) > 1 and set(blob) <= set(cluster):
                yield Choice(blob, is_digit=False)
        for place, first in enumerate(cluster):
            later = set(cluster[place + 1 :])
            for members in self._grow([first], later):
                yield Choice(sorted(members), is_digit=True)

    def _grow(self, group: list[int], allowed: set[int]) -> Iterator[list[int]]:
        """Return a group, and all larger groups with it and allowed pieces."""
        yield group
        if len(group) == MAX_MEMBERS:
            return
        left = set(allowed)
        for piece in sorted(allowed):
            if self._distances[group, piece].min() <= MAX_GAP:
                left.discard(piece)
                grown = [*group, piece]
                width, height = self._size(grown)
                if width <= MAX_WIDTH and height <= MAX_HEIGHT:
                    yield from self._grow(grown, left)

    def find_lines(self, sure: Sequence[list[int]]) -> None:
        """Find the lines of digits.

        Args:
            sure: the pieces of each group that is certainly a digit.
        """
        self._sure = list(sure)
        if self._sure:
            boxes = [self._box(members) for members in self._sure]
            self._lines = find_lines(np.array(boxes))

    def _box(self, members: list[int]) -> Floats:
        lows = self._boxes[members, :2].min(axis=0)
        highs = self._boxes[members, 2:].max(axis=0)
        return np.concatenate([lows, highs])

    def _size(self, members: list[int]) -> tuple[float, float]:
        left, top, right, bottom = self._box(members).tolist()
        return right - left, bottom - top

    def is_tall(self, members: list[int]) -> bool:
        """Return whether pieces are about as high as a digit."""
        _, height = self._size(members)
        return SHORT / 1.5 < height < 1.7

    # ---- features

    def describe_digit(self, members: list[int], reading: Reading) -> DigitFeatures:
        """Return the features of pieces as one digit."""
        width, height = self._size(members)
        height = max(height, SMALLEST)
        is_other = np.ones(len(self._boxes), np.bool_)
        is_other[members] = False
        offset, loneliness = self._place_in_line(members)
        is_between_edges = abs(offset) + height / 2 < 0.5 and loneliness < 1
        is_apart = self._distances[members][:, is_other].min(initial=math.inf) > MAX_GAP
        is_apart_in_line = height < SHORT and is_between_edges and is_apart
        return DigitFeatures(
            digit=1,
            score_logit=reading.score_logit,
            surprise=-math.log(max(float(reading.probabilities.max()), 1e-6)),
            four=float(reading.probabilities[4]),
            one=0.0 if is_apart_in_line else float(reading.probabilities[1]),
            widest_gap=widest_gap(self._distances[np.ix_(members, members)]),
            shortness=max(math.log(SHORT / height), 0),
            tallness=max(math.log(height / TALL), 0),
            excess_width=max(width - TYPICAL_WIDTH, 0),
            overlap=self._overlap(members, is_other),
            crowding=self._crowding(members, is_other),
            cut_ink=self._cut_ink(members, is_other),
            offset=abs(offset),
            is_low=float(height < SHORT and height / 2 < offset < MAX_OFFSET),
            loneliness=loneliness,
        )

    def describe_dropped(self, members: list[int]) -> DroppedFeatures:
        """Return the features of dropped pieces."""
        width, height = self._size(members)
        is_other = np.ones(len(self._boxes), np.bool_)
        is_other[members] = False
        offset, loneliness = self._place_in_line(members)
        is_in_line = self.is_tall(members) and abs(offset) < MAX_LINE_OFFSET
        return DroppedFeatures(
            dropped=1,
            dropped_size=math.log(max(width, height, SMALLEST)),
            dropped_height=math.log(max(height, SMALLEST)),
            dropped_paleness=float(self._paleness[members].min()),
            dropped_at_edge=float(self._is_at_edge[members].any()),
            dropped_crowding=self._crowding(members, is_other),
            dropped_cut_ink=self._cut_ink(members, is_other),
            dropped_offset=abs(offset),
            dropped_in_line=float(is_in_line),
            dropped_width_in_line=max(width - TYPICAL_WIDTH, 0) if is_in_line else 0,
            dropped_loneliness=loneliness,
        )

    def _overlap(self, members: list[int], is_other: NDArray[np.bool_]) -> float:
        left, top, right, bottom = self._box(members)
        others = self._boxes[is_other]
        shared_width = np.minimum(right, others[:, 2]) - np.maximum(left, others[:, 0])
        shared_height = np.minimum(bottom, others[:, 3]) - np.maximum(top, others[:, 1])
        widths = np.maximum(others[:, 2] - others[:, 0], 3 * SMALLEST)
        shares = shared_width / np.minimum(widths, max(right - left, 3 * SMALLEST))
        return float(shares[shared_height > -LINE_REACH].max(initial=0))

    def _crowding(self, members: list[int], is_other: NDArray[np.bool_]) -> float:
        is_apart = is_other & ~np.isin(self._blobs, self._blobs[members])
        distances = self._distances[members][:, is_apart]
        return float(CLEARANCE - distances.min(initial=CLEARANCE))

    def _cut_ink(self, members: list[int], is_other: NDArray[np.bool_]) -> float:
        return float(self._contacts[members][:, is_other].sum())

    def _place_in_line(self, members: list[int]) -> tuple[float, float]:
        """Return how far below the nearest line of other digits it is, and the loneliness."""
        if self._lines is None:
            return 0.0, 1.0
        is_apart = [not set(members) & set(sure) for sure in self._sure]
        counts = np.bincount(self._lines.numbers, is_apart, len(self._lines.levels))
        (of_lines,) = self._lines.offsets(self._box(members)[None])
        offsets = np.where(counts > 0, of_lines, MAX_OFFSET)
        nearest = int(np.abs(offsets).argmin())
        if abs(offsets[nearest]) >= MAX_OFFSET:
            return MAX_OFFSET, 1.0
        return float(offsets[nearest]), float(1 / (1 + counts[nearest]))


def _measure_paleness(pieces: Sequence[InkPiece], boxes: Floats) -> Floats:
    """Return how much fainter each piece is than most ink, `[piece]` in [0, 1].

    Thin lines cover their pixels only partly, so that dark ones look pale as well. Pieces as high
    as a digit are compared as if their lines were wider; lower ones may be small print.

    Args:
        pieces: of one picture.
        boxes: theirs, in heights of a digit, `[piece, 4]`.
    """
    strengths = np.array([np.quantile(piece.strengths, 0.75) for piece in pieces])
    amounts = np.array([len(piece.pixels) for piece in pieces])
    usual = weighted_quantile(strengths, amounts)
    heights = boxes[:, 3] - boxes[:, 1]
    for index in np.flatnonzero(heights >= SHORT).tolist():
        strengths[index] /= _covered_share(pieces[index])
    return np.asarray(np.maximum(usual - strengths, 0))


def _covered_share(piece: InkPiece) -> float:
    """Return the share of a pixel that the lines of a piece cover at most, in (0, 1]."""
    return min(pen_width(paint(piece.pixels, piece.strengths)) / THIN_LINE, 1)


def _touches_edge(piece: InkPiece, shape: tuple[int, ...]) -> bool:
    height, width = shape
    last = np.array([width - 1, height - 1])
    return bool(((piece.pixels == 0) | (piece.pixels == last)).any())


def _measure_contacts(pieces: Sequence[InkPiece]) -> Floats:
    """Return the numbers of touching pixels of pieces cut from the same ink: `[piece, piece]`."""
    count = len(pieces)
    numbers = _number_pixels(pieces)
    contacts = np.zeros((count + 1, count + 1))
    for first, second in ((numbers[:, :-1], numbers[:, 1:]), (numbers[:-1], numbers[1:])):
        is_edge = first != second
        np.add.at(contacts, (first[is_edge], second[is_edge]), 1)
    of_pieces = (contacts + contacts.T)[:count, :count]
    blobs = np.array([piece.blob for piece in pieces])
    is_same_blob = blobs[:, None] == blobs
    return np.where(is_same_blob, of_pieces, 0)


def _number_pixels(pieces: Sequence[InkPiece]) -> Integers:
    """Return the index of the piece in each pixel, or their number if there is none: `[y, x]`."""
    last_x, last_y = np.max([piece.pixels.max(axis=0) for piece in pieces], axis=0)
    numbers = np.full((last_y + 1, last_x + 1), len(pieces))
    for number, piece in enumerate(pieces):
        columns, rows = piece.pixels.T
        numbers[rows, columns] = number
    return numbers


def _measure_distances(pieces: Sequence[InkPiece], boxes: Floats, scale: float) -> Floats:
    """Return distances between nearby pieces, `[piece, piece]`; others are infinite."""
    lows, highs = boxes[:, :2], boxes[:, 2:]  # [piece, (x, y)]
    gaps = np.maximum(lows[:, None] - highs, lows - highs[:, None]).max(axis=2)
    distances = np.full(gaps.shape, np.inf)
    samples = [sample_points(piece.points) / scale for piece in pieces]
    for first, second in np.argwhere(np.triu(gaps <= MAX_GAP, 1)).tolist():
        distance = shortest_distance(samples[first], samples[second])
        distances[first, second] = distances[second, first] = distance
    return distances


# ---- the most probable division of a cluster


class Division(NamedTuple):
    """A way to divide a cluster."""

    choices: list[int]  # indices
    worth: float  # the sum of their worths, a log likelihood up to a constant
    probability: float  # of this division among all


class _State(NamedTuple):
    """All ways to assign the same pieces."""

    total: float  # the worth of the best way
    log_sum: float  # of the exponentials of the worths of all
    chosen: tuple[int, ...]  # by the best


def divide(cluster: Sequence[int], choices: Sequence[Choice], worths: Sequence[float]) -> Division:
    """Divide the pieces of a cluster in the most probable way.

    Dynamic programming: pieces are assigned from left to right, and ways that assign the same
    pieces are combined.
    """
    places = {piece: place for place, piece in enumerate(cluster)}
    masks = [sum(1 << places[piece] for piece in choice.members) for choice in choices]
    starting: list[list[int]] = [[] for _ in cluster]  # indices of choices, by first place
    for index, mask in enumerate(masks):
        first = (mask & -mask).bit_length() - 1
        starting[first].append(index)
    states = {0: _State(0.0, 0.0, ())}  # by a mask of the pieces dealt
    for first, indices in enumerate(starting):
        reached: dict[int, _State] = {}
        for dealt, state in states.items():
            if dealt >> first & 1:
                _merge(reached, dealt, state)
                continue
            for index in indices:
                if not dealt & masks[index]:
                    _merge(reached, dealt | masks[index], _extend(state, index, worths[index]))
        states = _best_states(reached)
    [state] = states.values()  # only one mask has all pieces
    probability = math.exp(state.total - state.log_sum)
    return Division(list(state.chosen), state.total, probability)


def _extend(state: _State, index: int, worth: float) -> _State:
    return _State(state.total + worth, state.log_sum + worth, (*state.chosen, index))


def _merge(states: dict[int, _State], dealt: int, state: _State) -> None:
    if dealt in states:
        other = states[dealt]
        better = max(state, other, key=lambda one: one.total)
        log_sum = float(np.logaddexp(state.log_sum, other.log_sum))
        state = better._replace(log_sum=log_sum)
    states[dealt] = state


def _best_states(states: dict[int, _State]) -> dict[int, _State]:
    if len(states) <= MAX_STATES:
        return states
    best = sorted(states.items(), key=lambda item: -item[1].total)
    return dict(best[:MAX_STATES])
