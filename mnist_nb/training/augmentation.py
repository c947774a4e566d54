"""Augmentation: random changes to a batch of images, so that a network never sees the same image
twice.

Every pixel of a new image looks up a place in the old one. The places of a whole batch are one
matrix product: coefficients, drawn at random for each image, times fixed functions of the pixel's
own place (its x, its y, a constant, and smooth bumps that stand on a coarse lattice). One bilinear
`grid_sample` then reads all images at once.
"""

import dataclasses
import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

from mnist_nb.handwriting.variants import redraw_variants

LATTICE = 5  # bumps along each side of the image, for smooth displacement


@dataclasses.dataclass(frozen=True)
class Ranges:
    """How far each random change may go; drawn evenly between minus and plus the value, for each
    image anew.

    All of them 0 changes nothing.
    """

    rotation: float = 0.0  # degrees, about the centre of mass, which MNIST puts at pixel index 14
    scale: float = 0.0  # of the size: 0.12 is from 1/1.12 to 1.12 times
    aspect: float = 0.0  # of the width, the height changing the other way
    shear: float = 0.0  # pixels sideways per pixel upwards: the slant of the hand
    shift: float = 0.0  # of the image's side, in each direction
    displacement: float = 0.0  # pixels, at each point of the lattice, in each direction
    # 1: up to each pixel's brightest neighbour; half the images grow thicker, at most so far
    thicker: float = 0.0
    thinner: float = 0.0  # 1: down to each pixel's darkest neighbour; the other half grow thinner
    # share of the 1s, 4s, 7s and 9s redrawn in forms that MNIST lacks, where labels are given
    styles: float = 0.0


KINDS = {"none": Ranges(), "affine": Ranges(rotation=12, scale=0.12, shear=0.15, shift=0.08)}
KINDS["elastic"] = dataclasses.replace(
    KINDS["affine"], aspect=0.15, displacement=3, thicker=0.7, thinner=0.4
)
KINDS["handwriting"] = dataclasses.replace(KINDS["elastic"], styles=0.3)
"""The kinds of augmentation by name: "none"; "affine", turned, sized, slanted and moved; "elastic",
bent and drawn with another pen as well; "handwriting", some digits in other hands' forms as well,
where labels are given."""


def augment(
    images: Tensor, generator: torch.Generator, kind: str | Ranges, labels: Tensor | None = None
) -> Tensor:
    """Change every image at random, each in its own way; the whole batch at once.

    Args:
        images: float32 `[N, 28, 28]` in [0, 1], bright ink on black.
        generator: the only source of randomness: the same state gives the same images, bit for bit,
            on the same device with the same number of threads.
        kind: one of `KINDS`, or ranges of your own.
        labels: int64 `[N]`, on the same device; without them no digit is redrawn in another form.

    Returns:
        A new tensor of the same shape in [0, 1]; for "none", the images themselves.

    Raises:
        ValueError: for an unknown kind.
    """
    if isinstance(kind, str) and kind not in KINDS:
        raise ValueError(
            f"there is no augmentation named {kind!r}: choose one of {', '.join(map(repr, KINDS))}"
        )
    ranges = KINDS[kind] if isinstance(kind, str) else kind
    if ranges == Ranges() or len(images) == 0:
        return images
    moved = None
    if ranges.styles and labels is not None:
        restyled = redraw_variants(images, labels, generator, ranges.styles)
        moved = _centre_of_mass(restyled) - _centre_of_mass(images)
        images = restyled
    images = _warp(images, generator, ranges, moved)
    return _redraw(images, generator, ranges) if ranges.thicker or ranges.thinner else images


def _warp(
    images: Tensor, generator: torch.Generator, ranges: Ranges, moved: Tensor | None
) -> Tensor:
    """Turn, size, slant, move and bend: all that changes where a pixel looks.

    Where the centre of mass was `moved`, `[N, 2]` (x, y) in pixels, it is brought back.
    """
    count, height, width = images.shape
    middle, limits = _middle_and_limits(ranges, width, images.device)
    drawn = torch.addcmul(middle, _draw(count, len(limits), generator, images.device), limits)
    angle, scale, aspect, shear, *_ = drawn.unbind(1)
    # The matrix from new places to old ones, row by row; old = turn @ slant @ stretch @ new.
    cosine, sine = angle.cos(), angle.sin()
    along_x, along_y = (scale + aspect).exp(), (scale - aspect).exp()
    to_x = (cosine * along_x, (shear * cosine - sine) * along_y, drawn[:, 4])
    to_y = (sine * along_x, (shear * sine + cosine) * along_y, drawn[:, 5])
    coefficients = torch.stack(to_x + to_y, 1).view(count, 2, 3)
    if moved is not None:
        coefficients[:, :, 2] += moved * (2 / width)
    if ranges.displacement:
        coefficients = torch.cat([coefficients, drawn[:, 6:].view(count, 2, -1)], 2)
    basis = _basis(height, width, bool(ranges.displacement), images.device)
    places = (coefficients.view(2 * count, -1) @ basis).view(count, 2, height, width)
    return functional.grid_sample(
        images.unsqueeze(1), places.permute(0, 2, 3, 1), align_corners=False
    ).squeeze(1)


@functools.cache
def _middle_and_limits(ranges: Ranges, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What the numbers drawn for an image spread around, and how far: turn, size, width, slant, two
    shifts, bending."""
    limits = [
        math.radians(ranges.rotation),
        math.log1p(ranges.scale),
        math.log1p(ranges.aspect),
        ranges.shear,
    ]
    limits += [2 * ranges.shift] * 2
    limits += [2 / width * ranges.displacement] * (2 * LATTICE**2 if ranges.displacement else 0)
    middle = [0.0] * len(limits)
    middle[4:6] = [
        1 / width
    ] * 2  # from pixel index 14 to grid_sample's origin, the image's middle, index 13.5
    return torch.tensor(middle, device=device), torch.tensor(limits, device=device)


@functools.cache
def _basis(height: int, width: int, bumps: bool, device: torch.device) -> Tensor:
    """The functions of place, `[3 or 3 + LATTICE**2, height * width]`: x, y, 1 and the lattice's
    bumps.

    A bump is a product of two cubic B-splines, whose sum over an endless lattice is 1 everywhere.
    """
    y = (torch.arange(height) - height / 2) * (2 / height)
    x = (torch.arange(width) - width / 2) * (2 / width)
    rows = [x.expand(height, width), y[:, None].expand(height, width), torch.ones(height, width)]
    if bumps:
        knots = torch.linspace(-1, 1, LATTICE)
        down, across = (
            _spline((place[None] - knots[:, None]) * (LATTICE - 1) / 2) for place in (y, x)
        )
        rows += list((down[:, None, :, None] * across[None, :, None, :]).flatten(0, 1))
    return torch.stack(rows).flatten(1).to(device)


def _spline(distance: Tensor) -> Tensor:
    """The cubic B-spline at a distance in lattice steps: 2/3 at 0, 1/6 at 1, 0 from 2 on."""
    near, far = (1 - distance.abs()).clamp_min(0), (2 - distance.abs()).clamp_min(0)
    return (far**3 - 4 * near**3) / 6


def _redraw(images: Tensor, generator: torch.Generator, ranges: Ranges) -> Tensor:
    """Blend each image with a thicker or a thinner one, as another pen would have drawn it.

    Thinner is thicker of the negative: what is darkest among the neighbours is the brightest with
    its sign turned.
    """
    amount = _draw(len(images), 1, generator, images.device).unsqueeze(2)
    sign = torch.where(amount > 0, 1.0, -1.0)
    signed = images * sign
    by = amount.clamp_min(0) * ranges.thicker - amount.clamp_max(0) * ranges.thinner
    return torch.lerp(signed, _largest_neighbour(signed), by).mul_(sign)


def _largest_neighbour(images: Tensor) -> Tensor:
    """The maximum over each pixel's 3x3 neighbourhood, outside the image 0: `max_pool2d`, but far
    faster on a CPU."""
    padded = functional.pad(images, (1, 1, 1, 1))
    across = torch.maximum(torch.maximum(padded[:, :, :-2], padded[:, :, 1:-1]), padded[:, :, 2:])
    return torch.maximum(torch.maximum(across[:, :-2], across[:, 1:-1]), across[:, 2:])


def _draw(count: int, numbers: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Random numbers `[count, numbers]`, even in [-1, 1], drawn where the generator lives."""
    drawn = torch.rand(count, numbers, generator=generator, device=generator.device)
    return drawn.mul_(2).sub_(1).to(device)


def _centre_of_mass(images: Tensor) -> Tensor:
    """The mean place (x, y) of each image's ink, in pixels, `[N, 2]`."""
    down, across = (
        torch.arange(size, dtype=images.dtype, device=images.device) for size in images.shape[1:]
    )
    ink = images.sum((1, 2)).clamp_min(1)
    return torch.stack([images.sum(1) @ across, images.sum(2) @ down], 1) / ink[:, None]
