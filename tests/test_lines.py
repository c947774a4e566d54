"""Lines of digits are found for a whole page at once."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist_nb.handwriting.lines import find_lines


def boxes(middles: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Return boxes 0.6 wide and 1 high around places `(x, y)`."""
    places = np.array(middles)
    half = np.array([0.3, 0.5])
    return np.hstack([places - half, places + half])


def lines_of(middles: list[tuple[float, float]]) -> list[list[int]]:
    return find_lines(boxes(middles)).members()


@pytest.mark.parametrize("slope", [-0.15, 0, 0.1])
def test_rows_of_a_page_are_lines_however_it_is_turned(slope: float) -> None:
    page = [(x, 1.6 * row + slope * x) for row in range(4) for x in range(8)]
    assert lines_of(page) == [list(range(8 * row, 8 * row + 8)) for row in range(4)]


def test_digits_far_apart_are_one_line() -> None:
    assert lines_of([(0, 0), (4, 0.1), (9, -0.1)]) == [[0, 1, 2]]


@pytest.mark.parametrize("height", [0.7, 0.82])
def test_a_raised_digit_is_not_a_separate_line(height: float) -> None:
    line = [(0, 0), (1.2, 0.4), (2.4, -height), (3.6, 0.3), (4.8, -0.1)]
    assert lines_of(line) == [[0, 1, 2, 3, 4]]


def test_a_short_line_below_a_long_one_stays_apart() -> None:
    assert lines_of([(0, 0), (1, 0), (2, 0), (1, 1.3)]) == [[0, 1, 2], [3]]


def test_the_shaken_rows_of_a_page_do_not_mix() -> None:
    random = np.random.default_rng(0)
    page = [(x, 1.3 * row + random.uniform(-0.15, 0.15)) for row in range(5) for x in range(10)]
    assert lines_of(page) == [list(range(10 * row, 10 * row + 10)) for row in range(5)]


def test_one_digit_is_a_line() -> None:
    assert lines_of([(3, 3)]) == [[0]]
