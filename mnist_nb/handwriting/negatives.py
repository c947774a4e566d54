"""Images that are no digits, for a network to learn to refuse: made from MNIST's digits, or drawn
by rule.

They must be augmented as the digits are. Otherwise what is learnt is to tell an augmented image
from one that is not, and real letters, which are neither, are taken for digits.
"""

import functools
from typing import Any

import torch
from torch import Tensor

from mnist_nb.data import SIDE
from mnist_nb.handwriting.variants import line
from mnist_nb.training.backpropagation import autograd_gradients

STROKES, POINTS = 4, 7  # of a sign, at most; of a stroke
LETTERS = """
A 72 29 46, A 72 26 69 46, E 17 13 46 79, E 3145 5479, F 17 13 46, F 13 28 56, F 28 3216, H 17 39 46, K 17 34 49,
L 17 79, M 71 15 53 39, N 71 19 93, P 17 1364, R 17 1364 49, R 17 1364 59, V 18 83, W 17 75 59 93, X 19 37,
d 39 6479, d 36 6479 69, e 46 6314 4789, e 46 6214 4799, e 5632 2147 79, f 3228 46, h 17 7469, k 17 67 49,
m 47 7458 8569, n 47 7469, r 17 7123"""
"""Letters that no digit looks like, by their strokes between nine places, which lie as the keys 1
to 9 of a telephone: two keys for a straight line, four for a cubic Bezier curve from the first to
the last."""
# ways to change a digit: mirrored or not, then quarters of a turn; and the digits that stay digits
_TURNS = {(True, 0): "018", (True, 2): "012358", (False, 2): "0125689"}
_TURNS |= dict.fromkeys([(False, 1), (False, 3), (True, 1), (True, 3)], "0")


def make_negatives(images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """A quarter as many images as are given, none of which is a digit: spoilt digits, letters and
    random strokes.

    Args:
        images: digits, float32 `[N, 28, 28]` in [0, 1], bright ink on black.
        labels: int64 `[N]`.
        generator: the only source of randomness.

    Returns:
        float32 `[N // 4, 28, 28]` in [0, 1]; a few may look like a digit all the same.
    """
    count = len(images) // 4
    part = 3 * count // 10  # of spoilt digits, and of random signs
    signs = torch.cat([random_signs(part, generator), random_letters(count - 2 * part, generator)])
    return torch.cat([_spoilt(images, labels, part, generator), signs.to(images.device)])


def rejection_gradients(
    model: Any, digits: Tensor, strange: Tensor, momentum: float = 0.0
) -> float:
    """`GradientFn` for the part of a network that refuses; the rest of it stays untouched. Returns
    the loss, in nats.

    Args:
        digits, strange: float32 `[N, 28, 28]` in [0, 1], changed at random in the same ways.
    """
    model.eval()  # or batch normalisation would take what is no digit for the usual
    with torch.no_grad():
        hidden = model.hidden(torch.cat([digits, strange]))
    model.train()
    is_digit = torch.arange(len(hidden), device=hidden.device) < len(digits)
    return autograd_gradients(model.reject, hidden, is_digit.long(), momentum)


def _spoilt(images: Tensor, labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Digits mirrored, turned, two on top of each other, or glued from two halves; and specks and
    frames."""
    (first, second), (label, other) = (
        (part[:count], part[count : 2 * count]) for part in (images, labels)
    )
    way = torch.randint(12, (count, 1, 1), generator=generator, device=generator.device).to(
        images.device
    )
    low = torch.arange(SIDE, device=images.device) < SIDE // 2
    result = torch.maximum(first, second)
    result = torch.where(way == 7, torch.where(low, first, second), result)
    result = torch.where(way == 8, torch.where(low[:, None], first, second), result)
    alike = (label == other) | (label == 1) | (other == 1)  # a 0 and a 1 give a crossed 0
    result = torch.where(alike[:, None, None], first.rot90(1, (1, 2)), result)
    for number, ((mirrored, turns), digits) in enumerate(_TURNS.items()):
        stays = torch.isin(
            label, torch.tensor([int(digit) for digit in digits], device=label.device)
        )
        changed = (first.flip(2) if mirrored else first).rot90(turns, (1, 2))
        result = torch.where((way == number) & ~stays[:, None, None], changed, result)
    drawn = torch.rand(count, 15, 14, generator=generator, device=generator.device).to(
        images.device
    )
    specks = (drawn[:, 1:] < 0.08).repeat_interleave(2, 1).repeat_interleave(2, 2).float()
    away = (torch.arange(SIDE, device=images.device) - SIDE / 2).abs()
    edge = torch.maximum(
        away, away[:, None] * (1 + 1.5 * drawn[:, :1, :1])
    )  # wide ones: a high one may be a 0
    frames = (10 - edge).clamp(0, 1) * (edge - 8).clamp(0, 1)
    return torch.where(way == 10, specks, torch.where(way == 11, frames, result))


def random_signs(count: int, generator: torch.Generator) -> Tensor:
    """Signs of two to four strokes, lines and arcs between places of a 3x3 lattice, drawn as large
    as MNIST's digits.

    Half of them begin with a stem on the left, from which some bars go to the right; a quarter are
    zigzags.
    """
    drawn = torch.rand(count, STROKES, 10, generator=generator, device=generator.device)
    lattice, kind = (drawn[:, :, :4] * 3).floor(), drawn[:, :1, 4]
    x, y, to_x, to_y = lattice.unbind(2)
    stem, zigzag, number = kind < 0.5, kind > 0.75, torch.arange(STROKES, device=drawn.device)
    second_stem = stem & (number == 1) & (drawn[:, :, 5] < 0.3)
    is_stem = (stem & (number == 0)) | second_stem
    is_bar = stem & ~is_stem & (drawn[:, :, 5] < 0.7)
    # a bar may cross the stem, as in f and t; not at its foot, where some 1s have one
    left = torch.where((drawn[:, :, 8] < 0.5) & (y < 2), -0.8, 0.0)
    x = torch.where(
        is_stem, 2.0 * second_stem, torch.where(is_bar, left, torch.where(zigzag, number / 1.5, x))
    )
    to_x = torch.where(
        is_stem, x, torch.where(is_bar, to_x.clamp_min(1), torch.where(zigzag, x + 1 / 1.5, to_x))
    )
    turns = 2.0 * ((number + (drawn[:, :1, 5] < 0.5)) % 2)
    y = torch.where(is_stem, 0.0, torch.where(zigzag, turns, y))
    to_y = torch.where(is_stem, 2.0, torch.where(is_bar, y, torch.where(zigzag, 2 - turns, to_y)))
    ends = torch.stack([x, y, to_x, to_y], 2) + 0.4 * (drawn[:, :, :4] * 3).frac()
    begin, end = ends.view(count, STROKES, 2, 2).unbind(2)
    goes_on = (drawn[:, 1:, 6] < 0.4) & ~is_stem[:, 1:] | zigzag
    begin = torch.cat(
        [begin[:, :1], torch.where(goes_on[:, :, None], end[:, :-1], begin[:, 1:])], 1
    )
    along, bulge = end - begin, (drawn[:, :, 7] - 0.5) * 4 * (drawn[:, :, 8] < 0.4) * ~is_stem
    middle = (begin + end) / 2 + torch.stack([-along[..., 1], along[..., 0]], 2) * bulge[..., None]
    t = torch.linspace(0, 1, POINTS, device=drawn.device)[:, None]
    points = (
        begin[:, :, None] * (1 - t) ** 2
        + middle[:, :, None] * 2 * t * (1 - t)
        + end[:, :, None] * t**2
    )
    there = (
        number < 2 + zigzag + (drawn[:, :1, 9] * (3 - 1 * zigzag)).floor()
    )  # two strokes make a 1 with a flag
    points = torch.where(
        there[:, :, None, None], points, points[:, :1]
    )  # [count, strokes, points, (x, y)]
    return _as_digits_lie(points, 0.4 + 0.6 * drawn[:, 1, 9], 0.8 + drawn[:, 2, 9])


def random_letters(count: int, generator: torch.Generator) -> Tensor:
    """Letters of `LETTERS`, each of the nine places moved a little, drawn as large as MNIST's
    digits."""
    drawn = torch.rand(count, 11, 2, generator=generator, device=generator.device)
    keys = torch.arange(9, device=drawn.device)
    places = torch.stack([keys % 3, keys // 3], 1) + 0.45 * (drawn[:, 2:] - 0.5)
    forms = _letter_forms().to(drawn.device)
    strokes = forms[(drawn[:, 0, 0] * len(forms)).long()]
    t = torch.linspace(0, 1, POINTS, device=drawn.device)[:, None]
    bernstein = torch.cat([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], 1)
    points = (
        bernstein @ places[torch.arange(count)[:, None, None], strokes]
    )  # [count, strokes, points, (x, y)]
    return _as_digits_lie(points, 0.4 + 0.6 * drawn[:, 0, 1], 0.8 + drawn[:, 1, 0])


@functools.cache
def _letter_forms() -> Tensor:
    """The places 0 to 8 that the strokes go by, int64 `[forms, STROKES, 4]`; a stroke that is not
    there is a point."""
    forms = []
    for form in LETTERS.split(","):
        strokes = [[int(key) - 1 for key in stroke] for stroke in form.split()[1:]]
        strokes += [strokes[0][:1] * 4] * (STROKES - len(strokes))
        forms.append([[keys[0], *keys, keys[-1]] if len(keys) == 2 else keys for keys in strokes])
    return torch.tensor(forms)


def _as_digits_lie(points: Tensor, across: Tensor, radius: Tensor) -> Tensor:
    """Strokes `[n, strokes, points, 2]` as images: the longer side 20 pixels, the middle of the ink
    at index 14.

    Args:
        across, radius: `[n]`, how much wider the strokes are made first, and half the width of the
            pen in pixels.
    """
    points = torch.stack([points[..., 0] * across[:, None, None], points[..., 1]], 3)
    sides = (points.amax((1, 2)) - points.amin((1, 2))).amax(1)
    points = points * ((20 - 2 * radius) / sides.clamp_min(0.2))[:, None, None, None]
    lengths = points.diff(dim=2).norm(dim=3, keepdim=True) + 1e-6
    middles = (points[:, :, 1:] + points[:, :, :-1]) / 2
    points = (
        points - ((middles * lengths).sum((1, 2)) / lengths.sum((1, 2)))[:, None, None] + SIDE // 2
    )
    return torch.stack([line(list(stroke.unbind(1)), radius) for stroke in points.unbind(1)]).amax(
        0
    )
