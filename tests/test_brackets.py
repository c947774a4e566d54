"""Pairs of brackets around digits are left out; single ones and 1s stay."""

import numpy as np
import pytest
from ink import SEVEN, THREE, Strokes
from made_pages import make_page

from mnist_nb import Sketch, read_number
from mnist_nb.data import Mnist

HEIGHTS = np.linspace(-15, 145, 20)  # of a bracket's points, in pixels
BOW = 25 * (1 - np.linspace(-1, 1, 20) ** 2)  # likewise
OPENING = [np.stack([40 - BOW, HEIGHTS], axis=1).astype(np.float32)]
CLOSING = [np.stack([40 + BOW, HEIGHTS], axis=1).astype(np.float32)]
ONE = [np.array([(50, 10), (50, 120)], np.float32)]
SIGNS: dict[str, Strokes] = {"1": ONE, "3": [THREE], "7": SEVEN, "(": OPENING, ")": CLOSING}


def write(text: str) -> Sketch:
    """Write signs next to each other."""
    sketch = Sketch(150 * (len(text) + 1))
    for place, sign in enumerate(text):
        for stroke in SIGNS[sign]:
            sketch.add_stroke(stroke + np.array([100 * (place + 1), 200], np.float32), 8)
    return sketch


@pytest.mark.parametrize("seed", range(4))
def test_brackets_in_a_picture_are_left_out(seed: int, sample: Mnist) -> None:
    page = make_page("brackets", seed, sample.train)
    assert read_number(page.picture).text == page.text


@pytest.mark.parametrize("text", ["(373)7317", "7(3)1", "(17)"])
def test_drawn_brackets_are_left_out(text: str) -> None:
    assert read_number(write(text)).text == text.replace("(", "").replace(")", "")


@pytest.mark.parametrize("text", ["1337", "3117", "131"])
def test_straight_ones_are_no_brackets(text: str) -> None:
    assert read_number(write(text)).text == text
