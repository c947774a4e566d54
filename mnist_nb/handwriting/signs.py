"""Signs that resemble no digit, drawn by rules: hearts, arrows, zigzags, scribbles.

Signs that could be a digit are omitted: a circle is a 0, a spiral of one turn a 6, an angle a 7, a
question mark a 2, a curly bracket a 3, an ampersand an 8, and a dash near upright a 1.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from string import ascii_lowercase

import torch
from torch import Tensor
from torch.nn import functional

from mnist_nb.handwriting.raster import render_centred

SIDE = 5  # places along each side of the lattice
PLACES = ascii_lowercase[: SIDE**2]
STROKES = 4  # of a form in `FORMS`, at most
STROKE_POINTS = 13
CURVE_POINTS = STROKES * (STROKE_POINTS - 1) + 1  # a curve has the segments of four strokes
MOVE = 0.3  # of a place or a corner, at most, in steps between places
FIGURES = 500  # random forms
THIN_PEN, THICK_PEN = 0.8, 1.8  # radius in pixels; MNIST's pens have about 1.25
THIN_DOT, THICK_DOT = 6.0, 10.0  # radius: from a line less than twice as long as wide to a disc


def _random_forms() -> str:
    """Return forms of two or three strokes between two to six places, straight or smooth."""
    chooser = Random(0)
    forms = []
    for _ in range(FIGURES):
        strokes = [_random_stroke(chooser) for _ in range(chooser.randint(2, 3))]
        forms.append(" ".join(strokes))
    return ", ".join(forms)


def _random_stroke(chooser: Random) -> str:
    places = chooser.sample(PLACES, chooser.randint(2, 6))
    return chooser.choice(["", "~"]) + "".join(places)


FORMS = {
    "heart": "~hbfkqw ~hdjosw",
    "smiley": "~bdjtxvpfb g i ~lrn, ~bdjtxvpfb gl in ~lrn",
    "house": "kuyok kco wr, fuyjf fcj, fuyjf fcj mr",
    "triangle": "cuyc, aewa, auoa",
    "stick figure": "~cimgc mr pmt vrx",
    "star": "vcxfjv",
    "arrow": "ko ios, ok gkq, cw qws, wc gci, ue ceo, ya kac",
    "tick": "kve, lwe, pve",
    "cross": "ay eu, cw ko",
    "equals": "fj pt",
    "not equal": "fj pt dv",
    "square root": "kvce",
    "percent": "eu ~bhlfb ~ntxrn",
    "colon": "h r, c m",
    "figure": _random_forms(),
}
"""Signs as strokes between 25 places, named a to y, row by row. A stroke is straight from place to
place, or smooth after a ~. A single place is a dot."""


# ---- curves: points [sign, CURVE_POINTS, (x, y)] from random numbers of the same shape


def _dot(random: Tensor) -> Tensor:
    """A line at any angle, drawn short with a very wide pen."""
    angle, _, _ = _choices(random)
    return _turned(_along(random), torch.zeros_like(_along(random)), math.pi * angle)


def _dash(random: Tensor) -> Tensor:
    """A curved line at least 60 degrees from vertical. Augmentation may turn it to 48."""
    angle, bow, _ = _choices(random)
    across = _along(random) - 0.5
    return _turned(across, (bow - 0.5) * across.square(), math.pi / 3 * (angle - 0.5))


def _zigzag(random: Tensor) -> Tensor:
    """Five to twelve legs, at any angle."""
    choice, height, angle = _choices(random)
    legs = _between(5, 12, choice)
    return _teeth(random, legs, legs * (0.2 + 0.6 * height), angle)


def _patch(random: Tensor) -> Tensor:
    """Twelve to thirty legs, close to each other."""
    choice, height, angle = _choices(random)
    legs = _between(12, 30, choice)
    return _teeth(random, legs, legs * (0.6 + 0.8 * height), angle)


def _spiral(random: Tensor) -> Tensor:
    """Two to four turns, in either direction."""
    turns, begin, direction = _choices(random)
    sign = 2 * direction.round() - 1
    return _polar(0.1 + _along(random), begin + sign * (2 + 2 * turns) * _along(random))


def _polyline(random: Tensor) -> Tensor:
    """Six to twelve lines between random places."""
    choice, _, _ = _choices(random)
    return _corners(random, _between(6, 12, choice))


def _scrawl(random: Tensor) -> Tensor:
    """A smooth line that crosses itself many times."""
    times = torch.arange(1, 6)
    size, begin = 0.5 + random[:, 3:8], random[:, 8:13]  # [sign, times, (x, y)]
    turn = _along(random)[..., None, None] * times[:, None] + begin[:, None]
    waves = size[:, None] * (2 * math.pi * turn).sin()  # [sign, point, times, (x, y)]
    return waves.sum(2)


CURVES: dict[str, Callable[[Tensor], Tensor]] = {
    "dot": _dot,
    "dash": _dash,
    "zigzag": _zigzag,
    "scribbled patch": _patch,
    "spiral": _spiral,
    "polyline": _polyline,
    "scrawl": _scrawl,
}
KINDS = (*FORMS, *CURVES)


def _choices(random: Tensor) -> list[Tensor]:
    """Return three random numbers for each sign, each `[sign, 1]`, in [0, 1)."""
    return list(random[:, :3, :1].unbind(1))


def _along(random: Tensor) -> Tensor:
    """Return the position of each point along its curve, `[sign, point]`, from 0 to 1."""
    return torch.linspace(0, 1, CURVE_POINTS).expand(random.shape[:2])


def _between(low: int, high: int, choice: Tensor) -> Tensor:
    """Return a whole number from low to high, for a choice in [0, 1)."""
    return low + ((high - low + 1) * choice).floor()


def _teeth(random: Tensor, legs: Tensor, height: Tensor, angle: Tensor) -> Tensor:
    """Return legs alternately up and down, one step each, with randomly moved corners."""
    number = torch.arange(CURVE_POINTS)
    moved = 2 * MOVE * (random - 0.5)
    x = number + moved[:, :, 0]
    y = height * (number % 2 + moved[:, :, 1])
    return _corners(_turned(x, y, 2 * math.pi * angle), legs)


def _corners(points: Tensor, lines: Tensor) -> Tensor:
    """Keep the first lines between points: move the other points to the end of the last line."""
    index = torch.minimum(torch.arange(CURVE_POINTS), lines).long()  # [sign, point]
    sign = torch.arange(len(points))[:, None]
    return points[sign, index]


def _polar(radius: Tensor, turn: Tensor) -> Tensor:
    """Return points from radius and angle, each `[sign, point]`, with the angle in turns."""
    angle = 2 * math.pi * turn
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 2)


def _turned(x: Tensor, y: Tensor, angle: Tensor) -> Tensor:
    """Turn points, each coordinate `[sign, point]`, by an angle `[sign, 1]` in radians."""
    to_x = x * angle.cos() - y * angle.sin()
    to_y = x * angle.sin() + y * angle.cos()
    return torch.stack([to_x, to_y], 2)


# ---- forms: points from places


class Forms:
    """Signs as strokes between places, drawn with random numbers.

    Args:
        table: the forms of each kind, like `FORMS`.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        kinds = [[form.split() for form in forms.split(",")] for forms in table.values()]
        self._count = torch.tensor([len(forms) for forms in kinds])  # [kind]
        self._first = self._count.cumsum(0) - self._count  # [kind], position of its first form
        forms = list(itertools.chain(*kinds))
        strokes = max(len(form) for form in forms)
        weights = [_form_weights(form, strokes) for form in forms]
        self._weights = torch.stack(weights)  # [form, stroke, point, place]

    def points(self, kind: Tensor, choice: Tensor, random: Tensor) -> Tensor:
        """Return the points `[sign, stroke, point, (x, y)]` of signs, in steps between places.

        Args:
            kind: positions in the table, `[sign]`.
            choice: random numbers in [0, 1) that choose one of a kind's forms, `[sign]`.
            random: random numbers in [0, 1) that move the places, `[sign, place, (x, y)]`.
        """
        form = self._first[kind] + (choice * self._count[kind]).long()
        place = torch.arange(SIDE**2)
        lattice = torch.stack([place % SIDE, place // SIDE], 1)
        places = lattice + 2 * MOVE * (random - 0.5)
        return self._weights[form] @ places[:, None]


def _form_weights(form: list[str], strokes: int) -> Tensor:
    """Return the weights `[stroke, point, place]` of a form, with strokes repeated as needed."""
    repeated = itertools.islice(itertools.cycle(form), strokes)
    return torch.stack([_stroke_weights(stroke) for stroke in repeated])


def _stroke_weights(stroke: str) -> Tensor:
    """Return the weights `[point, place]` of a stroke: each point is a weighted sum of places."""
    names = stroke.removeprefix("~")
    places = [PLACES.index(name) for name in names]
    corners = torch.eye(SIDE**2)[places]  # [corner, place]
    if stroke != names:
        size = (STROKE_POINTS, SIDE**2)
        image = corners[None, None]
        return functional.interpolate(image, size, mode="bicubic", align_corners=True)[0, 0]
    number = torch.arange(STROKE_POINTS).clamp_max(len(places) - 1)
    return corners[number]


@functools.cache
def _forms() -> Forms:
    return Forms(FORMS)


# ---- signs


def random_signs(count: int, generator: torch.Generator, kinds: Sequence[str] = KINDS) -> Tensor:
    """Draw signs of random kinds, as large as MNIST's digits.

    Args:
        count: the number of signs.
        generator: the only source of randomness.
        kinds: names from `KINDS`.

    Returns:
        float32 `[count, 28, 28]` in [0, 1].
    """
    shape = (count, CURVE_POINTS + 2, 2)
    drawn = torch.rand(shape, generator=generator, device=generator.device).cpu()
    kind_choice, form_choice, width, pen = drawn[:, CURVE_POINTS:].flatten(1).unbind(1)
    numbers = torch.tensor([KINDS.index(kind) for kind in kinds])
    kind = numbers[(kind_choice * len(numbers)).long()]  # [sign]
    points = _sign_points(kind, form_choice, drawn[:, :CURVE_POINTS])
    is_dot = kind == KINDS.index("dot")
    thin = torch.where(is_dot, THIN_DOT, THIN_PEN)
    thick = torch.where(is_dot, THICK_DOT, THICK_PEN)
    return render_centred(points, across=0.6 + 0.8 * width, radius=thin.lerp(thick, pen))


def _sign_points(kind: Tensor, choice: Tensor, random: Tensor) -> Tensor:
    """Return the points `[sign, stroke, point, (x, y)]` of signs of these kinds `[sign]`."""
    last_form = len(FORMS) - 1
    forms = _forms().points(kind.clamp_max(last_form), choice, random[:, : SIDE**2])
    all_curves = torch.stack([draw(random) for draw in CURVES.values()])
    curve = (kind - len(FORMS)).clamp_min(0)
    sign = torch.arange(len(kind))
    # a stroke of a curve begins with the last point of the previous stroke
    strokes = all_curves[curve, sign].unfold(1, STROKE_POINTS, STROKE_POINTS - 1)
    curves = strokes.transpose(2, 3)
    is_form = (kind <= last_form)[:, None, None, None]
    return torch.where(is_form, forms, curves)
