"""What is seen of the network itself while it learns: its first layer as small images, and how each layer fares."""

import math
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_nb.training.diagnostics import HEALTHY_RATIO, Diagnostics
from mnist_nb.widgets.html import data_url
from mnist_nb.widgets.studio.chart import LINE, SOFT, TEXT, text

MOST = 40
"""Units of the first layer that are shown."""

_COLUMNS, _PIXELS = 10, 28  # images in a row, and pixels from one to the next
_SHADES = 7  # on each side of 0: few, since they are sent five times a second
_BLUE, _ORANGE = (0, 114, 178), (213, 94, 0)  # as in the charts: above 0 and below it
_WIDTH, _ROW, _TOP = 280, 15, 17  # pixels of the table of layers
_NAMES, _AXIS = 50, 132  # where the axis begins, and how long it is
_DEAD, _BAR = 196, 40  # the same of the bars of dead units
_LOW, _HIGH = -6, 0  # powers of ten at the ends of the axis
_WRONG = "#D55E00"


def inside(found: Diagnostics | None) -> str:
    """Both pictures, one under the other; nothing before there is a network."""
    return "" if found is None else f'<div class="studio-inside"><div>{_filters(found)}</div>{_layers(found)}</div>'


def _filters(found: Diagnostics) -> str:
    """The weights of the first units: blue what adds to their sum, orange what takes from it, nothing what is 0."""
    filters = found.filters.numpy()[:MOST]
    of = f"first {MOST} of {len(found.filters)} units" if len(found.filters) > MOST else f"{len(filters)} filters"
    shades = np.clip(np.rint(filters / max(2.5 * float(filters.std()), 1e-30) * _SHADES), -_SHADES, _SHADES) + _SHADES
    scale = max((_PIXELS - 4) // filters.shape[-1], 1)  # which leaves a rim around filters of a few pixels
    blank = _PIXELS - scale * filters.shape[-1]
    tiles = np.pad(np.kron(shades, np.ones((scale, scale))), ((0, -len(shades) % _COLUMNS), (0, blank), (0, blank)),
                   constant_values=_SHADES)  # fmt: skip
    sheet = tiles.reshape(-1, _COLUMNS, _PIXELS, _PIXELS).swapaxes(1, 2).reshape(-1, _COLUMNS * _PIXELS)
    words = f"Weights of the first layer, {of}"
    return (
        f'<div class="studio-head">{words}</div><img decoding="sync" alt="{escape(words)}, as small images" '
        f'src="{_png(sheet)}" width="{sheet.shape[1]}" height="{sheet.shape[0]}">'
    )


def _png(sheet: NDArray[np.float64]) -> str:
    """A PNG of shades of two colours, which lets the page's own ground shine through at 0: light or dark."""
    image = Image.fromarray(sheet.astype(np.uint8), "P")
    image.putpalette([*_ORANGE * _SHADES, *_BLUE * (_SHADES + 1)])
    clear = bytes(round(255 * abs(shade) / _SHADES) for shade in range(-_SHADES, _SHADES + 1))
    return data_url(image, transparency=clear, compress_level=1)


def _layers(found: Diagnostics) -> str:
    """A row for each layer: the length of its last step over that of its weights, and its share of dead units."""
    names = [*dict.fromkeys([*found.update_ratios, *found.dead])]
    bottom = _TOP + _ROW * len(names)
    low, high = (_x(limit) for limit in HEALTHY_RATIO)
    parts = [
        text(0, 11, "Step / weights", fill=TEXT, more='font-weight="600"'),
        text((low + high) / 2, 11, "healthy", more='text-anchor="middle"'),
        text(_DEAD, 11, "Dead units", fill=TEXT, more='font-weight="600"'),
        f'<rect x="{low}" y="{_TOP - 2}" width="{high - low}" height="{bottom - _TOP + 4}" '
        'style="fill:#009E73;opacity:0.2"/>',
    ]
    for power in range(_LOW, _HIGH + 1, 2):
        x = _x(10.0**power)
        parts.append(f'<path d="M{x} {_TOP - 2}V{bottom + 2}" style="stroke:{LINE}"/>')
        parts.append(text(x, bottom + 14, f"{10.0**power:g}".replace("1e-06", "1e-6"), more='text-anchor="middle"'))
    for row, name in enumerate(names):
        parts += _row(_TOP + _ROW * row, name, found.update_ratios.get(name), found.dead.get(name))
    return (
        f'<svg class="studio-layers" role="img" aria-label="{escape(_in_words(found))}" width="{_WIDTH}" '
        f'viewBox="0 0 {_WIDTH} {bottom + 18}">'
        f"{''.join(parts)}</svg>"
    )


def _row(top: float, name: str, ratio: float | None, dead: float | None) -> list[str]:
    parts = [text(0, top + 11, name)]
    if ratio is not None:
        fill = "var(--accent)" if HEALTHY_RATIO[0] <= ratio <= HEALTHY_RATIO[1] else _WRONG
        parts.append(f'<circle cx="{_x(ratio):.1f}" cy="{top + 7}" r="4.5" style="fill:{fill}"/>')
    if dead is not None:
        fill = _WRONG if dead > 0.5 else "var(--accent)"
        for width, colour in ((1, LINE), (dead, fill)):
            bar = f'<rect x="{_DEAD}" y="{top + 2}" width="{_BAR * width:.1f}" height="10" rx="2"'
            parts.append(f'{bar} style="fill:{colour}"/>')
        parts.append(text(_DEAD + _BAR + 6, top + 11, f"{100 * dead:.0f} %", fill=TEXT if dead > 0.5 else SOFT))
    return parts


def _x(ratio: float) -> float:
    """Where a ratio stands on the axis; what lies beyond an end stands there."""
    power = math.log10(max(ratio, 10.0**_LOW)) if math.isfinite(ratio) else _HIGH
    return _NAMES + _AXIS * (min(power, _HIGH) - _LOW) / (_HIGH - _LOW)


def _in_words(found: Diagnostics) -> str:
    steps = ", ".join(f"{name} {ratio:.1e}" for name, ratio in found.update_ratios.items()) or "not measured yet"
    dead = ", ".join(f"{name} {share:.0%}" for name, share in found.dead.items())
    return f"Length of the last step over that of the weights: {steps}; dead units: {dead}"
