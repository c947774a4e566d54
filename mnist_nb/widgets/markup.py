"""HTML and SVG shared by the panels, as text. Imports no widget."""

import base64
import io
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from mnist_nb.handwriting.preprocessing import check_image


@dataclass(frozen=True)
class _BarSizes:
    """Sizes of the probability bars, in pixels."""

    width: int = 264  # of all
    row: int = 18  # height of a row
    left: int = 22  # where a bar begins
    full: int = 170  # length of a bar of 100 %
    height: int = 14  # of a bar
    top: int = 2  # from a row's top to its bar
    baseline: int = 13  # from a row's top to its text's baseline
    gap: int = 8  # between a bar and a text


_SIZES = _BarSizes()
OVER_999 = 0.9995  # a larger share would be rounded to 100.0 %


@cache
def stylesheet() -> str:
    """Return the style of all panels, as an HTML element."""
    css = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return f"<style>{css}</style>"


def data_url(picture: Image.Image, **options: Any) -> str:
    """Return a picture as the URL of an embedded PNG. `options` are passed to Pillow's `save`."""
    buffer = io.BytesIO()
    picture.save(buffer, "png", **options)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def image_tag(image: ArrayLike, alt: str, scale: int = 4) -> str:
    """Return an `<img>` of an image, uint8 `[28, 28]`, as dark ink on white paper.

    Args:
        alt: the text for screen readers.
        scale: pixels of the page per pixel of the image.
    """
    return picture_tag(Image.fromarray(255 - check_image(image)), alt, scale)


def picture_tag(picture: Image.Image, alt: str, scale: float = 1) -> str:
    """Return an `<img>` with an embedded picture of any size."""
    width, height = (round(scale * side) for side in picture.size)
    return (
        f'<img decoding="sync" src="{data_url(picture)}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}">'
    )


def probability_bars(probabilities: ArrayLike, label: str = "") -> str:
    """Return ten bars labelled 0 to 9 with their percentages, as an SVG.

    The prediction is bold and has a symbol and another colour.

    Args:
        probabilities: float `[10]` in [0, 1].
        label: the text for screen readers; the default is the prediction and its probability.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    guess = int(shares.argmax())
    if not label:
        label = f"Read as {guess}, {100 * shares[guess]:.0f} % sure"
    bars = [_bar(digit, share, digit == guess) for digit, share in enumerate(shares.tolist())]
    return (
        f'<svg class="mnist-bars" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {_SIZES.width} {10 * _SIZES.row}">{"".join(bars)}</svg>'
    )


def _bar(digit: int, share: float, is_guess: bool) -> str:
    """Return one row: the digit, its bar on a track, and the percentage."""
    top = digit * _SIZES.row
    baseline = top + _SIZES.baseline
    place = f'x="{_SIZES.left}" y="{top + _SIZES.top}" height="{_SIZES.height}" rx="3"'
    length = max(share * _SIZES.full, 1)  # so that very small shares are visible too
    group = '<g class="guess">' if is_guess else "<g>"
    sign = " ◀" if is_guess else ""
    label_end = _SIZES.left - _SIZES.gap
    percent_start = _SIZES.left + _SIZES.full + _SIZES.gap
    percent = "> 99.9" if share >= OVER_999 else f"{100 * share:.1f}"
    parts = [
        group,
        f'<text x="{label_end}" y="{baseline}" text-anchor="end">{digit}</text>',
        f'<rect {place} width="{_SIZES.full}"/>',
        f'<rect class="share" {place} width="{length:.1f}"/>',
        f'<text x="{percent_start}" y="{baseline}">{percent} %{sign}</text>',
        "</g>",
    ]
    return "".join(parts)


def message(text: str, *, is_error: bool = False) -> str:
    """Return a line of a panel that reports a result or an error."""
    kind = "pad-say wrong" if is_error else "pad-say"
    sign = "⚠ " if is_error else ""
    return f'<div class="{kind}" role="status">{sign}{escape(text)}</div>'
