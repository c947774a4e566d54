"""Whole numbers: find pieces, read every plausible group, and choose the best division."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.handwriting.grouping import Layout, best_division, group_worth
from mnist_nb.handwriting.ink_grouping import load_weights
from mnist_nb.handwriting.page_reading import (
    PageDigit,
    confidence_of,
    read_doubtful,
    read_page,
    without_signs,
)
from mnist_nb.handwriting.pictures import find_ink
from mnist_nb.handwriting.pieces import (
    Box,
    Piece,
    StrokePiece,
    check_piece_count,
    draw_pieces,
    enclosing_box,
    stroke_pieces,
    without_small,
)
from mnist_nb.handwriting.preprocessing import EmptySketchError, Floats, Pixels, weighted_quantile
from mnist_nb.handwriting.pretrained import load_pretrained
from mnist_nb.handwriting.refusal import is_refused, predict_and_score, score_logits
from mnist_nb.handwriting.sketch import Sketch, Stroke

MIN_PIECE_SIZE = 0.15  # in heights of a digit; smaller pieces are specks
MIN_DIGIT_SIZE = 0.3  # in heights of a digit; smaller groups are dots
MAX_DASH_HEIGHT = 0.3  # in heights of a digit; refused signs that are lower are dashes
MIN_LINE_OVERLAP = 0.35  # of two digits of a line, in heights of the lower one
MIN_PIECE_HEIGHT = 1e-3  # of a piece, where heights are compared

# A comma or a point behind a digit, in heights of a digit. Of 328 ones in drawn numbers, none is so
# low or so short.
COMMA_TEXTS = ("1", "?")  # how it is read
COMMA_TOP = (-0.2, 0.5)  # its top, above the digit's bottom
COMMA_HEIGHT = 0.55  # its height, at most
COMMA_REACH = 1  # from the digit's right side to its left side, at most

# Of 400 single test digits, 0.8 % are read with less; most of QR codes and checkerboards, and half
# of the letters in a text.
MIN_CONFIDENCE = 0.05  # of a digit in a picture
MAX_UNLIKELY = 1 / 3  # the share of digits with less, from which on it is no number

# A picture read with less than both of these shows text or a pattern, with digits here and there.
MIN_NUMBER_CONFIDENCE = 0.55
MIN_EVIDENCE = 4.5  # most printed texts have less

# Next to other signs a digit is far likelier than alone on a pad where anything may be drawn, so a
# tenth of the score suffices.
SCORE_FACTOR = 10


class ReadDigit(NamedTuple):
    """One digit of a number that was read."""

    text: str  # "0" to "9", or "?" if the network refuses it
    box: Box  # of its ink
    image: Pixels  # [28, 28], the input of the network
    probabilities: NDArray[np.float32]  # [10], averaged over several forms if it was doubtful
    score: float  # in [0, 1], how sure it is that this is a digit at all
    strokes: Sequence[Stroke] = ()  # its visible parts on the sketch's canvas; empty for a picture


class Number(NamedTuple):
    """A number, read in a drawing or a picture."""

    text: str  # lines are joined by newlines
    digits: list[ReadDigit]  # in the text's order
    confidence: float  # in [0, 1], that all of it is read right; see `read_number`


def read_number(source: Any, model: nn.Module | None = None) -> Number:
    """Read a number of any length, in one line or several.

    Strokes are never cut: two digits in one stroke are read as one. Touching digits in a picture
    are cut apart. The order and the position of strokes do not matter.

    Decimal commas, points and minus signs are left out: "-3,5" is read as "35". So are pairs of
    brackets, and the slashes of a date: "12/05/2026" is read as "12052026". Any other slash is read
    as a 1 unless it is clearly longer than the digits. In a picture, ink that does not look like a
    digit and is not in a line of digits is ignored, such as the remains of a form, and so is a
    heading in smaller letters.

    Args:
        source: a `Sketch`, or a picture as for `find_ink`. Boxes are in pixels of its canvas or
            of the picture.
        model: the network; defaults to the shipped one that reads handwriting best.

    Returns:
        The number. Its confidence is the product of the digits' probabilities and scores. For a
        picture it also includes the division of the ink, and is calibrated on made pages.

    Raises:
        EmptySketchError: if there is no ink.
        ValueError: if `source` is not a picture, has more than 400 pieces of ink, or does not show
            a number, judging by its layout and the confidence in its digits.
    """
    model = load_pretrained() if model is None else model
    if isinstance(source, Sketch):
        return _read_strokes(source, model)
    return read_ink(find_ink(source), model)


def _read_strokes(sketch: Sketch, model: nn.Module) -> Number:
    pieces = stroke_pieces(sketch)
    if not pieces:
        raise EmptySketchError("there is no ink here: draw a number first")
    scale = _digit_height(pieces)
    pieces = without_small(pieces, MIN_PIECE_SIZE * scale)
    check_piece_count(pieces)
    pieces.sort(key=_from_left_to_right)
    # dots among digits are removed, dots alone are read
    readings = without_small(_read_groups(pieces, scale, model), MIN_DIGIT_SIZE * scale)
    factor = SCORE_FACTOR if len(readings) > 1 else 1
    signs = [_read_closely(reading, model, factor) for reading in readings]
    lines = arrange_in_lines(_without_punctuation(signs, scale))
    return _number(without_signs(lines, load_weights()))


def read_ink(ink: Floats, model: nn.Module) -> Number:
    """Read a number in ink `[H, W]`, as `find_ink` finds it in a picture.

    Raises:
        ValueError: as `read_number` does.
    """
    found = read_page(ink, model)
    lines = []
    for line in found.lines:
        lines.append([_name(digit, model, SCORE_FACTOR) for digit in line])
    number = _number(lines)
    _check_confidences([confidence_of(digit) for digit in number.digits])
    if found.confidence < MIN_NUMBER_CONFIDENCE and found.evidence < MIN_EVIDENCE:
        raise ValueError(
            "this picture does not look like a number: too few of its signs look like digits; "
            "crop it to the number"
        )
    return number._replace(confidence=found.confidence)


def _name(
    digit: PageDigit, model: nn.Module, factor: float, strokes: Sequence[Stroke] = ()
) -> ReadDigit:
    """Add a digit's text, "?" if `factor` times its score is too low, and its strokes."""
    text = str(digit.probabilities.argmax())
    if is_refused(model, factor * digit.score):
        text = "?"
    return ReadDigit(text, *digit, strokes)


def _number(lines: list[list[ReadDigit]]) -> Number:
    digits = [digit for line in lines for digit in line]
    text = "\n".join("".join(digit.text for digit in line) for line in lines)
    confidences = [confidence_of(digit) for digit in digits]
    return Number(text, digits, float(np.prod(confidences)))


def _check_confidences(confidences: Sequence[float]) -> None:
    """Raise ValueError if a picture does not show a number."""
    if not confidences:
        raise ValueError(
            "this picture does not look like a number: nothing in it looks like a digit; "
            "crop it to the number"
        )
    unlikely = sum(confidence < MIN_CONFIDENCE for confidence in confidences)
    if unlikely >= MAX_UNLIKELY * len(confidences):
        raise ValueError(
            f"this picture does not look like a number: {unlikely} of the {len(confidences)} "
            "signs found in it do not look like digits; crop it to the number, or write larger "
            "and darker"
        )


# ---- which pieces


def _digit_height(pieces: Sequence[Piece]) -> float:
    """Return the height of the digits: the median over pieces, weighted by their heights."""
    heights = [max(piece.box[3] - piece.box[1], MIN_PIECE_HEIGHT) for piece in pieces]
    return weighted_quantile(heights, heights)


def _from_left_to_right(piece: Piece) -> tuple[float, float, Box]:
    left, top, right, bottom = piece.box
    return left + right, top + bottom, piece.box


# ---- what they say


class _Reading(NamedTuple):
    """Pieces of one digit, and the network's reading."""

    pieces: list[Piece]
    box: Box
    image: Pixels
    probabilities: NDArray[np.float32]
    score: float


def _read_groups(pieces: Sequence[Piece], scale: float, model: nn.Module) -> list[_Reading]:
    """Divide pieces, ordered from left to right, into the groups that look most like digits."""
    layout = Layout(pieces, scale)
    groups = layout.plausible_groups()
    members = [[pieces[index] for index in group.members] for group in groups]
    images = np.stack([draw_pieces(some) for some in members])
    probabilities, scores = (answer.numpy() for answer in predict_and_score(model, images))
    logits = score_logits(scores, model)
    worths = []
    for group, logit, of_digits in zip(groups, logits, probabilities, strict=True):
        features = layout.features(group, float(logit), float(of_digits[4]))
        worths.append(group_worth(features))
    readings = []
    for index in best_division(groups, worths):
        box = enclosing_box([piece.box for piece in members[index]])
        score = float(scores[index])
        reading = _Reading(members[index], box, images[index], probabilities[index], score)
        readings.append(reading)
    return readings


def _read_closely(reading: _Reading, model: nn.Module, factor: float) -> ReadDigit:
    """Return the digit or its refusal. A doubtful drawn digit is read in several forms."""
    pieces, box, image, probabilities, score = reading
    probabilities = read_doubtful(pieces, probabilities, model)
    drawn = [piece.to_stroke() for piece in pieces if isinstance(piece, StrokePiece)]
    return _name(PageDigit(box, image, probabilities, score), model, factor, drawn)


# ---- commas, points and dashes


def _without_punctuation(signs: Sequence[ReadDigit], scale: float) -> Sequence[ReadDigit]:
    """Remove dashes, and commas and points behind digits, unless there is nothing else."""
    kept = []
    for sign in signs:
        is_comma = any(_is_comma_behind(other, sign, scale) for other in signs)
        if not is_comma and not _is_dash(sign, scale):
            kept.append(sign)
    return kept or signs


def _is_dash(sign: ReadDigit, scale: float) -> bool:
    _, top, _, bottom = sign.box
    return sign.text == "?" and bottom - top < MAX_DASH_HEIGHT * scale


def _is_comma_behind(digit: ReadDigit, sign: ReadDigit, scale: float) -> bool:
    """Return whether a sign that may be a comma is low and short, and to the right of a digit."""
    left, top, _, bottom = sign.box
    _, digit_top, digit_right, digit_bottom = digit.box
    height = max(digit_bottom - digit_top, scale)
    lowest, highest = COMMA_TOP
    is_low = lowest < (digit_bottom - top) / height < highest
    is_short = bottom - top < COMMA_HEIGHT * height
    is_behind = _centre_x(digit) < left < digit_right + COMMA_REACH * height
    return sign.text in COMMA_TEXTS and is_low and is_short and is_behind


# ---- lines


def arrange_in_lines(digits: Sequence[ReadDigit]) -> list[list[ReadDigit]]:
    """Arrange digits in lines from top to bottom, each from left to right.

    A digit follows the nearest digit to its left that shares its line, so a line may slope.
    """
    lines: list[list[ReadDigit]] = []
    for digit in sorted(digits, key=_centre_x):
        candidates = [line for line in lines if _share_line(line[-1].box, digit.box)]
        if candidates:
            nearest = max(candidates, key=lambda line: line[-1].box[2])
            nearest.append(digit)
        else:
            lines.append([digit])
    return sorted(lines, key=lambda line: float(np.mean([_centre_y(digit) for digit in line])))


def _share_line(first: Box, second: Box) -> bool:
    """Return whether two boxes overlap vertically by over a third of the lower one's height."""
    overlap = min(first[3], second[3]) - max(first[1], second[1])
    lower_height = min(first[3] - first[1], second[3] - second[1])
    return overlap > MIN_LINE_OVERLAP * lower_height


def _centre_x(digit: ReadDigit) -> float:
    left, _, right, _ = digit.box
    return (left + right) / 2


def _centre_y(digit: ReadDigit) -> float:
    _, top, _, bottom = digit.box
    return (top + bottom) / 2
