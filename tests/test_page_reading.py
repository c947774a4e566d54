"""Ink is divided into digits in the most probable way; the weights are fitted on generated
pages."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import fit_grouping
import numpy as np
import pytest
from made_pages import KINDS, NOBODY, Page, digit_mask, make_page
from PIL import ImageDraw, ImageFont, ImageOps

from mnist_nb import find_ink, load_pretrained, read_number
from mnist_nb.data import Mnist
from mnist_nb.handwriting.ink_grouping import (
    DigitFeatures,
    Doubts,
    DroppedFeatures,
    SlashFeatures,
    divide,
    load_weights,
    weighted_sum,
)
from mnist_nb.handwriting.page_reading import describe_page, read_page
from mnist_nb.handwriting.pieces import InkPiece, Piece, ink_pieces
from mnist_nb.handwriting.preprocessing import Floats


def test_the_likeliest_division_is_found_with_its_probability(sample: Mnist) -> None:
    page = make_page("creased", 3, sample.train)
    described = describe_page(find_ink(page.picture), load_pretrained())
    weights = load_weights()
    for cluster in described.clusters:
        worths = [weighted_sum(features, weights) for features in cluster.features]
        division = divide(cluster.pieces, cluster.choices, worths)
        totals = []
        for way in fit_grouping.all_divisions(cluster):
            totals.append(sum(worths[index] for index in way))
        if len(totals) > fit_grouping.MAX_DIVISIONS:  # not all ways were listed
            continue
        shares = np.exp(np.array(totals) - max(totals))
        assert sum(worths[index] for index in division.choices) == pytest.approx(max(totals))
        assert division.probability == pytest.approx(1 / shares.sum())


def test_each_piece_is_used_exactly_once(sample: Mnist) -> None:
    described = describe_page(
        find_ink(make_page("form remains", 1, sample.train).picture), load_pretrained()
    )
    for cluster in described.clusters:
        for way in itertools.islice(fit_grouping.all_divisions(cluster), 50):
            dealt = [piece for index in way for piece in cluster.choices[index].members]
            assert sorted(dealt) == sorted(cluster.pieces)


def test_right_pieces_are_those_that_a_digit_owns(sample: Mnist) -> None:
    """A comma has no owner, and each digit of a line is a group."""
    page = make_page("comma", 2, sample.train)
    described = describe_page(find_ink(page.picture), load_pretrained())
    owners = [fit_grouping.find_owner(piece, page, described.width) for piece in described.pieces]
    assert set(owners) >= set(range(len(page.boxes)))
    digits = 0
    for cluster in described.clusters:
        right = fit_grouping.right_choices(cluster, described, owners)
        assert right is not None
        digits += sum(cluster.choices[index].is_digit for index in right)
    assert digits == len(page.boxes)


@pytest.mark.parametrize(("pen", "height"), [(0.7, 50), (1.3, 50), (1.8, 50), (1, 20), (1, 70)])
def test_touching_digits_of_any_pen_are_cut_into_few_pieces(
    pen: float, height: float, sample: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    touching = KINDS["touching in a drawing"]
    kind = replace(touching, pen=(pen, pen), height=(height, height))
    monkeypatch.setitem(KINDS, "test", kind)
    is_apart, piece_count = [], 0
    for seed in range(8):
        page = make_page("test", seed, sample.train)
        pieces = ink_pieces(find_ink(page.picture))
        piece_count += len(pieces)
        is_apart += are_cut_apart(pieces, page)
    assert np.mean(is_apart) > 0.8
    assert piece_count < 1.8 * len(is_apart)


def are_cut_apart(pieces: Sequence[Piece], page: Page) -> list[bool]:
    """Return for each digit whether its pieces have all of its ink and no other, but for a few
    pixels."""
    found = np.full(page.owners.shape, NOBODY)
    for piece in pieces:
        assert isinstance(piece, InkPiece)
        columns, rows = piece.pixels.T
        found[rows, columns] = fit_grouping.find_owner(piece, page, page.picture.width)
    found[page.owners == NOBODY] = NOBODY
    is_apart = []
    for digit in range(len(page.boxes)):
        is_digit = page.owners == digit
        is_wrong = is_digit != (found == digit)
        is_apart.append(bool(is_wrong.sum() < 0.1 * is_digit.sum()))
    return is_apart


def test_low_ink_is_not_cut() -> None:
    """A long dash next to digits is one piece."""
    picture = np.zeros((80, 260), np.uint8)
    for left in (30, 70, 110):
        picture[20:60, left : left + 5] = 255
    picture[38:43, 150:230] = 255
    described = describe_page(find_ink(picture), load_pretrained())
    assert len(described.pieces) == 4


@pytest.mark.parametrize("seed", [3, 13])
def test_letters_above_a_number_are_left_out(seed: int, sample: Mnist) -> None:
    page = make_page("words", seed, sample.train)
    assert read_number(page.picture).text == page.text


@pytest.mark.parametrize("heading", ["Charging", "Zugang", "Logging"])
def test_printed_letters_above_a_number_are_left_out(heading: str, sample: Mnist) -> None:
    page = make_page("drawing", 2, sample.train)
    picture = ImageOps.expand(page.picture, 40, "white")
    ImageDraw.Draw(picture).text((40, 8), heading, "black", ImageFont.load_default(22))
    assert read_number(picture).text == page.text


@pytest.mark.parametrize("seed", [1, 4, 9])
def test_digits_on_the_line_of_an_addition_are_read(seed: int, sample: Mnist) -> None:
    page = make_page("addition", seed, sample.train)
    assert read_number(page.picture).text == page.text


def test_connected_ink_may_be_dropped_as_a_whole(sample: Mnist) -> None:
    page = make_page("words", 1, sample.train)
    described = describe_page(find_ink(page.picture), load_pretrained())
    blobs: dict[int, list[int]] = {}
    for number, piece in enumerate(described.pieces):
        blobs.setdefault(piece.blob, []).append(number)
    dropped = []
    for cluster in described.clusters:
        dropped += [choice.members for choice in cluster.choices if not choice.is_digit]
    assert all(members in dropped for members in blobs.values())


def test_touching_digits_are_not_left_out_together(sample: Mnist) -> None:
    page = make_page("touching", 31, sample.validation)
    assert len(read_number(page.picture).text) >= len(page.text) - 2


@pytest.mark.parametrize("kind", ["comma", "comma in a drawing", "point", "minus", "specks"])
def test_no_sign_between_digits_is_read_as_one(kind: str, sample: Mnist) -> None:
    extra = 0
    for seed in range(3000, 3006):
        page = make_page(kind, seed, sample.train)
        found = read_page(find_ink(page.picture), load_pretrained())
        extra += max(sum(map(len, found.lines)) - len(page.boxes), 0)
    assert extra <= 1


def write_five_digits(
    ink: Floats, data: Mnist, height: int, top: int, left: int, pitch: int
) -> None:
    """Write the first training digits side by side into ink `[H, W]`; lengths are in pixels."""
    for number in range(5):
        mask = digit_mask(data.train.images[number].numpy(), height, pen=1)
        mask_height, mask_width = mask.shape
        digit_left = left + pitch * number
        ink[top : top + mask_height, digit_left : digit_left + mask_width] = mask


@pytest.mark.parametrize(("width", "is_read"), [(2, True), (6, False)])
def test_a_small_thin_digit_is_kept_and_a_pale_mark_is_not(
    width: int, is_read: bool, sample: Mnist
) -> None:
    """A thin line that covers two columns of pixels partly is not pale ink."""
    ink = np.zeros((50, 210))
    write_five_digits(ink, sample, height=18, top=15, left=15, pitch=30)
    ink[15:33, 175 : 175 + width] = 0.6
    found = read_page(find_ink(255 - 255 * ink), load_pretrained())
    last = found.lines[0][-1]
    assert sum(map(len, found.lines)) == 5 + is_read
    assert (last.box[0] > 170) == is_read


@pytest.mark.parametrize(("top", "is_read"), [(40, True), (20, False), (65, False)])
def test_a_low_one_is_read_inside_a_line_and_not_outside(
    top: int, is_read: bool, sample: Mnist
) -> None:
    """Marks above or below the middle of a line are apostrophes and commas."""
    ink = np.zeros((120, 460))
    write_five_digits(ink, sample, height=60, top=30, left=60, pitch=75)
    ink[top : top + 16, 20] = 1
    found = read_page(find_ink(255 - 255 * ink), load_pretrained())
    assert sum(map(len, found.lines)) == 5 + is_read


def test_weights_are_fitted_and_written(
    tmp_path: Path, sample: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {kind: KINDS[kind] for kind in ("drawing", "comma", "date in a drawing")}
    monkeypatch.setattr(fit_grouping, "KINDS", few)
    monkeypatch.setattr(fit_grouping, "load_mnist", lambda: sample)
    output = tmp_path / "weights.json"
    fit_grouping.main(["--pages", "2", "--output", str(output)])
    weights = json.loads(output.read_text())
    names = [*fit_grouping.NAMES, *fit_grouping.SLASHES, *fit_grouping.DOUBTS]
    assert list(weights) == names
    assert list(weights) == list(load_weights())
    assert all(math.isfinite(weight) for weight in weights.values())
    assert weights["score_logit"] > 0 > weights["cut_ink"]
    assert weights["slash_above"] > 0 > weights["slash_thickness"]


def test_every_feature_has_a_weight() -> None:
    names = [*DigitFeatures.__annotations__, *DroppedFeatures.__annotations__]
    names += [*SlashFeatures.__annotations__, *Doubts.__annotations__]
    assert set(load_weights()) == set(names)


def test_faint_ink_connects_the_halves_of_a_stroke() -> None:
    ink = np.zeros((40, 40))
    ink[5:35, 18:21] = 1
    ink[18:21] *= 0.1  # a fold
    assert len(ink_pieces(ink)) == 1
    ink[19] = 0
    assert len(ink_pieces(ink)) == 2


@pytest.mark.parametrize("period", [4, 16])
def test_stripes_are_refused_before_they_are_grouped(period: int) -> None:
    columns = np.arange(512) % period < period // 2
    stripes = np.tile(np.where(columns, 255, 0), (512, 1))
    with pytest.raises(ValueError, match="too close together"):
        read_number(stripes)


def test_ink_without_any_digit_is_refused_in_a_sentence() -> None:
    speck = np.array([[0, 255], [255, 255]])
    with pytest.raises(ValueError, match="nothing in it looks like a digit"):
        read_number(speck)
