"""Reading of pages: clusters of ink are divided into digits and dropped pieces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.handwriting.brackets import without_brackets
from mnist_nb.handwriting.ink_grouping import (
    SURE,
    Choice,
    DigitFeatures,
    Doubts,
    DroppedFeatures,
    InkLayout,
    Reading,
    divide,
    load_weights,
    weighted_sum,
)
from mnist_nb.handwriting.lines import find_lines
from mnist_nb.handwriting.pieces import (
    Box,
    InkPiece,
    Piece,
    by_blob,
    check_piece_count,
    draw_pieces,
    enclosing_box,
    ink_pieces,
    join_low,
    without_small,
)
from mnist_nb.handwriting.preprocessing import Floats, Mask, Pixels, weighted_quantile
from mnist_nb.handwriting.refusal import predict_and_score, score_logits
from mnist_nb.handwriting.slashes import AnySign, without_slashes
from mnist_nb.models import predict

MIN_PIECE_SIZE = 0.1  # in heights of a digit; smaller pieces are specks
MIN_CUT_HEIGHT = 0.4  # in heights of a digit; digits do not touch in lower ink
MIN_WORTH = -4.5  # of a digit; nearly all digits on pages that are read correctly have more
MAX_CHOICES = 2000  # twice as many as made pages of digits and words have
TINY = 1e-9  # lower probabilities count as this one, so that logarithms are finite
SMALL_LINE = 0.6  # the height of a printed line, at most, in heights of the largest digits
MIN_LETTER = 0.4  # the height of a letter, at least, in heights of what is read as a digit
UNSURE_WEIGHT = 0.05  # of the height of ink that does not look like a digit

DOUBTFUL = 0.95  # a digit read with less probability is read in these forms as well
FORMS = (
    (1, -0.2),
    (1, 0.2),
    (0.8, 0),
    (1.25, 0),
)  # stretch and slant; the mean over the forms is better


class PageDigit(NamedTuple):
    """A digit found on a page."""

    box: Box  # of its ink
    image: Pixels  # [28, 28], the input of the network
    probabilities: NDArray[np.float32]  # [10]
    score: float  # in [0, 1], how sure it is that this is a digit at all


class FoundDigits(NamedTuple):
    """The digits of a page.

    Attributes:
        lines: the lines from top to bottom, each from left to right.
        confidence: the probability that all digits are right, in [0, 1].
        evidence: the log ratio of the likelihoods of the page with digits and without any, per
            digit. It is 0 if there are none.
    """

    lines: list[list[PageDigit]]
    confidence: float
    evidence: float


@dataclass(frozen=True)
class Cluster:
    """Pieces close to each other, and the ways to divide them.

    Attributes:
        pieces: the indices of the pieces, from left to right.
        choices: the digits and dropped pieces of which each division consists.
        features: the features of each choice.
    """

    pieces: list[int]
    choices: list[Choice]
    features: list[DigitFeatures | DroppedFeatures]


@dataclass(frozen=True)
class InkPage:
    """A description of the ink of a page.

    Attributes:
        pieces: the pieces without specks.
        scale: the height of a digit in pixels.
        width: the width of the picture in pixels.
        clusters: the clusters of pieces.
        reader: the reader of all groups that may be digits.
    """

    pieces: list[InkPiece]
    scale: float
    width: int
    clusters: list[Cluster]
    reader: PieceReader


class PieceReader:
    """A reader of groups of pieces, which reads each only once.

    Args:
        model: the network.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._digits: dict[tuple[InkPiece, ...], PageDigit] = {}

    def read(self, groups: Sequence[Sequence[InkPiece]]) -> list[PageDigit]:
        """Read each group as one digit."""
        keys = [tuple(group) for group in groups]
        new = [key for key in dict.fromkeys(keys) if key not in self._digits]
        if new:
            images = np.stack([draw_pieces(key) for key in new])
            probabilities, scores = predict_and_score(self._model, images)
            for row, key in enumerate(new):
                box = enclosing_box([piece.box for piece in key])
                of_digits = probabilities[row].numpy()
                self._digits[key] = PageDigit(box, images[row], of_digits, float(scores[row]))
        return [self._digits[key] for key in keys]

    def describe(self, group: Sequence[InkPiece]) -> Reading:
        """Return the network's reading of a group."""
        (digit,) = self.read([group])
        (score_logit,) = score_logits(np.array([digit.score]), self._model)
        return Reading(digit.probabilities, float(score_logit), confidence_of(digit))


class ScoredDigit(Protocol):
    """A digit that a network has read."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The probability of each digit, `[10]`."""

    @property
    def score(self) -> float:
        """In [0, 1], how sure the network is that this is a digit at all."""


def confidence_of(digit: ScoredDigit) -> float:
    """Return the probability that this is a digit, and read correctly."""
    return float(digit.probabilities.max() * digit.score)


def describe_page(ink: Floats, model: nn.Module) -> InkPage:
    """Find the pieces that may be digits, and their features.

    Raises:
        ValueError: if there are more than 400 pieces, or they are too close together.
    """
    pieces = [piece for piece in ink_pieces(ink) if isinstance(piece, InkPiece)]
    reader = PieceReader(model)
    scale = _digit_height(pieces, reader)
    pieces = join_low(pieces, MIN_CUT_HEIGHT * scale)
    kept = without_small(pieces, MIN_PIECE_SIZE * scale)
    check_piece_count(kept)
    layout = InkLayout(kept, scale, ink.shape)
    clusters = layout.clusters()
    choices = _list_choices(layout, clusters)
    groups = []
    for choice in itertools.chain.from_iterable(choices):
        if choice.is_digit:
            groups.append(choice.members)
    reader.read([_pick(kept, members) for members in groups])
    layout.find_lines(_sure_digits(layout, groups, kept, reader))
    described = []
    for cluster, of_cluster in zip(clusters, choices, strict=True):
        features = [_describe(choice, layout, kept, reader) for choice in of_cluster]
        described.append(Cluster(cluster, of_cluster, features))
    return InkPage(kept, scale, ink.shape[1], described, reader)


def _list_choices(layout: InkLayout, clusters: Sequence[list[int]]) -> list[list[Choice]]:
    """List the choices of each cluster.

    Raises:
        ValueError: if there are too many: textures would take minutes.
    """
    choices = []
    for cluster in clusters:
        choices.append(list(itertools.islice(layout.choices(cluster), MAX_CHOICES)))
    if sum(len(of_cluster) for of_cluster in choices) >= MAX_CHOICES:
        raise ValueError(
            "this picture does not look like a number: its pieces of ink are too close together "
            "to be digits; crop it to the number"
        )
    return choices


def _pick(pieces: Sequence[InkPiece], members: Sequence[int]) -> list[InkPiece]:
    return [pieces[index] for index in members]


def _describe(
    choice: Choice, layout: InkLayout, pieces: Sequence[InkPiece], reader: PieceReader
) -> DigitFeatures | DroppedFeatures:
    if not choice.is_digit:
        return layout.describe_dropped(choice.members)
    reading = reader.describe(_pick(pieces, choice.members))
    return layout.describe_digit(choice.members, reading)


def _digit_height(pieces: Sequence[InkPiece], reader: PieceReader) -> float:
    """Return the height of the digits: the median over pieces and connected ink, weighted by their
    height and digit score."""
    blobs = by_blob(pieces)
    parts = [[piece] for piece in pieces if len(blobs[piece.blob]) > 1]
    digits = reader.read([*blobs.values(), *parts])
    heights = np.array([max(digit.box[3] - digit.box[1], 1) for digit in digits])
    likely = np.array([confidence_of(digit) for digit in digits])
    return weighted_quantile(heights, heights * (UNSURE_WEIGHT + likely))


def _sure_digits(
    layout: InkLayout,
    groups: Sequence[list[int]],
    pieces: Sequence[InkPiece],
    reader: PieceReader,
) -> list[list[int]]:
    """Return the groups that are complete connected ink and look like a digit."""
    possible = {tuple(members) for members in groups}
    sure = []
    for members in layout.whole_blobs:
        if tuple(members) in possible and layout.is_tall(members):
            reading = reader.describe(_pick(pieces, members))
            if reading.confidence > SURE:
                sure.append(members)
    return sure


# ---- reading


def read_page(ink: Floats, model: nn.Module) -> FoundDigits:
    """Read the digits in ink `[H, W]`; there may be none."""
    weights = load_weights()
    page = without_words(describe_page(ink, model), weights)
    groups, probability = choose_digits(page, weights)
    digits = []
    for pieces, digit in zip(groups, page.reader.read(groups), strict=True):
        probabilities = read_doubtful(pieces, digit.probabilities, model)
        digits.append(digit._replace(probabilities=probabilities))
    lines = without_signs(arrange_in_lines(digits, page.scale), weights)
    kept = list(itertools.chain.from_iterable(lines))
    confidence = math.exp(-weighted_sum(doubts_about(kept, probability), weights))
    return FoundDigits(lines, confidence, measure_evidence(page, weights))


def without_words(page: InkPage, weights: Mapping[str, float]) -> InkPage:
    """Remove small lines with more letters than digits, such as a printed heading.

    Some letters, such as a g, are read as digits.
    """
    groups, _ = choose_digits(page, weights)
    if not groups:
        return page
    of_digits = set(itertools.chain.from_iterable(groups))
    is_digit = np.array([piece in of_digits for piece in page.pieces])
    pieces = np.array([piece.box for piece in page.pieces]) / page.scale
    digits = np.array([digit.box for digit in page.reader.read(groups)]) / page.scale
    is_in_words = _find_words(pieces, is_digit, digits)
    clusters = []
    for cluster in page.clusters:
        share = is_in_words[cluster.pieces].mean()  # tall letters may be above the others' level
        if share < 0.5:
            clusters.append(cluster)
    return replace(page, clusters=clusters)


def _find_words(pieces: Floats, is_digit: Mask, digits: Floats) -> Mask:
    """Return which pieces are at the level of words: bool `[piece]`.

    Args:
        pieces: the boxes of all pieces, `[piece, 4]`, in heights of a digit.
        is_digit: whether each is read as a digit, or as a part of one: bool `[piece]`.
        digits: the boxes of the digits, likewise, `[digit, 4]`.
    """
    lines = find_lines(digits)
    digit_heights = digits[:, 3] - digits[:, 1]
    heights = np.array([np.median(digit_heights[members]) for members in lines.members()])
    is_level = np.abs(lines.offsets(pieces)) < heights / 2  # [piece, line]
    piece_heights = pieces[:, 3] - pieces[:, 1]
    is_letter = piece_heights[:, None] >= MIN_LETTER * heights
    is_letter &= ~is_digit[:, None]
    letter_counts = np.count_nonzero(is_level & is_letter, axis=0)
    digit_counts = np.bincount(lines.numbers)
    is_small = heights <= SMALL_LINE * heights.max()
    is_words = is_small & (letter_counts > digit_counts)  # [line]
    is_in_words: Mask = (is_level & is_words).any(axis=1)
    return is_in_words


def read_doubtful(
    pieces: Sequence[Piece], probabilities: NDArray[np.float32], model: nn.Module
) -> NDArray[np.float32]:
    """Read a doubtful digit in several forms as well.

    Args:
        pieces: of the digit.
        probabilities: the network's reading of them, `[10]`.
        model: the network.

    Returns:
        The mean over the forms if the reading is doubtful, else the same probabilities.
    """
    if probabilities.max() >= DOUBTFUL:
        return probabilities
    forms = np.stack([draw_pieces(pieces, stretch, slant) for stretch, slant in FORMS])
    of_forms = predict(model, forms).numpy()
    return np.asarray(np.vstack([probabilities, of_forms]).mean(axis=0))


def doubts_about(digits: Sequence[PageDigit], probability: float) -> Doubts:
    """Return the doubts about the digits of a page.

    Args:
        digits: the digits of the page.
        probability: the probability that the page was divided correctly.
    """
    most = [float(digit.probabilities.max()) for digit in digits]
    scores = [digit.score for digit in digits]
    return Doubts(
        digits=len(digits),
        division=_surprise([probability]),
        reading=_surprise(most),
        score=_surprise(scores),
    )


def _surprise(probabilities: Sequence[float]) -> float:
    """Return minus the logarithm of the product."""
    return float(-np.log(np.maximum(probabilities, TINY)).sum())


def choose_digits(
    page: InkPage, weights: Mapping[str, float]
) -> tuple[list[list[InkPiece]], float]:
    """Divide all clusters. Return the pieces of each digit, and the probability of the division."""
    groups = []
    probability = 1.0
    for cluster in page.clusters:
        worths = _weigh_choices(cluster, weights, MIN_WORTH)
        division = divide(cluster.pieces, cluster.choices, worths)
        probability *= division.probability
        for index in division.choices:
            if cluster.choices[index].is_digit:
                groups.append(_pick(page.pieces, cluster.choices[index].members))
    return groups, probability


def _weigh_choices(
    cluster: Cluster, weights: Mapping[str, float], lowest: float = -math.inf
) -> list[float]:
    """Return the worth of each choice; that of a digit below the lowest is minus infinity."""
    worths = []
    for choice, features in zip(cluster.choices, cluster.features, strict=True):
        worth = weighted_sum(features, weights)
        if choice.is_digit and worth < lowest:
            worth = -math.inf
        worths.append(worth)
    return worths


def measure_evidence(page: InkPage, weights: Mapping[str, float]) -> float:
    """Return the log ratio of the likelihoods of a page with digits and without any, per digit.

    Unlikely digits count as well, and there are many of them in a text.
    """
    evidence, count = 0.0, 0
    for cluster in page.clusters:
        worths = _weigh_choices(cluster, weights)
        division = divide(cluster.pieces, cluster.choices, worths)
        evidence += division.worth
        count += sum(cluster.choices[index].is_digit for index in division.choices)
        dropped, of_dropped = [], []
        for choice, worth in zip(cluster.choices, worths, strict=True):
            if not choice.is_digit:
                dropped.append(choice)
                of_dropped.append(worth)
        evidence -= divide(cluster.pieces, dropped, of_dropped).worth
    return evidence / max(count, 1)


def arrange_in_lines(digits: Sequence[PageDigit], scale: float) -> list[list[PageDigit]]:
    """Arrange digits in lines from top to bottom, each from left to right."""
    if not digits:
        return []
    boxes = np.array([digit.box for digit in digits]) / scale
    lines = []
    for members in find_lines(boxes).members():
        line = [digits[index] for index in members]
        lines.append(sorted(line, key=_centre_x))
    return lines


def without_signs(
    lines: Sequence[Sequence[AnySign]], weights: Mapping[str, float]
) -> list[list[AnySign]]:
    """Remove brackets and slashes, which are read as 1s, from lines of digits."""
    return [without_slashes(without_brackets(line), weights) for line in lines]


def _centre_x(digit: PageDigit) -> float:
    left, _, right, _ = digit.box
    return left + right
