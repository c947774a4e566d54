"""The view of a network in training: first-layer weights as images, and the state of each layer."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from mnist_nb.labs.diagnostics import HEALTHY_RATIO, Diagnostics
from mnist_nb.plots.style import ABOVE_ZERO, BELOW_ZERO
from mnist_nb.widgets.markup import data_url
from mnist_nb.widgets.squares import mosaic

MAX_FILTERS = 40
"""The number of units of the first layer that are shown."""

MUCH_DEAD = 0.5
"""The share of dead units above which a layer is highlighted."""

_COLUMNS = 10  # images in a row
_SIDES_PER_GAP = 14  # an image's side divided by the gap after it, which is at least a pixel
_SHADES = 7  # on each side of 0: few, because they are sent five times a second
_ABOVE_ZERO, _BELOW_ZERO = ImageColor.getrgb(ABOVE_ZERO), ImageColor.getrgb(BELOW_ZERO)
_FULL_SHADE = 2.5  # standard deviations at which weights have the full colour
_LOW, _HIGH = -6, 0  # powers of ten at the ends of the axis
_TICKS = ("1e-6", "0.0001", "0.01", "1")


def draw_diagnostics(diagnostics: Diagnostics | None) -> str:
    """Return the pictures as HTML; empty without a network."""
    if diagnostics is None:
        return ""
    filters, layers = _draw_filters(diagnostics), _draw_layers(diagnostics)
    return f'<div class="studio-inside"><div>{filters}</div>{layers}</div>'


def _draw_filters(diagnostics: Diagnostics) -> str:
    """Draw the weights of the first units: positive ones blue, negative ones orange."""
    filters = diagnostics.filters.numpy()[:MAX_FILTERS]  # [unit, y, x]
    total = len(diagnostics.filters)
    count = (
        f"{total} filters" if len(filters) == total else f"first {len(filters)} of {total} units"
    )
    full_shade = max(_FULL_SHADE * float(filters.std()), 1e-30)
    gap = max(filters.shape[-1] // _SIDES_PER_GAP, 1)
    picture = mosaic(filters / full_shade, _COLUMNS, gap=gap)
    heading = escape(f"Weights of the first layer, {count}")
    return (
        f'<div class="studio-head">{heading}</div>'
        f'<img decoding="sync" alt="{heading}, as small images" src="{_two_colour_png(picture)}">'
    )


def _two_colour_png(numbers: NDArray[np.float64]) -> str:
    """Return numbers in [-1, 1] as the URL of a PNG: orange to blue, and transparent at 0."""
    palette: list[int] = []
    opacity: list[int] = []
    for shade in range(-_SHADES, _SHADES + 1):
        palette.extend(_BELOW_ZERO if shade < 0 else _ABOVE_ZERO)
        opacity.append(round(255 * abs(shade) / _SHADES))
    shades = np.rint(numbers * _SHADES)
    indices = np.clip(shades + _SHADES, 0, 2 * _SHADES)
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(palette)
    return data_url(image, transparency=bytes(opacity), compress_level=1)


def _draw_layers(diagnostics: Diagnostics) -> str:
    """Draw a row for each layer: its last step relative to its weights, and its dead units."""
    ratios, dead = diagnostics.update_ratios, diagnostics.dead
    names = dict.fromkeys([*ratios, *dead])
    rows = [_draw_layer(name, ratios.get(name), dead.get(name)) for name in names]
    low, high = (f"{_place(limit):.1%}" for limit in HEALTHY_RATIO)
    label = escape(_describe_layers(diagnostics))
    return (
        f'<div class="studio-layers" role="img" aria-label="{label}" '
        f'style="--low:{low};--high:{high}"><span class="head">Step size / weights</span>'
        f'<span class="healthy">healthy</span><span class="head dead">Dead units</span>'
        f'{"".join(rows)}<span class="ticks">{_draw_ticks(_TICKS)}</span></div>'
    )


def _draw_ticks(ticks: Sequence[str]) -> str:
    places = [f"{_place(float(tick)):.1%}" for tick in ticks]
    labels = [
        f'<span style="left:{place}">{tick}</span>'
        for place, tick in zip(places, ticks, strict=True)
    ]
    return "".join(labels)


def _draw_layer(name: str, ratio: float | None, dead: float | None) -> str:
    dot = bar = ""
    if ratio is not None:
        kind = "well" if HEALTHY_RATIO[0] <= ratio <= HEALTHY_RATIO[1] else "wrong"
        dot = f'<i class="{kind}" style="left:{_place(ratio):.1%}"></i>'
    if dead is not None:
        kind = "wrong" if dead > MUCH_DEAD else "well"
        filled = f'<i class="{kind}" style="width:{dead:.1%}"></i>'
        bar = f'<span class="bar">{filled}</span>{100 * dead:.0f} %'
    return f'<span>{name}</span><span class="axis">{dot}</span><span class="dead">{bar}</span>'


def _place(ratio: float) -> float:
    """Return the position of a ratio on the axis, clipped to [0, 1]."""
    power = math.log10(max(ratio, 10.0**_LOW)) if math.isfinite(ratio) else _HIGH
    return (min(power, _HIGH) - _LOW) / (_HIGH - _LOW)


def _describe_layers(diagnostics: Diagnostics) -> str:
    """Describe the picture of the layers for screen readers."""
    ratios = [f"{name} {ratio:.1e}" for name, ratio in diagnostics.update_ratios.items()]
    dead = [f"{name} {share:.0%}" for name, share in diagnostics.dead.items()]
    return (
        f"Length of the last step over that of the weights: "
        f"{', '.join(ratios) or 'not measured yet'}; dead units: {', '.join(dead)}"
    )
