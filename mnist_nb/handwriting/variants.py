"""Digits as other hands write them: the 1s, 4s, 7s and 9s of MNIST's American writers, made over
into other forms.

In much of the world a 1 has a flag, and a foot at times; a 4 is a long hook with a short bar across
its end; a 7 is crossed; a 9 has a small loop and a tail that curls to the left. MNIST holds few of
these, so a network that has seen nothing else takes them for a 7, a 6, a 2 and a 3. Here MNIST's
own digits are redrawn: a stroke added in their own pen width, a part left out, a part made larger.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

NUMBERS = 8  # random numbers that a style may use for each image


class _Digits(NamedTuple):
    """Images of one digit and what the styles need to know of them; all lengths in pixels."""

    images: Tensor  # float32 [n, 28, 28]
    top: Tensor  # [n], the middle of the pen at the digit's highest place
    bottom: Tensor  # [n]
    height: Tensor  # [n], of the whole ink
    radius: Tensor  # [n], half the width of the pen
    random: Tensor  # [n, NUMBERS], even in [0, 1]

    def between(self, number: int, low: float, high: float) -> Tensor:
        """A random number `[n]` from `low` to `high`; each `number` gives another."""
        return low + (high - low) * self.random[:, number]


def redraw_variants(
    images: Tensor, labels: Tensor, generator: torch.Generator, share: float
) -> Tensor:
    """Redraw a random share of the 1s, 4s, 7s and 9s in forms that MNIST lacks.

    Args:
        images: float32 `[N, 28, 28]` in [0, 1], bright ink on black.
        labels: int64 `[N]`, on the same device.
        generator: the only source of randomness.
        share: of each of the four digits, in [0, 1].

    Returns:
        A new tensor of the same shape; the centre of mass has moved, and lines may be a little
        longer than MNIST's.
    """
    drawn = torch.rand(len(images), 1 + NUMBERS, generator=generator, device=generator.device).to(
        images.device
    )
    chosen = drawn[:, 0] < share
    result = images.clone()
    for digit, style in {
        1: _flagged_one,
        4: _hooked_four,
        7: _crossed_seven,
        9: _curled_nine,
    }.items():
        rows = torch.nonzero(chosen & (labels == digit))[:, 0]
        if len(rows):
            result[rows] = style(_measure(images[rows], drawn[rows, 1:]))
    return result


def _flagged_one(ones: _Digits) -> Tensor:
    """A stroke from the top down to the left; on every fifth a foot as well."""
    head = torch.stack([_middle(ones.images, ones.top), ones.top], 1)
    angle = torch.deg2rad(ones.between(0, 30, 70))  # from straight down
    length = ones.height * ones.between(1, 0.4, 0.9)
    flag = torch.stack([-angle.sin(), angle.cos()], 1) * length[:, None]
    image = torch.maximum(ones.images, line([head, head + flag], ones.radius))
    heel = torch.stack([_middle(ones.images, ones.bottom), ones.bottom], 1)
    half = ones.height * ones.between(2, 0.15, 0.3)
    foot = torch.stack([half, half * ones.between(3, -0.15, 0.15)], 1)
    footed = torch.maximum(image, line([heel - foot, heel + foot], ones.radius))
    return torch.where(ones.random[:, 4, None, None] < 0.2, footed, image)


def _hooked_four(fours: _Digits) -> Tensor:
    """The end of the stem, and on many the beginning of it, left out; narrower, and as high as
    before."""
    x, y = _places().to(fours.images.device).view(2, 28, 28)
    below = y > (fours.bottom - fours.height * fours.between(0, 0, 0.25))[:, None, None]
    middles = (fours.images @ x[0]) / fours.images.sum(2).clamp_min(1e-3)  # of each row, [n, 28]
    until = fours.top + fours.height * fours.between(1, 0.1, 0.4) * (fours.random[:, 2] < 0.4)
    stem = (x > middles[:, :, None] + 1) & (y < until[:, None, None])
    image = fours.images.masked_fill(below | stem, 0)
    rest = _measure(image, fours.random)
    return _stretch(
        image,
        rest.top,
        fours.top,
        fours.between(3, 0.6, 1),
        fours.height / rest.height.clamp_min(5),
    )


def _crossed_seven(sevens: _Digits) -> Tensor:
    """A bar across the stem."""
    y = sevens.top + sevens.height * sevens.between(0, 0.35, 0.85)
    half = sevens.height * sevens.between(1, 0.12, 0.5)
    x = _middle(sevens.images, y) + half * sevens.between(2, -0.3, 0.3)
    crossing, bar = (
        torch.stack([x, y], 1),
        torch.stack([half, half * sevens.between(3, -0.45, 0.2)], 1),
    )
    return torch.maximum(sevens.images, line([crossing - bar, crossing + bar], sevens.radius))


def _curled_nine(nines: _Digits) -> Tensor:
    """The digit made smaller towards its top, and in the room below a tail that curls to the
    left."""
    across, down = nines.between(0, 0.65, 1), nines.between(1, 0.45, 1)
    image = _stretch(nines.images, nines.top, nines.top, across, down)
    radius = nines.radius * (across * down).sqrt()
    end = nines.top + down * (nines.bottom - nines.top)
    room, length = nines.bottom - end, nines.height * nines.between(2, 0.2, 0.8)
    start = torch.stack([_middle(image, end), end], 1)
    turn = torch.stack(
        [length * nines.between(3, -0.3, 0.3), room * nines.between(4, 1.1, 1.6) + 1], 1
    )
    tip = torch.stack([-length, room - nines.height * nines.between(5, -0.02, 0.2)], 1)
    curve = [
        start + 2 * t * (1 - t) * turn + t * t * tip for t in torch.linspace(0, 1, 6).tolist()
    ]  # a Bezier curve
    for point in curve:
        point[:, 1] = torch.minimum(point[:, 1], nines.bottom)
    return torch.maximum(image, line(curve, radius))


def _measure(images: Tensor, random: Tensor) -> _Digits:
    """Where the ink begins and ends, and how wide the pen was: a line's area over half the length
    of its outline."""
    inked = (images.amax(2) > 0.4).int()
    first, last = inked.argmax(1), images.shape[1] - 1 - inked.flip(1).argmax(1)
    outline = (
        (images.diff(dim=1).abs().sum((1, 2)) + images.diff(dim=2).abs().sum((1, 2))) * torch.pi / 4
    )
    radius = (images.sum((1, 2)) / outline.clamp_min(1) - 0.25).clamp(
        0.6, 2
    )  # less: ink also fills the corners
    return _Digits(images, first + radius, last - radius, (last - first).float(), radius, random)


def _middle(images: Tensor, rows: Tensor) -> Tensor:
    """The mean x `[n]` of the ink in one row of each image."""
    row = images[torch.arange(len(images)), rows.round().long().clamp(0, images.shape[1] - 1)]
    return (row @ torch.arange(images.shape[2], device=row.device, dtype=row.dtype)) / row.sum(
        1
    ).clamp_min(1e-3)


def line(points: list[Tensor], radius: Tensor) -> Tensor:
    """The ink `[n, 28, 28]` of a round pen that goes straight from point to point, each `[n, 2]`
    (x, y)."""
    x, y = torch.stack(points, 2).unsqueeze(3).unbind(1)  # each [n, k, 1]
    step_x, step_y = x.diff(dim=1), y.diff(dim=1)
    place_x, place_y = _places().to(radius.device)
    away_x, away_y = (
        place_x - x[:, :-1],
        place_y - y[:, :-1],
    )  # from each piece's begin to each pixel
    length = (step_x.square() + step_y.square()).clamp_min(1e-6)
    along = ((away_x * step_x + away_y * step_y) / length).clamp_(0, 1)
    squares = (away_x - along * step_x).square_() + (away_y - along * step_y).square_()
    ink: Tensor = (radius[:, None] + 0.5 - squares.amin(1).sqrt_()).clamp_(0, 1)
    return ink.view(-1, 28, 28)


def _stretch(images: Tensor, old: Tensor, new: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Make digits wider by `across`, about x = 14, and longer by `down`, so that the row `old`
    comes to `new`."""
    zero = torch.zeros_like(across)
    old_place, new_place, middle = (old - 13.5) / 14, (new - 13.5) / 14, 0.5 / 14
    to_x = torch.stack([1 / across, zero, middle - middle / across], 1)
    to_y = torch.stack([zero, 1 / down, old_place - new_place / down], 1)
    grid = functional.affine_grid(
        torch.stack([to_x, to_y], 1), [len(images), 1, 28, 28], align_corners=False
    )
    return functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


@functools.cache
def _places() -> Tensor:
    """The places x and y of all pixels, float32 `[2, 784]`."""
    return torch.cartesian_prod(torch.arange(28.0), torch.arange(28.0)).T.flip(0).contiguous()
