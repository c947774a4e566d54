"""Digits drawn by rules and ragged edges, on which the shipped cnn was trained further."""

import pytest
import torch
import train_shipped
from digit_forms import FORMS, combine, draw_digits, make_ragged

from mnist_nb import load_pretrained
from mnist_nb.data import Mnist
from mnist_nb.models import to_input


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Vertical bars, five pixels wide."""
    images = torch.zeros(200, 28, 28)
    images[:, 4:24, 12:17] = 1
    return images


def test_each_start_is_combined_with_each_end() -> None:
    assert combine("~kgd, kd", "dw, dw vx") == "~kgd dw, ~kgd dw vx, kd dw, kd dw vx"


@pytest.mark.parametrize("digit", range(10))
def test_most_drawings_of_a_digit_are_read_as_it(digit: int) -> None:
    assert list(FORMS)[digit] == str(digit)
    drawn = draw_digits(torch.full((200,), digit), generator())
    with torch.no_grad():
        read = load_pretrained("cnn").eval()(drawn).argmax(1)
    assert (read == digit).float().mean() > 0.8


def test_drawings_are_placed_like_those_of_mnist() -> None:
    drawn = draw_digits(torch.arange(100) % 10, generator())
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    rows = drawn.amax(2) > 0.5
    columns = drawn.amax(1) > 0.5
    longer_side = torch.maximum(rows.sum(1), columns.sum(1))
    assert (longer_side >= 17).all()
    assert (longer_side <= 22).all()


def test_ragged_images_have_few_levels_and_keep_their_place(images: torch.Tensor) -> None:
    ragged = make_ragged(images, generator())
    assert ragged.shape == images.shape
    assert ragged.min() >= 0
    assert ragged.max() <= 1
    middle = (ragged.sum(1) @ torch.arange(28.0)) / ragged.sum((1, 2))
    assert (middle - 14).abs().max() < 2
    assert not torch.equal(ragged, images)


def test_a_part_of_the_images_is_drawn_and_a_part_unchanged(images: torch.Tensor) -> None:
    ones = torch.ones(len(images), dtype=torch.int64)
    before = images.clone()
    changed = train_shipped.OtherPeople()(images, generator(), ones)
    assert torch.equal(images, before)
    is_unchanged = (changed == images).flatten(1).all(1)
    assert 0.1 < is_unchanged.float().mean() < 0.4


def test_images_without_labels_are_not_drawn_anew(images: torch.Tensor) -> None:
    changed = train_shipped.OtherPeople()(images, generator())
    assert (changed - images).abs().sum() > 0
    ink = changed.sum((1, 2)) / images.sum((1, 2))
    assert ink.min() > 0.4


def test_digits_laid_down_are_turned_to_both_sides(sample: Mnist) -> None:
    images, labels = to_input(sample.test.images[:100]), sample.test.labels[:100]
    lying = train_shipped.lay_down(images, labels)
    others = images[labels > 1]
    assert torch.equal(lying[0], others[0].rot90(1))
    assert torch.equal(lying[-1], others[-1].rot90(-1))
    assert len(lying) == len(others)
