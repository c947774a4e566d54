"""Variants of digits: ink where the form has it, and no change to other digits."""

import pytest
import torch
from torch import Tensor

from mnist_nb.handwriting.variants import redraw_variants


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _restyle(image: Tensor, label: int, count: int = 32) -> Tensor:
    return redraw_variants(
        image.expand(count, -1, -1), torch.full((count,), label), _generator(), 1.0
    )


def _bar() -> Tensor:
    image = torch.zeros(28, 28)
    image[4:24, 13:16] = 1
    return image


def _four() -> Tensor:
    """Return an open 4: a left arm, a bar, and a stem from top to bottom on the right."""
    image = torch.zeros(28, 28)
    image[4:14, 8:10], image[13:15, 8:20], image[4:24, 17:19] = 1, 1, 1
    return image


def _nine() -> Tensor:
    image = torch.zeros(28, 28)
    image[4:13, 10:19] = 1
    image[6:11, 12:17] = 0
    image[4:24, 17:19] = 1
    return image


def test_a_one_gets_a_flag_at_the_upper_left() -> None:
    added = _restyle(_bar(), 1) - _bar()
    assert added.min() >= 0
    assert (added[:, 4:20, :12].sum((1, 2)) > 2).all()
    assert added[:, :4].max() < 0.5
    assert added[:, 4:14, 17:].sum() == 0


def test_some_ones_get_a_foot() -> None:
    right_of_the_heel = _restyle(_bar(), 1, 200)[:, 20:, 17:].sum((1, 2)) > 1
    assert 0.1 < right_of_the_heel.float().mean() < 0.3


def test_a_seven_is_crossed_on_both_sides_of_its_stem() -> None:
    added = _restyle(_bar(), 7) - _bar()
    assert added.min() >= 0
    assert (added[:, 8:23, 16:].sum((1, 2)) > 0.5).all()
    assert (added[:, 8:23, :13].sum((1, 2)) > 0.5).all()


def test_a_nine_is_lower_and_its_tail_goes_left() -> None:
    changed = _restyle(_nine(), 9)
    assert (changed[:, 16:, :15].sum((1, 2)) > 1).all()
    assert _nine()[16:, :15].sum() == 0
    assert changed[:, 25:].max() < 0.5


def test_a_four_loses_the_end_of_its_stem_and_keeps_its_height() -> None:
    changed = _restyle(_four(), 4)
    bar = changed.sum(2).argmax(1)
    assert bar.float().mean() > 15
    inked = changed.amax(2) > 0.3
    assert (inked.int().argmax(1) - 4).abs().max() <= 1
    assert (inked.flip(1).int().argmax(1) - 4).abs().max() <= 2


@pytest.mark.parametrize("label", [0, 2, 3, 5, 6, 8])
def test_other_digits_are_left_alone(label: int) -> None:
    assert torch.equal(_restyle(_nine(), label), _nine().expand(32, -1, -1))


def test_share_is_the_part_of_the_digits_that_changes() -> None:
    ones = _bar().expand(500, -1, -1)
    changed = (
        (redraw_variants(ones, torch.ones(500, dtype=torch.int64), _generator(), 0.3) != ones)
        .flatten(1)
        .any(1)
    )
    assert 0.24 < changed.float().mean() < 0.36


@pytest.mark.parametrize("label", [1, 4, 7, 9])
@pytest.mark.parametrize(
    "image", [torch.zeros(28, 28), torch.ones(28, 28), torch.eye(28)], ids=["empty", "full", "line"]
)
def test_unusual_images_stay_images(image: Tensor, label: int) -> None:
    changed = _restyle(image, label)
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6
