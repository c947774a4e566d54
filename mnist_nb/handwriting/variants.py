"""Redraw digits in forms that MNIST's American writers rarely use.

In much of the world a 1 has a flag, and sometimes a foot; a 4 is a long hook with a short bar
across its end; a 7 is crossed; a 9 has a small loop and a tail that curls to the left. MNIST has
few of these, so a network trained only on MNIST reads them as a 7, a 6, a 2 and a 3. Here MNIST's
digits are redrawn: a stroke is added with the same pen width, or a part is removed or enlarged.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mnist_nb.data import SIDE
from mnist_nb.handwriting.raster import draw_lines

_RANDOM_NUMBERS = 8  # random numbers per image, for the styles
_INKED = 0.4  # a row belongs to the digit if a pixel is above this value


class _Digits(NamedTuple):
    """Images of one digit and their measurements. Lengths are in pixels."""

    images: Tensor  # float32 [n, 28, 28]
    top: Tensor  # [n], y of the pen's centre at the highest point
    bottom: Tensor  # [n], y of the pen's centre at the lowest point
    height: Tensor  # [n], height of the ink
    radius: Tensor  # [n], half the width of the pen
    random: Tensor  # [n, _RANDOM_NUMBERS], uniform in [0, 1)

    def between(self, number: int, low: float, high: float) -> Tensor:
        """Return random values `[n]` from `low` to `high`, from the random numbers at an index.

        The same index always gives the same random number.
        """
        return low + (high - low) * self.random[:, number]


def redraw_variants(
    images: Tensor, labels: Tensor, generator: torch.Generator, share: float
) -> Tensor:
    """Redraw a random share of the 1s, 4s, 7s and 9s in forms that are rare in MNIST.

    Args:
        images: float32 `[N, 28, 28]` in [0, 1], bright ink on black.
        labels: int64 `[N]`, on the same device.
        generator: the only source of randomness.
        share: the share of each of the four digits, in [0, 1].

    Returns:
        A new tensor of the same shape. The centre of mass has moved, and lines may be slightly
        longer than MNIST's.
    """
    shape = (len(images), 1 + _RANDOM_NUMBERS)
    drawn = torch.rand(shape, generator=generator, device=generator.device).to(images.device)
    choice, style_numbers = drawn[:, 0], drawn[:, 1:]
    is_chosen = choice < share
    styles = {1: _flagged_one, 4: _hooked_four, 7: _crossed_seven, 9: _curled_nine}
    result = images.clone()
    for digit, style in styles.items():
        rows = torch.nonzero(is_chosen & (labels == digit))[:, 0]
        if len(rows):
            digits = _measure(images[rows], style_numbers[rows])
            result[rows] = style(digits)
    return result


def _flagged_one(ones: _Digits) -> Tensor:
    """Add a stroke from the top down to the left, and a foot to one in five."""
    angle = torch.deg2rad(ones.between(0, 30, 70))  # measured from straight down
    length = ones.height * ones.between(1, 0.4, 0.9)
    head = _ink_middle(ones.images, ones.top)
    flag = _points(-angle.sin(), angle.cos()) * length[:, None]
    flagged = _add_line(ones.images, [head, head + flag], ones.radius)

    half_width = ones.height * ones.between(2, 0.15, 0.3)
    slope = ones.between(3, -0.15, 0.15)
    heel = _ink_middle(ones.images, ones.bottom)
    half_foot = _points(half_width, half_width * slope)
    footed = _add_line(flagged, [heel - half_foot, heel + half_foot], ones.radius)

    has_foot = ones.random[:, 4] < 0.2
    return torch.where(has_foot[:, None, None], footed, flagged)


def _hooked_four(fours: _Digits) -> Tensor:
    """Remove the end of the stem, and of 40 % its beginning; make the digit narrower."""
    x = torch.arange(float(SIDE), device=fours.images.device)
    y = x[:, None]
    stem_stop = fours.bottom - fours.height * fours.between(0, 0, 0.25)
    is_end = y > stem_stop[:, None, None]

    is_begun_later = fours.random[:, 2] < 0.4
    left_out = fours.height * fours.between(1, 0.1, 0.4) * is_begun_later
    stem_start = fours.top + left_out
    row_mass = fours.images.sum(2).clamp_min(1e-3)
    row_middle = (fours.images @ x) / row_mass  # [n, row]
    is_right = x > row_middle[:, :, None] + 1
    is_beginning = is_right & (y < stem_start[:, None, None])

    image = fours.images.masked_fill(is_end | is_beginning, 0)
    rest = _measure(image, fours.random)
    across = fours.between(3, 0.6, 1)
    down = fours.height / rest.height.clamp_min(5)
    return _stretch(image, rest.top, fours.top, across, down)


def _crossed_seven(sevens: _Digits) -> Tensor:
    """Add a bar across the stem."""
    y = sevens.top + sevens.height * sevens.between(0, 0.35, 0.85)
    half_width = sevens.height * sevens.between(1, 0.12, 0.5)
    shift = half_width * sevens.between(2, -0.3, 0.3)
    slope = sevens.between(3, -0.45, 0.2)
    stem = _ink_middle(sevens.images, y)
    centre = stem + _points(shift, torch.zeros_like(y))
    half_bar = _points(half_width, half_width * slope)
    return _add_line(sevens.images, [centre - half_bar, centre + half_bar], sevens.radius)


def _curled_nine(nines: _Digits) -> Tensor:
    """Shrink the digit towards its top, and add a tail below that curls to the left."""
    across = nines.between(0, 0.65, 1)
    down = nines.between(1, 0.45, 1)
    image = _stretch(nines.images, nines.top, nines.top, across, down)
    radius = nines.radius * (across * down).sqrt()

    end = nines.top + down * (nines.bottom - nines.top)  # y of the lowest point now
    space = nines.bottom - end
    length = nines.height * nines.between(2, 0.2, 0.8)
    turn_x = length * nines.between(3, -0.3, 0.3)
    turn_y = space * nines.between(4, 1.1, 1.6) + 1
    tip_y = space - nines.height * nines.between(5, -0.02, 0.2)

    start = _ink_middle(image, end)
    turn = _points(turn_x, turn_y)  # of the Bezier curve, from its start
    tip = _points(-length, tip_y)
    tail = []
    for t in torch.linspace(0, 1, 6).tolist():
        x, y = (start + 2 * t * (1 - t) * turn + t * t * tip).unbind(1)
        tail.append(_points(x, torch.minimum(y, nines.bottom)))
    return _add_line(image, tail, radius)


def _measure(images: Tensor, random: Tensor) -> _Digits:
    """Measure the vertical extent of the ink, and the width of the pen.

    The width of a line is its area divided by half the length of its outline. The outline is
    measured along the axes, which on average is 4/pi times too long.
    """
    is_inked = (images.amax(2) > _INKED).int()  # [n, row]
    first = is_inked.argmax(1)
    last = SIDE - 1 - is_inked.flip(1).argmax(1)
    vertical_edges = images.diff(dim=1).abs().sum((1, 2))
    horizontal_edges = images.diff(dim=2).abs().sum((1, 2))
    outline = (vertical_edges + horizontal_edges) * torch.pi / 4
    area = images.sum((1, 2))
    # 0.25 less, because ink also fills the corners
    radius = (area / outline.clamp_min(1) - 0.25).clamp(0.6, 2)
    height = (last - first).float()
    return _Digits(images, first + radius, last - radius, height, radius, random)


def _ink_middle(images: Tensor, y: Tensor) -> Tensor:
    """Return the centre of the ink at the height `y` of each image: `[n, (x, y)]`."""
    image = torch.arange(len(images))
    nearest = y.round().long().clamp(0, SIDE - 1)
    row = images[image, nearest]
    mass = row.sum(1).clamp_min(1e-3)
    pixel_x = torch.arange(float(SIDE), device=row.device)
    return _points((row @ pixel_x) / mass, y)


def _points(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([x, y], 1)  # [n, (x, y)]


def _add_line(images: Tensor, points: list[Tensor], radius: Tensor) -> Tensor:
    return torch.maximum(images, draw_lines(torch.stack(points, 1), radius))


def _stretch(images: Tensor, old: Tensor, new: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Stretch images by `across` about x = 14 and by `down`, moving the row `old` to `new`.

    `affine_grid` maps new positions to old ones, in coordinates from -1 to 1: 0 is the image's
    centre at pixel index 13.5.
    """
    middle = 0.5 / 14  # of MNIST's digits, pixel index 14
    old_y = (old - 13.5) / 14
    new_y = (new - 13.5) / 14
    zero = torch.zeros_like(across)
    to_x = torch.stack([1 / across, zero, middle - middle / across], 1)
    to_y = torch.stack([zero, 1 / down, old_y - new_y / down], 1)
    matrix = torch.stack([to_x, to_y], 1)  # [n, 2, 3]
    size = [len(images), 1, SIDE, SIDE]
    grid = functional.affine_grid(matrix, size, align_corners=False)
    return functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0]
