"""Augmentations: random changes to images, so that a network never sees the same image twice.

A `Deformation` reads every pixel of a new image from a position in the old image. The positions of
a whole batch are one matrix product: random coefficients of each image times fixed functions of the
pixel's position (x, y, a constant, and smooth bumps on a coarse lattice). One bilinear
`grid_sample` then reads all images at once.
"""

import dataclasses
import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.handwriting.refusal import add_refusal_head
from mnist_nb.handwriting.variants import redraw_variants
from mnist_nb.training.augmentation import Augmentation

LATTICE = 5  # bumps along each side of the image, for smooth displacements
AFFINE_NUMBERS = (
    6  # random numbers per image: rotation, scale, aspect, shear, shift right, shift down
)


@dataclasses.dataclass(frozen=True)
class Deformation(Augmentation):
    """Random deformations of each image, uniform between minus and plus each value.

    With all values 0, images are not changed.
    """

    rotation: float = 0.0  # degrees, about the centre of mass, at pixel index 14 in MNIST
    scale: float = 0.0  # of the size: 0.12 means factors from 1/1.12 to 1.12
    aspect: float = 0.0  # of the width; the height changes inversely
    shear: float = 0.0  # pixels sideways per pixel upwards: the slant of handwriting
    shift: float = 0.0  # shares of the image's side, in each direction
    displacement: float = 0.0  # pixels, at each point of the lattice, in each direction
    # Half the images get thicker lines, 1 being each pixel's brightest neighbour ...
    thicker: float = 0.0
    # ... and the other half thinner ones, 1 being each pixel's darkest neighbour.
    thinner: float = 0.0

    def __call__(
        self, images: Tensor, generator: torch.Generator, labels: Tensor | None = None
    ) -> Tensor:
        """Deform every image; see `Augmentation`."""
        return self.deform(images, generator)

    def deform(
        self, images: Tensor, generator: torch.Generator, offset: Tensor | None = None
    ) -> Tensor:
        """Deform every image, and move it by an offset `[N, 2]` (x, y) in pixels, if given."""
        if len(images) == 0:
            return images
        moved = self._warp(images, generator, offset)
        has_pen = self.thicker > 0 or self.thinner > 0
        return self._change_pen(moved, generator) if has_pen else moved

    def _warp(self, images: Tensor, generator: torch.Generator, offset: Tensor | None) -> Tensor:
        """Rotate, scale, shear, shift and bend: all changes of positions."""
        count, height, width = images.shape
        middle, limits = _middle_and_limits(self, width, images.device)
        uniform = _draw_uniform(count, len(limits), generator, images.device)
        drawn = torch.addcmul(middle, uniform, limits)
        coefficients = _affine_coefficients(drawn)  # [N, 2, 3]
        if offset is not None:
            coefficients[:, :, 2] -= offset * (2 / width)
        if self.displacement:
            bumps = drawn[:, AFFINE_NUMBERS:].view(count, 2, -1)
            coefficients = torch.cat([coefficients, bumps], 2)
        basis = _basis(height, width, self.displacement > 0, images.device)
        places = (coefficients.view(2 * count, -1) @ basis).view(count, 2, height, width)
        grid = places.permute(0, 2, 3, 1)  # [N, H, W, (x, y)]
        return functional.grid_sample(images.unsqueeze(1), grid, align_corners=False).squeeze(1)

    def _change_pen(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Blend each image with a thicker or a thinner one, as drawn by another pen.

        The darkest neighbour is minus the brightest neighbour of the negative.
        """
        amount = _draw_uniform(len(images), 1, generator, images.device).unsqueeze(2)
        sign = torch.where(amount > 0, 1.0, -1.0)
        signed = images * sign
        thickening = amount.clamp_min(0) * self.thicker
        thinning = amount.clamp_max(0) * self.thinner
        return torch.lerp(signed, _largest_neighbour(signed), thickening - thinning).mul_(sign)


AFFINE = Deformation(rotation=12, scale=0.12, shear=0.15, shift=0.08)
ELASTIC = dataclasses.replace(AFFINE, aspect=0.15, displacement=3, thicker=0.7, thinner=0.4)
"""The augmentations "affine" (rotate, scale, shear, shift) and "elastic" (also bend, and change the
width of the pen)."""


@dataclasses.dataclass(frozen=True)
class Handwriting(Augmentation):
    """Deformations, digits redrawn in other forms, and a head that learns to refuse."""

    variants: float = (
        0.3  # the share of 1s, 4s, 7s and 9s to redraw in forms that are rare in MNIST
    )
    deformation: Deformation = ELASTIC

    def __call__(
        self, images: Tensor, generator: torch.Generator, labels: Tensor | None = None
    ) -> Tensor:
        """Change every image. Without labels, no digit is redrawn in another form."""
        if labels is None or len(images) == 0:
            return self.deformation(images, generator)
        redrawn = redraw_variants(images, labels, generator, self.variants)
        moved = _centre_of_mass(redrawn) - _centre_of_mass(images)
        return self.deformation.deform(redrawn, generator, offset=-moved)

    def prepare_model(self, model: nn.Module, seed: int) -> None:
        """Add the head that refuses, if the model has none."""
        add_refusal_head(model, seed)


HANDWRITING = Handwriting()


# ---- inside


def _affine_coefficients(drawn: Tensor) -> Tensor:
    """Return the matrices `[N, 2, 3]` from new positions to old ones.

    Row by row, old = rotation @ shear @ stretch @ new + shift.

    Args:
        drawn: random numbers `[N, AFFINE_NUMBERS or more]`: angle in radians, logarithms of scale
            and aspect.
    """
    angle, scale, aspect, shear, right, down, *_ = drawn.unbind(1)
    cosine = angle.cos()
    sine = angle.sin()
    stretch_x = (scale + aspect).exp()
    stretch_y = (scale - aspect).exp()
    x_from_x = cosine * stretch_x
    x_from_y = (shear * cosine - sine) * stretch_y
    y_from_x = sine * stretch_x
    y_from_y = (shear * sine + cosine) * stretch_y
    rows = [x_from_x, x_from_y, right, y_from_x, y_from_y, down]
    return torch.stack(rows, 1).view(-1, 2, 3)


@functools.cache
def _middle_and_limits(
    ranges: Deformation, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the means and the spreads of an image's random numbers."""
    pixel = 2 / width  # in units of grid_sample, in which the image extends from -1 to 1
    bumps = 2 * LATTICE**2 if ranges.displacement else 0
    limits = [
        math.radians(ranges.rotation),
        math.log1p(ranges.scale),
        math.log1p(ranges.aspect),
        ranges.shear,
        2 * ranges.shift,
        2 * ranges.shift,
        *[pixel * ranges.displacement] * bumps,
    ]
    # from pixel index 14, MNIST's centre of mass, to the image's centre at index 13.5
    to_middle = 1 / width
    middle = [0.0, 0.0, 0.0, 0.0, to_middle, to_middle, *[0.0] * bumps]
    return torch.tensor(middle, device=device), torch.tensor(limits, device=device)


@functools.cache
def _basis(height: int, width: int, has_bumps: bool, device: torch.device) -> Tensor:
    """Return the functions of position, `[3 or 3 + LATTICE**2, height * width]`: x, y, 1 and bumps.

    A bump is a product of two cubic B-splines. Their sum over an infinite lattice is 1 everywhere.
    """
    y = _coordinates(height)
    x = _coordinates(width)
    affine = torch.stack(
        [x.expand(height, width), y[:, None].expand(height, width), torch.ones(height, width)]
    )
    if not has_bumps:
        return affine.flatten(1).to(device)
    down = _splines_along(y)  # [LATTICE, height]
    across = _splines_along(x)  # [LATTICE, width]
    bumps = down[:, None, :, None] * across[None, :, None, :]
    return torch.cat([affine, bumps.flatten(0, 1)]).flatten(1).to(device)


def _coordinates(length: int) -> Tensor:
    """Return the positions of pixels along one side in units of grid_sample, from -1 to 1."""
    return (torch.arange(length) - length / 2) * (2 / length)


def _splines_along(places: Tensor) -> Tensor:
    """Return the values `[LATTICE, length]` of the lattice's splines at these positions."""
    knots = torch.linspace(-1, 1, LATTICE)
    steps = (LATTICE - 1) / 2  # of the lattice per unit of length
    return _cubic_spline((places[None] - knots[:, None]) * steps)


def _cubic_spline(distance: Tensor) -> Tensor:
    """Return the cubic B-spline at a distance in lattice steps: 2/3 at 0, 1/6 at 1, 0 from 2 on."""
    near = (1 - distance.abs()).clamp_min(0)
    far = (2 - distance.abs()).clamp_min(0)
    return (far**3 - 4 * near**3) / 6


def _largest_neighbour(images: Tensor) -> Tensor:
    """Return the maximum of each pixel's 3x3 neighbourhood, faster than `max_pool2d`."""
    padded = functional.pad(images, (1, 1, 1, 1))
    return _largest_of_three(_largest_of_three(padded, axis=2), axis=1)


def _largest_of_three(images: Tensor, axis: int) -> Tensor:
    """Return the maximum of each pixel and its neighbours along an axis, which gets 2 shorter."""
    length = images.shape[axis] - 2
    before = images.narrow(axis, 0, length)
    middle = images.narrow(axis, 1, length)
    after = images.narrow(axis, 2, length)
    return torch.maximum(torch.maximum(before, middle), after)


def _draw_uniform(
    count: int, numbers: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Return random numbers `[count, numbers]`, uniform in [-1, 1], on the generator's device."""
    drawn = torch.rand(count, numbers, generator=generator, device=generator.device)
    return drawn.mul_(2).sub_(1).to(device)


def _centre_of_mass(images: Tensor) -> Tensor:
    """Return the centre of mass `[N, (x, y)]` of each image, in pixels."""
    ink = images.sum((1, 2)).clamp_min(1)
    x = _moment(images.sum(1))
    y = _moment(images.sum(2))
    return torch.stack([x, y], 1) / ink[:, None]


def _moment(profiles: Tensor) -> Tensor:
    """Return the sum of position times ink over profiles `[N, length]`."""
    length = profiles.shape[1]
    places = torch.arange(length, dtype=profiles.dtype, device=profiles.device)
    return profiles @ places
