"""Drawn commas, points, dashes and slashes are left out; 1s stay, however they lean."""

import numpy as np
import pytest
from ink import SEVEN, THREE, Strokes
from torch import nn

from mnist_nb import Sketch, load_pretrained, read_number

ONE = [np.array([(50, 10), (50, 120)], np.float32)]
SLASH = [np.array([(75, -20), (25, 150)], np.float32)]
COMMA = [np.array([(48, 82), (50, 105), (36, 130)], np.float32)]
POINT = [np.array([(45, 115)], np.float32)]
DASH = [np.array([(20, 68), (70, 66)], np.float32)]
SIGNS = {
    "1": ONE,
    "3": [THREE],
    "7": SEVEN,
    "/": SLASH,
    ",": COMMA,
    ".": POINT,
    "-": DASH,
}


@pytest.fixture(scope="module")
def cnn() -> nn.Module:
    return load_pretrained("cnn")


def write(text: str, slant: float = 0) -> Sketch:
    """Write signs next to each other, slanted as a whole."""
    sketch = Sketch(150 * (len(text) + 1))
    for place, sign in enumerate(text):
        for stroke in placed(SIGNS[sign], 100 * (place + 1), slant):
            sketch.add_stroke(stroke, 8)
    return sketch


def placed(strokes: Strokes, left: float, slant: float) -> Strokes:
    form = np.array([[1, 0], [-slant, 1]], np.float32)
    return [stroke @ form + np.array([left, 200], np.float32) for stroke in strokes]


@pytest.mark.parametrize("text", ["33/17/3773", "7/1/73", "1737/13/17", "137/3"])
def test_slashes_are_left_out(text: str, cnn: nn.Module) -> None:
    assert read_number(write(text), cnn).text == text.replace("/", "")


@pytest.mark.parametrize("slant", [-0.2, 0, 0.2, 0.4])
@pytest.mark.parametrize("text", ["33117137", "11111111", "317", "713111"])
def test_ones_that_lean_with_all_digits_stay(text: str, slant: float, cnn: nn.Module) -> None:
    assert read_number(write(text, slant), cnn).text == text


@pytest.mark.parametrize("text", ["3,17", "37.3", "-7", "1,1", "-3,7", "33-77", "7,"])
def test_commas_points_and_dashes_are_left_out(text: str, cnn: nn.Module) -> None:
    digits = "".join(sign for sign in text if sign.isdecimal())
    number = read_number(write(text), cnn)
    assert number.text == digits
    assert len(number.digits) == len(digits)


def test_a_dash_alone_is_refused(cnn: nn.Module) -> None:
    assert read_number(write("-"), cnn).text == "?"


@pytest.mark.parametrize("scale", [0.6, 1])
def test_a_short_1_stays(scale: float, cnn: nn.Module) -> None:
    sketch = write("37")
    one = ONE[0] * scale + np.array([300, 320 - 120 * scale], np.float32)
    sketch.add_stroke(one, 8)
    assert read_number(sketch, cnn).text == "371"
