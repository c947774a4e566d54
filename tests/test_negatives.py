"""Negatives depend only on the generator, and are as large as MNIST's digits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mnist_nb.data import Mnist
from mnist_nb.handwriting.negatives import (
    corrupted_digits,
    make_negatives,
    random_letters,
    random_strokes,
)
from mnist_nb.handwriting.raster import render_centred
from mnist_nb.handwriting.signs import random_signs


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(data: Mnist, count: int) -> tuple[Tensor, Tensor]:
    return data.train.images[:count].float() / 255, data.train.labels[:count]


def test_negatives_follow_from_the_generator_alone(sample: Mnist) -> None:
    images, labels = digits(sample, 80)
    first = make_negatives(images, labels, generator())
    assert torch.equal(first, make_negatives(images, labels, generator()))
    assert first.shape == (20, 28, 28)
    assert bool(((first >= 0) & (first <= 1)).all())
    assert bool((first.sum((1, 2)) > 5).all())


@pytest.mark.parametrize("count", [1, 7, 9, 64])
def test_even_a_small_batch_has_a_negative(count: int, sample: Mnist) -> None:
    images, labels = digits(sample, count)
    assert len(make_negatives(images, labels, generator())) == -(-count // 4)


def test_corrupted_digits_are_no_longer_the_digits(sample: Mnist) -> None:
    images, labels = digits(sample, 400)
    corrupted = corrupted_digits(images, labels, 200, generator())
    change = (corrupted - images[:200]).abs().sum((1, 2))
    assert bool((change > 5).all())


@pytest.mark.parametrize("digit", [0, 1, 8])
def test_a_turned_digit_that_is_still_a_digit_is_not_used(digit: int, sample: Mnist) -> None:
    """A 0, 1 or 8 turned upside down is still a digit, so none of them is used."""
    images, labels = digits(sample, 5000)
    images = images[labels == digit][:400]
    corrupted = corrupted_digits(images, torch.full((len(images),), digit), 200, generator())
    by_half = images[:200].rot90(2, (1, 2))
    assert bool(((corrupted - by_half).abs().sum((1, 2)) > 0).all())


@pytest.mark.parametrize("draw", [random_strokes, random_letters, random_signs])
def test_drawings_by_rule_are_as_large_as_digits(
    draw: Callable[[int, torch.Generator], Tensor],
) -> None:
    images = draw(200, generator())
    inked = images > 0.5
    heights, widths = inked.any(2).sum(1), inked.any(1).sum(1)
    longest = torch.maximum(heights, widths)
    is_full = (longest - 20).abs() <= 1
    assert is_full.float().mean() > 0.95
    rows = torch.arange(28.0)
    centres = (images.sum(2) @ rows) / images.sum((1, 2))
    assert centres.mean().item() == pytest.approx(14, abs=0.2)


def test_strokes_are_rendered_at_any_scale() -> None:
    corner = torch.tensor([[[0.0, 0.0], [0.0, 2.0]], [[0.0, 2.0], [1.0, 2.0]]])
    strokes = torch.stack([corner, 100 * corner + 7])
    image, same = render_centred(strokes, torch.ones(2), torch.full((2,), 1.5))
    assert torch.allclose(image, same, atol=1e-4)
    assert image.sum().item() == pytest.approx(3 * (17 + 8.5), rel=0.15)
    assert image[:, :9].sum() == 0  # the upright stroke is left of the middle ...
    assert image[4:20, 10:13].amax(1).min() == 1  # ... and whole
