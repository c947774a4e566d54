"""Augmented batches show the same digits, changed within the ranges, and reproducibly."""

import dataclasses

import pytest
import torch
from torch import Tensor

from mnist_nb.handwriting.augmentation import Deformation, Handwriting
from mnist_nb.plugins import AUGMENTATIONS, find_plugin
from mnist_nb.training.augmentation import Augmentation

CHANGING = ["affine", "elastic", "handwriting"]


def augment(
    images: Tensor,
    generator: torch.Generator,
    kind: str | Augmentation,
    labels: Tensor | None = None,
) -> Tensor:
    augmentation = find_plugin(AUGMENTATIONS, kind) if isinstance(kind, str) else kind
    return augmentation(images, generator, labels)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    """Sixty-four artificial digits, each a slightly different ring and bar, centred at pixel index
    14."""
    y, x = torch.meshgrid(torch.arange(28.0) - 14, torch.arange(28.0) - 14, indexing="ij")
    radius = torch.linspace(4, 7, 64)[:, None, None]
    ring = (1.5 - ((x**2 + y**2).sqrt() - radius).abs()).clamp(0, 1)
    bar = ((x.abs() < 1.5) & (y.abs() < 9)).float()
    return torch.maximum(ring, bar)


@pytest.mark.parametrize("kind", ["none", *CHANGING])
def test_keeps_shape_type_and_range(images: Tensor, kind: str) -> None:
    changed = augment(images, _generator(), kind)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1


@pytest.mark.parametrize("kind", CHANGING)
def test_the_given_generator_alone_decides(images: Tensor, kind: str) -> None:
    before, state, generator = images.clone(), torch.get_rng_state(), _generator(1)
    first = augment(images, generator, kind)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, augment(images, _generator(1), kind))
    assert not torch.equal(first, augment(images, _generator(2), kind))
    assert not torch.equal(first, augment(images, generator, kind)), "it has gone on"


@pytest.mark.parametrize("kind", CHANGING)
def test_each_image_changes_in_its_own_way(images: Tensor, kind: str) -> None:
    same = images[:1].expand(8, -1, -1)
    assert len(torch.unique(augment(same, _generator(), kind), dim=0)) == 8


@pytest.mark.parametrize("kind", CHANGING)
def test_an_image_does_not_see_its_neighbours(images: Tensor, kind: str) -> None:
    others = images.clone()
    others[1:] = 0
    together, alone = augment(images, _generator(), kind), augment(others, _generator(), kind)
    torch.testing.assert_close(together[0], alone[0])
    assert not alone[1:].any()


def test_none_returns_the_images(images: Tensor) -> None:
    assert augment(images, _generator(), "none") is images


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Deformation)])
def test_a_tiny_range_changes_little_and_a_wide_one_more(images: Tensor, field: str) -> None:
    tiny = augment(images, _generator(), Deformation(**{field: 1e-6}))
    assert (tiny - images).abs().max() < 1e-3
    wide = augment(images, _generator(), Deformation(**{field: 0.5}))
    assert (wide - images).abs().max() > 1e-2


@pytest.mark.parametrize("kind", CHANGING)
def test_ink_is_not_lost(images: Tensor, kind: str) -> None:
    ink = augment(images, _generator(), kind).sum((1, 2)) / images.sum((1, 2))
    assert ink.min() > 0.25
    assert ink.max() < 2.5
    assert 0.85 < ink.mean() < 1.15


def test_shift_is_a_share_of_the_side(images: Tensor) -> None:
    changed = augment(images, _generator(), Deformation(shift=0.1))
    moved = _centre(changed) - _centre(images)
    assert moved.abs().max() <= 0.1 * 28 + 0.01
    assert moved.amax(0).min() > 0.05 * 28
    assert moved.amin(0).max() < -0.05 * 28


@pytest.mark.parametrize(
    "ranges",
    [
        Deformation(rotation=45),
        Deformation(scale=0.2),
        Deformation(shear=0.3),
        Deformation(aspect=0.2),
    ],
)
def test_the_centre_of_mass_stays_in_place(images: Tensor, ranges: Deformation) -> None:
    assert (_centre(augment(images, _generator(), ranges)) - 14).abs().max() < 0.2


def test_thickness_only_adds_or_only_takes_ink(images: Tensor) -> None:
    change = augment(images, _generator(), Deformation(thicker=1, thinner=1)) - images
    grows, shrinks = (change > 1e-4).flatten(1).any(1), (change < -1e-4).flatten(1).any(1)
    assert (grows ^ shrinks).all()
    assert grows.any()
    assert shrinks.any()


def test_labels_bring_variants_and_the_centre_stays(images: Tensor) -> None:
    labels = torch.arange(64) % 10
    ranges = Handwriting(variants=1, deformation=Deformation())
    changed = (augment(images, _generator(), ranges, labels) - images).abs().amax((1, 2)) > 0.01
    assert torch.equal(changed, torch.isin(labels, torch.tensor([1, 4, 7, 9])))
    assert (_centre(augment(images, _generator(), ranges, labels)) - 14).abs().max() < 0.3
    torch.testing.assert_close(augment(images, _generator(), ranges), images, atol=1e-4, rtol=0)


def test_an_empty_batch_stays_empty() -> None:
    assert augment(torch.zeros(0, 28, 28), _generator(), "handwriting").shape == (0, 28, 28)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_runs_on_a_gpu(images: Tensor) -> None:
    generator = torch.Generator("cuda").manual_seed(0)
    changed = augment(images.cuda(), generator, "handwriting")
    assert changed.is_cuda
    assert 0 <= changed.min() <= changed.max() <= 1


def _centre(images: Tensor) -> Tensor:
    """Return the centre of mass (y, x) of each image, in pixel indices: `[N, 2]`."""
    places = torch.arange(28.0)
    ink = images.sum((1, 2))
    return torch.stack([images.sum(2) @ places / ink, images.sum(1) @ places / ink], 1)
