"""Images without digits for learning refusal, made from MNIST's digits or drawn by rules.

They must be augmented like the digits. Otherwise the network learns to recognize augmentation, and
accepts real letters, which are not augmented, as digits.
"""

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from mnist_nb.data import SIDE
from mnist_nb.handwriting.raster import render_centred
from mnist_nb.handwriting.signs import random_signs

STROKES = 4  # of a sign, at most
POINTS = 7  # of a stroke
SIGN_SHARE = 0.23  # signs take longest to draw, and letters are harder to refuse

LETTERS = """
A 72 29 46, A 72 26 69 46, E 17 13 46 79, E 3145 5479, F 17 13 46, F 13 28 56, F 28 3216,
H 17 39 46, K 17 34 49, L 17 79, M 71 15 53 39, N 71 19 93, P 17 1364, R 17 1364 49, R 17 1364 59,
V 18 83, W 17 75 59 93, X 19 37, d 39 6479, d 36 6479 69, e 46 6314 4789, e 46 6214 4799,
e 5632 2147 79, f 3228 46, h 17 7469, k 17 67 49, m 47 7458 8569, n 47 7469, r 17 7123
"""
"""Letters that resemble no digit, as strokes between nine places, named like the keys 1 to 9 of a
telephone: two keys for a straight line, four for a cubic Bezier curve from the first to the
last."""


class _Turn(NamedTuple):
    """A way to turn a digit, and the digits that are still digits afterwards."""

    is_mirrored: bool
    quarter_turns: int  # after mirroring
    still_digits: list[int]

    def apply(self, images: Tensor) -> Tensor:
        """Turn images `[n, 28, 28]`."""
        if self.is_mirrored:
            images = images.flip(2)
        return images.rot90(self.quarter_turns, (1, 2))

    def leaves_digit(self, labels: Tensor) -> Tensor:
        """Return whether the digits are still digits afterwards: bool `[n]`."""
        return torch.isin(labels, torch.tensor(self.still_digits, device=labels.device))


_TURNS = (
    _Turn(True, 0, [0, 1, 8]),
    _Turn(True, 2, [0, 1, 2, 3, 5, 8]),
    _Turn(False, 2, [0, 1, 2, 5, 6, 8, 9]),
    _Turn(False, 1, [0]),
    _Turn(False, 3, [0]),
    _Turn(True, 1, [0]),
    _Turn(True, 3, [0]),
)
# The other ways to corrupt a digit, numbered after the turns.
_WAYS = 12
_LEFT_AND_RIGHT, _TOP_AND_BOTTOM, _OVERLAID, _SPECKS, _FRAME = range(len(_TURNS), _WAYS)


def make_negatives(
    images: Tensor, labels: Tensor, generator: torch.Generator, sign_share: float = SIGN_SHARE
) -> Tensor:
    """Make images without digits, a quarter as many as given.

    About one in thirteen is a corrupted digit, one in thirteen random strokes; the others are
    signs and letters.

    Args:
        images: digits, float32 `[N, 28, 28]` in [0, 1], bright ink on black.
        labels: int64 `[N]`.
        generator: the only source of randomness.
        sign_share: the share of signs, in [0, 0.8].

    Returns:
        float32 `[N / 4, 28, 28]`, rounded up, in [0, 1]. A few may still look like a digit.
    """
    count = math.ceil(len(images) / 4)
    sign_count = int(sign_share * count)
    rest = math.ceil(2 * count / 13)
    letter_count = count - sign_count - rest
    corrupted = corrupted_digits(images, labels, rest // 2, generator)
    strokes = random_strokes(rest - rest // 2, generator)
    letters = random_letters(letter_count, generator)
    signs = random_signs(sign_count, generator)
    drawn = torch.cat([strokes.cpu(), letters.cpu(), signs])
    return torch.cat([corrupted, drawn.to(images.device)])


def corrupted_digits(
    images: Tensor, labels: Tensor, count: int, generator: torch.Generator
) -> Tensor:
    """Mirror, turn, overlay or join digits so that they are no longer digits, or draw specks or a
    frame instead.

    A turn that would give a digit is replaced by overlaying. Overlaying or joining that would give
    a digit is replaced by a quarter turn.

    Args:
        images: float32 `[N, 28, 28]` in [0, 1], N at least `2 * count`: the first `count` are
            corrupted, together with the next `count`.
        labels: int64 `[N]`.
        count: the number of images to make.
        generator: the only source of randomness.

    Returns:
        float32 `[count, 28, 28]` in [0, 1].
    """
    device = images.device
    way = torch.randint(_WAYS, (count,), generator=generator, device=generator.device)
    drawn = torch.rand(count, 15, 14, generator=generator, device=generator.device).to(device)
    way_per_pixel = way.to(device)[:, None, None]
    frame_width, speck_numbers = drawn[:, :1, :1], drawn[:, 1:]

    first, second = images[:count], images[count : 2 * count]
    label, other_label = labels[:count], labels[count : 2 * count]
    result = _combined(first, second, label, other_label, way_per_pixel)
    for number, turn in enumerate(_TURNS):
        is_corrupted = ~turn.leaves_digit(label)[:, None, None]
        is_used = (way_per_pixel == number) & is_corrupted
        result = torch.where(is_used, turn.apply(first), result)
    result = torch.where(way_per_pixel == _SPECKS, _specks(speck_numbers), result)
    return torch.where(way_per_pixel == _FRAME, _frames(frame_width), result)


def _combined(
    first: Tensor, second: Tensor, label: Tensor, other_label: Tensor, way: Tensor
) -> Tensor:
    """Join the halves of two digits if `way` says so, and overlay the others."""
    is_low_half = torch.arange(SIDE, device=first.device) < SIDE // 2
    left_and_right = torch.where(is_low_half, first, second)
    top_and_bottom = torch.where(is_low_half[:, None], first, second)
    result = torch.maximum(first, second)
    result = torch.where(way == _LEFT_AND_RIGHT, left_and_right, result)
    result = torch.where(way == _TOP_AND_BOTTOM, top_and_bottom, result)
    # the same digit twice is still that digit, and a 1 over a 0 is a crossed 0
    has_one = (label == 1) | (other_label == 1)
    may_be_digit = (label == other_label) | has_one
    turned = first.rot90(1, (1, 2))
    return torch.where(may_be_digit[:, None, None], turned, result)


def _specks(numbers: Tensor) -> Tensor:
    """Draw specks of 2x2 pixels, 8 % of the image, from random numbers `[n, 14, 14]`."""
    is_inked = numbers < 0.08
    return is_inked.repeat_interleave(2, 1).repeat_interleave(2, 2).float()


def _frames(width: Tensor) -> Tensor:
    """Draw frames 18 pixels wide. Random numbers `[n, 1, 1]` determine how much lower they are.

    No frame is higher than wide, because it could be a 0.
    """
    across = (torch.arange(SIDE, device=width.device) - SIDE / 2).abs()  # from the middle
    down = across[:, None] * (1 + 1.5 * width)
    distance = torch.maximum(across, down)  # [n, row, column]
    beyond_8 = (distance - 8).clamp(0, 1)
    within_10 = (10 - distance).clamp(0, 1)
    return beyond_8 * within_10


# ---- random strokes


def random_strokes(count: int, generator: torch.Generator) -> Tensor:
    """Draw two to four lines and arcs between places of a 3x3 lattice, as large as MNIST's digits.

    Half of them begin with a stem on the left, with bars to the right. A quarter are zigzags of
    three or four strokes. In the others, strokes can be anywhere.

    Args:
        count: the number of images.
        generator: the only source of randomness.

    Returns:
        float32 `[count, 28, 28]` in [0, 1].
    """
    drawn = torch.rand(count, STROKES, 10, generator=generator, device=generator.device)
    places, choices = drawn[:, :, :4], drawn[:, :, 4:]
    kind, role, chain, bulge, bend, size = choices.unbind(2)  # each [sign, stroke]
    across = 0.4 + 0.6 * size[:, 1]
    radius = 0.8 + size[:, 2]  # in pixels; MNIST's pens have about 1.25

    number = torch.arange(STROKES, device=drawn.device)
    has_stem = kind[:, :1] < 0.5
    is_zigzag = kind[:, :1] > 0.75
    is_first_stem = has_stem & (number == 0)
    is_second_stem = has_stem & (number == 1) & (role < 0.3)
    is_stem = is_first_stem | is_second_stem
    is_bar = has_stem & ~is_stem & (role < 0.7)

    # the ends of the strokes, [sign, stroke, (x, y, to_x, to_y)]
    lattice = (places * 3).floor()
    jitter = 0.4 * (places * 3).frac()
    stems = _stem_ends(is_second_stem)
    bars = _bar_ends(lattice, may_cross=bend < 0.5)
    zigzags = _zigzag_ends(number, starts_low=role[:, :1] < 0.5)
    ends = torch.where(is_zigzag[:, :, None], zigzags, lattice)
    ends = torch.where(is_bar[:, :, None], bars, ends)
    ends = torch.where(is_stem[:, :, None], stems, ends)
    start, stop = (ends + jitter).chunk(2, dim=2)

    continues = is_zigzag | (chain < 0.4) & ~is_stem
    start = _chained(start, stop, continues)
    is_arc = (bend < 0.4) & ~is_stem
    points = _arcs(start, stop, torch.where(is_arc, 4 * (bulge - 0.5), 0.0))

    fewest = torch.where(is_zigzag, 3, 2)  # two strokes of a zigzag make a 1 with a flag
    choices_of_count = STROKES + 1 - fewest
    stroke_count = fewest + (size[:, :1] * choices_of_count).floor()
    is_drawn = number < stroke_count
    points = torch.where(is_drawn[:, :, None, None], points, points[:, :1])
    return render_centred(points, across, radius)


def _stem_ends(is_second: Tensor) -> Tensor:
    """Return stems from top to bottom, on the left; a second one on the right."""
    x = 2.0 * is_second
    top = torch.zeros_like(x)
    bottom = torch.full_like(x, 2.0)
    return torch.stack([x, top, x, bottom], 2)


def _bar_ends(lattice: Tensor, may_cross: Tensor) -> Tensor:
    """Return bars from the stem to the right. Some cross it, as in f and t.

    None crosses it at the foot, where some 1s have a bar.
    """
    _, y, to_x, _ = lattice.unbind(2)
    crosses = may_cross & (y < 2)
    x = torch.where(crosses, -0.8, 0.0)
    return torch.stack([x, y, to_x.clamp_min(1), y], 2)


def _zigzag_ends(number: Tensor, starts_low: Tensor) -> Tensor:
    """Return strokes alternately up and down, from left to right."""
    y = 2.0 * ((number + starts_low) % 2)
    x = (number / 1.5).expand_as(y)
    to_x = x + 1 / 1.5
    return torch.stack([x, y, to_x, 2 - y], 2)


def _chained(start: Tensor, stop: Tensor, continues: Tensor) -> Tensor:
    """Move the start of each stroke that continues to the end of the previous one.

    Args:
        start, stop: `[sign, stroke, (x, y)]`.
        continues: bool `[sign, stroke]`; the first stroke never does.
    """
    first, later = start[:, :1], start[:, 1:]
    stop_before = stop[:, :-1]
    continues_later = continues[:, 1:, None]
    moved = torch.where(continues_later, stop_before, later)
    return torch.cat([first, moved], 1)


def _arcs(start: Tensor, stop: Tensor, bulge: Tensor) -> Tensor:
    """Return quadratic Bezier curves: `[sign, stroke, point, (x, y)]`.

    Args:
        start, stop: `[sign, stroke, (x, y)]`.
        bulge: the distance of the control point from the straight line, `[sign, stroke]`, in
            lengths of that line; 0 gives a straight line.
    """
    along_x, along_y = (stop - start).unbind(2)
    normal = torch.stack([-along_y, along_x], 2)
    middle = (start + stop) / 2
    control = middle + normal * bulge.unsqueeze(2)
    t = _curve_parameter(start.device)
    from_start = start.unsqueeze(2) * (1 - t) ** 2
    from_control = control.unsqueeze(2) * 2 * t * (1 - t)
    from_stop = stop.unsqueeze(2) * t**2
    return from_start + from_control + from_stop


# ---- random letters


def random_letters(count: int, generator: torch.Generator) -> Tensor:
    """Draw random forms of `LETTERS`, as large as MNIST's digits, with randomly moved places.

    Args:
        count: the number of images.
        generator: the only source of randomness.

    Returns:
        float32 `[count, 28, 28]` in [0, 1].
    """
    drawn = torch.rand(count, 11, 2, generator=generator, device=generator.device)
    choices, moves = drawn[:, :2], drawn[:, 2:]
    form, width, pen, _ = choices.flatten(1).unbind(1)  # each [letter]
    across = 0.4 + 0.6 * width
    radius = 0.8 + pen

    forms = _letter_forms().to(drawn.device)
    form_index = (form * len(forms)).long()
    keys = forms[form_index]  # [letter, stroke, control point]
    places = _key_places().to(drawn.device) + 0.45 * (moves - 0.5)  # [letter, key, (x, y)]
    letter = torch.arange(count)[:, None, None]
    control_points = places[letter, keys]  # [letter, stroke, control point, (x, y)]
    points = _bernstein_weights(drawn.device) @ control_points
    return render_centred(points, across, radius)


def _key_places() -> Tensor:
    """Return the places of the keys 1 to 9, with coordinates 0, 1 and 2: `[key, (x, y)]`."""
    key = torch.arange(9)
    return torch.stack([key % 3, key // 3], 1)


@functools.cache
def _letter_forms() -> Tensor:
    """Return the keys, from 0 on, of each stroke's control points: int64 `[form, STROKES, 4]`.

    A form with fewer strokes has points instead of the others.
    """
    forms = []
    for form in LETTERS.split(","):
        _, *strokes = form.split()
        keys = [_control_keys(stroke) for stroke in strokes]
        first_key = keys[0][0]
        while len(keys) < STROKES:
            keys.append([first_key] * 4)
        forms.append(keys)
    return torch.tensor(forms)


def _control_keys(stroke: str) -> list[int]:
    keys = [int(key) - 1 for key in stroke]
    if len(keys) == 2:  # a straight line
        return [keys[0], keys[0], keys[1], keys[1]]
    return keys


def _bernstein_weights(device: torch.device) -> Tensor:
    """Return the weight of each control point of a cubic Bezier curve: `[point, control point]`."""
    t = _curve_parameter(device)
    first = (1 - t) ** 3
    second = 3 * t * (1 - t) ** 2
    third = 3 * t**2 * (1 - t)
    fourth = t**3
    return torch.cat([first, second, third, fourth], 1)


def _curve_parameter(device: torch.device) -> Tensor:
    """Return the parameter t of a Bezier curve at each of its points, 0 to 1: `[POINTS, 1]`."""
    return torch.linspace(0, 1, POINTS, device=device)[:, None]
