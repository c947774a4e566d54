"""Digits in boxes, combs and tables, on ruled paper and in dark photos are found whole, without
their surroundings."""

from collections.abc import Callable

import numpy as np
import pytest
from ink import THREE, difference_in_shape
from made_pages import make_page
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from mnist_nb import Mnist
from mnist_nb.handwriting.pictures import find_ink, from_image
from mnist_nb.handwriting.preprocessing import prepare

Grey = NDArray[np.float64]
Form = Callable[[ImageDraw.ImageDraw], None]

COUNT = 4
STEP, LEFT, TOP = 110, 40, 60  # the pitch of the digits, in pixels
SIZE = 480, 240


def threes(width: int = 8, level: int = 40, paper: int = 220) -> Image.Image:
    """Return a drawing of a row of 3s, each 70 by 115 pixels, dark on light."""
    page = Image.new("L", SIZE, paper)
    for place in range(COUNT):
        points = [(LEFT + place * STEP + x, TOP + y) for x, y in THREE.tolist()]
        ImageDraw.Draw(page).line(points, level, width, joint="curve")
    return page


def photographed(page: Image.Image, light: Grey | float = 1.0) -> Image.Image:
    """Return the page in this light `[H, W]`, with blur and grain."""
    levels = np.asarray(page.filter(ImageFilter.GaussianBlur(0.7)), np.float64) * light
    grain = np.random.default_rng(0).normal(0, 2, levels.shape)
    return Image.fromarray((levels + grain).clip(0, 255).astype(np.uint8))


def box(place: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a box around a digit."""
    left = LEFT + place * STEP
    return left - 5, TOP - 15, left + 105, TOP + 150


def boxes(draw: ImageDraw.ImageDraw) -> None:
    for place in range(COUNT):
        left, top, right, bottom = box(place)
        draw.rectangle((left, top, right - 12, bottom), outline=110, width=4)


def comb(draw: ImageDraw.ImageDraw) -> None:
    for place in range(COUNT):
        draw.rectangle(box(place), outline=40, width=3)


def tilted_comb(draw: ImageDraw.ImageDraw) -> None:
    for place in range(COUNT):
        left, top, right, bottom = box(place)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        tilted = [(x - 0.02 * y, y + 0.02 * x) for x, y in corners]
        draw.line(tilted, 60, 3)


def table(draw: ImageDraw.ImageDraw) -> None:
    for y in (TOP - 20, TOP + 155):
        draw.line((0, y, SIZE[0], y), 60, 3)
    for place in range(COUNT + 1):
        x = LEFT + place * STEP - 10
        draw.line((x, 0, x, SIZE[1]), 60, 3)


def narrow_boxes(draw: ImageDraw.ImageDraw) -> None:
    """Draw boxes that the 3s cross on one side."""
    for place in range(COUNT):
        left, top, right, bottom = box(place)
        draw.rectangle((left, top, right - 32, bottom), outline=130, width=3)


def pale_boxes(draw: ImageDraw.ImageDraw) -> None:
    """Draw boxes as pale as the palest ink, so that only half of their pixels count as ink."""
    for place in range(COUNT):
        left, top, right, bottom = box(place)
        draw.rectangle((left, top, right - 32, bottom), outline=182, width=3)
        for y in range(top, bottom, 2):
            draw.line((left, y, left + 3, y), 160)
            draw.line((right - 35, y, right - 32, y), 160)


def crossed_boxes(draw: ImageDraw.ImageDraw) -> None:
    """Draw boxes that the 3s cross on one side, at the top and at the bottom."""
    for place in range(COUNT):
        left, top, _, _ = box(place)
        left += 24 if place == 0 else 35
        top += 10 if place == 0 else 15
        draw.rectangle((left, top, left + 60, top + 105), outline=130, width=3)


def underline(draw: ImageDraw.ImageDraw) -> None:
    draw.line((0, TOP + 128, SIZE[0], TOP + 128), 40, 3)


FORMS = (boxes, comb, tilted_comb, table, narrow_boxes, pale_boxes, crossed_boxes)


def assert_only_threes(ink: Grey) -> None:
    """Assert that the ink is `count` whole 3s, from left to right."""
    blobs, count = ndimage.label(ink > 0, np.ones((3, 3)))
    assert count == COUNT
    expected = from_image(threes().crop((0, 0, LEFT + STEP - 15, SIZE[1])))
    for label in range(1, count + 1):
        shape = prepare(np.where(blobs == label, ink, 0))
        assert difference_in_shape(expected, shape) < 0.35


class TestForms:
    @pytest.mark.parametrize("form", FORMS)
    def test_printed_lines_around_digits_are_not_ink(self, form: Form) -> None:
        for prepared in (lambda page: page, photographed):
            page = threes()
            form(ImageDraw.Draw(page))
            assert_only_threes(find_ink(prepared(page)))

    def test_strokes_of_neighbours_are_not_sides_of_a_box(self, sample: Mnist) -> None:
        """Two strokes and the halves of two boxes look like a box of the same size."""
        page = make_page("boxes", 69, sample.train)
        is_digit = page.owners >= 0
        assert (find_ink(page.picture)[is_digit] > 0).mean() > 0.9

    def test_a_rule_that_touches_all_digits(self) -> None:
        page = threes().crop((0, TOP - 10, SIZE[0], TOP + 160))
        ImageDraw.Draw(page).line((0, 140, SIZE[0], 140), 40, 3)
        assert_only_threes(find_ink(page))

    def test_rules_across_digits_do_not_measure_the_pen(self) -> None:
        """Two rules join all digits to the picture's edge, and two end before it."""
        page = threes(width=14)
        for y in (TOP - 30, TOP + 135):
            ImageDraw.Draw(page).line((9, y, SIZE[0] - 9, y - 4), 150, 3)
        for y in (TOP + 30, TOP + 80):
            ImageDraw.Draw(page).line((0, y, SIZE[0], y - 4), 150, 3)
        ink = find_ink(photographed(page))
        is_stroke = np.asarray(threes(width=8)) < 100
        assert (ink[is_stroke] > 0.5).mean() > 0.9

    def test_a_rule_along_its_foot_leaves_a_digit_closed(self) -> None:
        page = Image.new("L", (480, 130), 255)
        for left in range(30, 430, 110):
            ImageDraw.Draw(page).ellipse((left, 10, left + 75, 112), outline=0, width=5)
        ImageDraw.Draw(page).line((0, 112, 480, 112), 0, 3)
        _, holes = ndimage.label(find_ink(page)[:, :-1] == 0)
        assert holes == COUNT + 1

    @pytest.mark.parametrize("width", [3, 8, 20])
    def test_square_digits_are_not_boxes(self, width: int) -> None:
        page = Image.new("L", (300, 240), 255)
        for left in (40, 170):
            ImageDraw.Draw(page).rectangle((left, 40, left + 80, 200), outline=0, width=width)
            ImageDraw.Draw(page).line((left, 120, left + 80, 120), 0, width)
        _, count = ndimage.label(find_ink(page) > 0, np.ones((3, 3)))
        assert count == 2
        ink = find_ink(page)
        assert (ink[115:126, 40:120] > 0).any(axis=0).all()

    def test_a_fine_grid_has_no_boxes_of_many_cells(self) -> None:
        """Pairs of its lines would make thousands of boxes to compare."""
        grid = np.full((512, 512), 255)
        grid[::4] = 120
        grid[:, ::4] = 120
        assert find_ink(grid).shape == grid.shape


class TestLight:
    def test_dark_corners_are_not_ink(self) -> None:
        y, x = np.mgrid[: SIZE[1], : SIZE[0]]
        distance = np.hypot((x - 240) / 240, (y - 120) / 120)
        light = 1 - 0.45 * ((distance - 0.45) / 0.75).clip(0, 1) ** 1.5
        assert_only_threes(find_ink(photographed(threes(level=70), light)))

    @pytest.mark.parametrize("table", [10, 60])
    def test_a_sheet_on_a_wide_table(self, table: int) -> None:
        """Most dark pixels are the table's."""
        page = Image.new("L", (3 * SIZE[0] // 2, 3 * SIZE[1] // 2), table)
        page.paste(threes(), (120, 60))
        assert_only_threes(find_ink(photographed(page)))

    def test_the_texture_of_a_dark_table_is_not_ink(self) -> None:
        width, height = 3 * SIZE[0] // 2, 2 * SIZE[1]
        noise = np.random.default_rng(1).normal(size=(height, width))
        texture = ndimage.gaussian_filter(noise, 3)
        levels = 25 + 8 * texture / texture.std()
        page = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
        page.paste(threes(), (120, 120))
        assert_only_threes(find_ink(photographed(page)))


def fold(draw: ImageDraw.ImageDraw) -> None:
    draw.line((0, 115, SIZE[0], 125), 160, 3)
    draw.line((210, 0, 200, SIZE[1]), 160, 3)


def stamp(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((130, 50, 310, 230), outline=150, width=7)


@pytest.mark.parametrize("mark", [fold, stamp])
def test_pale_marks_across_digits_are_not_ink(mark: Form) -> None:
    page = Image.new("L", SIZE, 220)
    mark(ImageDraw.Draw(page))
    darker = np.minimum(np.asarray(page), np.asarray(threes()))
    assert_only_threes(find_ink(photographed(Image.fromarray(darker))))


def test_a_pale_stroke_of_a_digit_stays() -> None:
    """A digit written with less pressure touches no darker one."""
    page = threes()
    ImageDraw.Draw(page).rectangle((LEFT + 2 * STEP - 10, 0, *SIZE), fill=220)
    page.paste(threes(level=100).crop((LEFT + 2 * STEP - 10, 0, *SIZE)), (LEFT + 2 * STEP - 10, 0))
    assert_only_threes(find_ink(photographed(page)))


def test_walls_of_a_photographed_comb_go_with_its_lines() -> None:
    page = Image.new("L", (2 * SIZE[0], SIZE[1]), 220)
    half = threes()
    comb(ImageDraw.Draw(half))
    for left in (0, COUNT * STEP):
        page.paste(half.crop((30, 0, 36 + COUNT * STEP, SIZE[1])), (left + 30, 0))
    _, count = ndimage.label(find_ink(photographed(page)) > 0, np.ones((3, 3)))
    assert count == 2 * COUNT


def test_a_stroke_of_the_next_digit_is_left_out() -> None:
    alone = threes().crop((0, 0, LEFT + STEP - 15, SIZE[1]))
    crowded = alone.copy()
    ImageDraw.Draw(crowded).arc((40, 220, 110, 300), 180, 360, 40, 8)
    assert difference_in_shape(from_image(alone), from_image(crowded)) < 0.05
