"""Grouping of a number's strokes into digits.

The pieces of a digit are close together, but so can be two digits. So every plausible group of
neighbours is scored, and the best division of the pieces into groups is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mnist_nb.handwriting.pieces import Piece
from mnist_nb.handwriting.preprocessing import Floats

# Lengths are in heights of a digit.
MAX_SPAN = 5  # a group is within so many consecutive pieces, from left to right
MAX_GAP = 0.3  # within a group
MAX_WIDTH = 1.7  # of a group of several pieces
MAX_HEIGHT = 2.0  # likewise
TYPICAL_WIDTH = 0.9
TYPICAL_HEIGHT = 0.7
CLEARANCE = 0.15  # other digits are usually at least this far away
MIN_WIDTH, MIN_HEIGHT = 0.15, 0.05  # smaller groups count as this large
LINE_GAP = 0.3  # pieces farther above or below are on another line
MAX_SAMPLES = 96  # points of a piece between which distances are measured


@dataclass(frozen=True)
class GroupFeatures:
    """The features of a group of pieces as one digit. Lengths are in its heights.

    Attributes:
        score_logit: of the network's digit score, at most 6.
        four_probability: that it is a 4, whose open forms get lower scores than other digits.
        intercept: 1.
        widest_gap: the widest gap to bridge to connect its pieces.
        shortness: ln(0.7 / height), at least 0.
        excess_width: beyond 0.9, at least 0.
        overlap: the largest share of its width, or of another piece's, that both cover.
        crowding: how much closer than 0.15 the nearest other piece is, at least 0.
    """

    score_logit: float
    four_probability: float
    intercept: float
    widest_gap: float
    shortness: float
    excess_width: float
    overlap: float
    crowding: float


# They maximise the likelihood of the right groups in 2,560 numbers put together from the digits of
# 32 people, less 0.15 times the sum of their squares.
GROUP_WEIGHTS = GroupFeatures(
    score_logit=0.58,
    four_probability=3.7,
    intercept=2.3,
    widest_gap=-1.2,
    shortness=-4.4,
    excess_width=-4.6,
    overlap=-3.4,
    crowding=-5.6,
)


def group_worth(features: GroupFeatures) -> float:
    """Return the log likelihood that a group is one digit: the weighted sum of its features."""
    worth = 0.0
    for name, weight in vars(GROUP_WEIGHTS).items():
        worth += weight * getattr(features, name)
    return worth


@dataclass(frozen=True, eq=False)
class Group:
    """Pieces that may be one digit; lengths are in heights of a digit.

    Attributes:
        members: indices of the pieces, increasing.
        low: left and top of the box around them, `[(x, y)]`.
        high: its right and bottom, likewise.
        widest_gap: that must be bridged to connect the pieces.
    """

    members: list[int]
    low: Floats
    high: Floats
    widest_gap: float

    @property
    def width(self) -> float:
        """Of the box."""
        return float(self.high[0] - self.low[0])

    @property
    def height(self) -> float:
        """Of the box."""
        return float(self.high[1] - self.low[1])


class Layout:
    """The layout of a number's pieces: the groups that are possible, and their features.

    Args:
        pieces: ordered from left to right.
        scale: the height of a digit, in the unit of the pieces' points.
    """

    def __init__(self, pieces: Sequence[Piece], scale: float) -> None:
        boxes = np.array([piece.box for piece in pieces]) / scale
        self._lows, self._highs = boxes[:, :2], boxes[:, 2:]  # [piece, (x, y)]
        self._distances = _measure_distances(pieces, scale)
        self._count = len(pieces)

    def plausible_groups(self) -> list[Group]:
        """Return single pieces, and groups of neighbours compact enough for a digit, ordered by
        first piece."""
        groups = []
        for members in self._neighbours():
            group = self._group(members)
            is_small = group.width <= MAX_WIDTH and group.height <= MAX_HEIGHT
            if len(members) == 1 or (is_small and group.widest_gap <= MAX_GAP):
                groups.append(group)
        return groups

    def _neighbours(self) -> Iterator[list[int]]:
        """Every choice of pieces that start close to each other."""
        for first in range(self._count):
            followers = range(first + 1, min(first + MAX_SPAN, self._count))
            starts = self._lows[:, 0] - self._lows[first, 0]
            near = [piece for piece in followers if starts[piece] <= MAX_WIDTH]
            for size in range(MAX_SPAN):
                for others in combinations(near, size):
                    yield [first, *others]

    def _group(self, members: list[int]) -> Group:
        low = self._lows[members].min(axis=0)
        high = self._highs[members].max(axis=0)
        distances = self._distances[np.ix_(members, members)]
        return Group(members, low, high, widest_gap(distances))

    def features(self, group: Group, score_logit: float, four_probability: float) -> GroupFeatures:
        """Describe a group.

        Args:
            group: one of `plausible_groups`.
            score_logit, four_probability: the results of the network.
        """
        first, last = group.members[0], group.members[-1]
        near = range(max(0, first - MAX_SPAN), min(last + MAX_SPAN, self._count))
        others = [piece for piece in near if piece not in group.members]
        height = max(group.height, MIN_HEIGHT)
        return GroupFeatures(
            score_logit=score_logit,
            four_probability=four_probability,
            intercept=1,
            widest_gap=group.widest_gap,
            shortness=max(math.log(TYPICAL_HEIGHT / height), 0),
            excess_width=max(group.width - TYPICAL_WIDTH, 0),
            overlap=self._overlap(group, others),
            crowding=self._crowding(group, others),
        )

    def _overlap(self, group: Group, others: list[int]) -> float:
        """Return the largest overlap with another piece of the line, as a share of the narrower
        width; 0 if there is none."""
        lows, highs = self._lows[others], self._highs[others]
        start, stop = np.maximum(group.low, lows), np.minimum(group.high, highs)
        shared_width, shared_height = (stop - start).T
        widths = (highs - lows)[:, 0]
        narrower = np.clip(widths, MIN_WIDTH, max(group.width, MIN_WIDTH))
        shares = shared_width / narrower
        is_same_line = shared_height > -LINE_GAP
        return float(shares[is_same_line].max(initial=0))

    def _crowding(self, group: Group, others: list[int]) -> float:
        distances = self._distances[np.ix_(group.members, others)]
        return float(CLEARANCE - distances.min(initial=CLEARANCE))


def _measure_distances(pieces: Sequence[Piece], scale: float) -> Floats:
    """Return distances between nearby pieces, `[piece, piece]`; others are infinite."""
    count = len(pieces)
    samples = [sample_points(piece.points) / scale for piece in pieces]
    distances = np.full((count, count), np.inf)
    for first in range(count):
        for second in range(first + 1, min(first + MAX_SPAN, count)):
            distance = shortest_distance(samples[first], samples[second])
            distances[first, second] = distances[second, first] = distance
    return distances


def sample_points(points: Floats) -> Floats:
    """Return at most 96 points, evenly spaced."""
    step = math.ceil(len(points) / MAX_SAMPLES)
    return points[::step]


def shortest_distance(points: Floats, others: Floats) -> float:
    """Return the distance between the nearest points of two sets, each `[point, (x, y)]`."""
    across = np.subtract.outer(points[:, 0], others[:, 0])
    down = np.subtract.outer(points[:, 1], others[:, 1])
    squares = across**2 + down**2
    return float(np.sqrt(squares.min()))


def widest_gap(distances: Floats) -> float:
    """Return the widest gap to bridge to connect all pieces, from their distances `[piece,
    piece]`."""
    gaps = distances
    for bridge in range(len(distances)):
        by_bridge = np.maximum(gaps[:, bridge, None], gaps[bridge])
        gaps = np.minimum(gaps, by_bridge)
    return float(gaps[0, 1:].max(initial=0))


# ---- the best division of pieces into groups


def best_division(groups: Sequence[Group], worths: Sequence[float]) -> list[int]:
    """Divide the pieces into groups with the largest total worth.

    Dynamic programming: pieces are assigned from left to right. Of all ways to assign the same
    pieces, only the best is kept.

    Args:
        groups: the result of `Layout.plausible_groups`, ordered by first piece.
        worths: the worth of each group.

    Returns:
        The indices of the groups chosen.
    """
    count = groups[-1].members[0] + 1
    masks = [sum(1 << piece for piece in group.members) for group in groups]
    starting: list[list[int]] = [[] for _ in range(count)]  # indices of groups, by first piece
    for index, group in enumerate(groups):
        starting[group.members[0]].append(index)
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}  # by a mask of the pieces dealt
    for first in range(count):
        reached: dict[int, tuple[float, list[int]]] = {}
        for dealt, (total, chosen) in best.items():
            if dealt >> first & 1:
                _keep_better(reached, dealt, total, chosen)
                continue
            for index in starting[first]:
                if not dealt & masks[index]:
                    after = dealt | masks[index]
                    _keep_better(reached, after, total + worths[index], [*chosen, index])
        best = reached
    [(_, division)] = best.values()  # only one mask has all pieces
    return division


def _keep_better(
    best: dict[int, tuple[float, list[int]]], dealt: int, total: float, chosen: list[int]
) -> None:
    if dealt not in best or total > best[dealt][0]:
        best[dealt] = total, chosen
