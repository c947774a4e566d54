"""What is seen of the network itself while it learns: its first layer as small images, and how each
layer fares."""

import math
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_nb.labs.diagnostics import HEALTHY_RATIO, Diagnostics
from mnist_nb.widgets.markup import data_url
from mnist_nb.widgets.squares import mosaic

MAX_FILTERS = 40
"""Units of the first layer that are shown."""

_COLUMNS = 10  # images in a row
_SHADES = 7  # on each side of 0: few, since they are sent five times a second
_BLUE, _ORANGE = (0, 114, 178), (213, 94, 0)  # as in the charts: above 0 and below it
_LOW, _HIGH = -6, 0  # powers of ten at the ends of the axis
_TICKS = ("1e-6", "0.0001", "0.01", "1")


def inside(found: Diagnostics | None) -> str:
    """Both pictures, one under the other; nothing before there is a network."""
    return (
        ""
        if found is None
        else f'<div class="studio-inside"><div>{_filters(found)}</div>{_layers(found)}</div>'
    )


def _filters(found: Diagnostics) -> str:
    """The weights of the first units: blue what adds to their sum, orange what takes from it,
    nothing what is 0."""
    filters = found.filters.numpy()[:MAX_FILTERS]
    all_shown = len(filters) == len(found.filters)
    of = (
        f"{len(filters)} filters"
        if all_shown
        else f"first {len(filters)} of {len(found.filters)} units"
    )
    sheet = mosaic(
        filters / max(2.5 * float(filters.std()), 1e-30), _COLUMNS, gap=int(filters.shape[-1] < 10)
    )
    words = f"Weights of the first layer, {of}"
    return (
        f'<div class="studio-head">{words}</div><img decoding="sync" alt="{escape(words)}, as small images" '
        f'src="{_png(sheet)}">'
    )


def _png(sheet: NDArray[np.float64]) -> str:
    """A PNG of numbers in [-1, 1] as shades of two colours; the page's own ground shows through at
    0."""
    shades = np.clip(np.rint(sheet * _SHADES), -_SHADES, _SHADES) + _SHADES
    image = Image.fromarray(shades.astype(np.uint8), "P")
    image.putpalette([*_ORANGE * _SHADES, *_BLUE * (_SHADES + 1)])
    clear = bytes(round(255 * abs(shade) / _SHADES) for shade in range(-_SHADES, _SHADES + 1))
    return data_url(image, transparency=clear, compress_level=1)


def _layers(found: Diagnostics) -> str:
    """A row for each layer: the length of its last step over that of its weights, and its share of
    dead units."""
    names = dict.fromkeys([*found.update_ratios, *found.dead])
    rows = "".join(
        _row(name, found.update_ratios.get(name), found.dead.get(name)) for name in names
    )
    low, high = (f"{_place(limit):.1%}" for limit in HEALTHY_RATIO)
    ticks = "".join(
        f'<span style="left:{_place(float(tick)):.1%}">{tick}</span>' for tick in _TICKS
    )
    return (
        f'<div class="studio-layers" role="img" aria-label="{escape(_in_words(found))}" '
        f'style="--low:{low};--high:{high}"><span class="head">Step / weights</span>'
        f'<span class="healthy">healthy</span><span class="head dead">Dead units</span>{rows}'
        f'<span class="ticks">{ticks}</span></div>'
    )


def _row(name: str, ratio: float | None, dead: float | None) -> str:
    dot = bar = ""
    if ratio is not None:
        is_healthy = HEALTHY_RATIO[0] <= ratio <= HEALTHY_RATIO[1]
        dot = (
            f'<i class="{"well" if is_healthy else "wrong"}" style="left:{_place(ratio):.1%}"></i>'
        )
    if dead is not None:
        kind = "wrong" if dead > 0.5 else "well"
        bar = f'<span class="bar"><i class="{kind}" style="width:{dead:.1%}"></i></span>{100 * dead:.0f} %'
    return f'<span>{name}</span><span class="axis">{dot}</span><span class="dead">{bar}</span>'


def _place(ratio: float) -> float:
    """Where a ratio stands on the axis, in [0, 1]; what lies beyond an end stands there."""
    power = math.log10(max(ratio, 10.0**_LOW)) if math.isfinite(ratio) else _HIGH
    return (min(power, _HIGH) - _LOW) / (_HIGH - _LOW)


def _in_words(found: Diagnostics) -> str:
    steps = (
        ", ".join(f"{name} {ratio:.1e}" for name, ratio in found.update_ratios.items())
        or "not measured yet"
    )
    dead = ", ".join(f"{name} {share:.0%}" for name, share in found.dead.items())
    return f"Length of the last step over that of the weights: {steps}; dead units: {dead}"
