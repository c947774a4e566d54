"""The five preparation steps give images with the known properties of MNIST's."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from ink import assert_like_mnist, centre, extents
from numpy.typing import NDArray

from mnist_nb.handwriting.preprocessing import (
    BOX,
    EmptySketchError,
    Pixels,
    preparation_steps,
    prepare,
)


@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 60), st.integers(1, 60)),
        elements=st.integers(0, 255),
    )
)
def test_any_grey_image(grey: Pixels) -> None:
    assume(grey.any())
    steps = preparation_steps(grey)
    assert steps.centred.sum() == steps.scaled.sum()  # no ink is lost
    longest = max(extents(grey))
    assert steps.square.shape == (max(longest, 10),) * 2
    if longest >= 10:
        assert_like_mnist(steps.centred)
    assert np.array_equal(steps.centred, prepare(grey))


@given(arrays.arrays(np.uint8, (20, 20), elements=st.integers(0, 255)))
def test_an_image_of_the_right_size_keeps_every_pixel(grey: Pixels) -> None:
    grey[0, 0] = grey[-1, -1] = 255
    assert np.array_equal(preparation_steps(np.pad(grey, ((3, 9), (5, 1)))).scaled, grey)


def test_area_coverage() -> None:
    grey = np.zeros((40, 40))
    grey[:, ::2] = 1
    grey[0, 39] = 1e-9
    resampled = preparation_steps(grey).resampled
    assert resampled == pytest.approx(np.full((20, 20), 0.5))


def test_a_narrow_image_is_in_the_middle_of_its_square() -> None:
    square = preparation_steps(np.ones((40, 20))).square
    assert square[:, 10:30].all()
    assert square.sum() == 40 * 20


def test_the_faintest_ink_stays_ink() -> None:
    grey = np.zeros((40, 40))
    grey[10:20, :20] = 1
    grey[17, 39] = 1e-9
    assert_like_mnist(prepare(grey))


def test_a_narrow_lopsided_image_moves_as_far_as_it_must() -> None:
    grey = np.zeros((20, 12))
    grey[:, 11] = 255
    grey[0, 0] = 1
    assert 13.5 <= centre(prepare(grey), axis=1) <= 14.5


def test_a_lopsided_image_keeps_its_ink() -> None:
    grey = np.zeros((100, 100))
    grey[90:] = 1
    grey[0, 50] = 1
    image = prepare(grey)
    assert image[0].any()
    assert max(extents(image)) == BOX


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2, 3)), np.full((3, 3), np.nan), np.full((3, 3), -1.0)]
)
def test_an_invalid_grey_image_is_rejected(wrong: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="grey must"):
        prepare(wrong)


def test_no_ink() -> None:
    with pytest.raises(EmptySketchError, match="no ink"):
        prepare(np.zeros((28, 28)))
