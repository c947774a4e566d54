"""Small pictures for the panels: numbers in, HTML and SVG text out; no widget is made here."""

import base64
import io
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from mnist_nb.data import check_image

_ROW, _TRACK, _LEFT = (
    18,
    170,
    22,
)  # pixels: height of a bar's row, length of a full bar, where bars begin


@cache
def stylesheet() -> str:
    """The style of all panels, as an HTML element."""
    return f"<style>{resources.files(__package__).joinpath('style.css').read_text(encoding='utf-8')}</style>"


def data_url(picture: Image.Image, **options: Any) -> str:
    """A picture as the address of a PNG that is carried along; options are Pillow's for `save`."""
    buffer = io.BytesIO()
    picture.save(buffer, "png", **options)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def image_tag(image: ArrayLike, alt: str, scale: int = 4) -> str:
    """An `<img>` that carries an image, uint8 `[28, 28]`, with it; `alt` says in words what it
    shows."""
    return picture_tag(Image.fromarray(check_image(image)), alt, scale)


def picture_tag(picture: Image.Image, alt: str, scale: float = 1) -> str:
    """An `<img>` that carries a picture of any size with it."""
    width, height = (round(scale * side) for side in picture.size)
    return f'<img decoding="sync" src="{data_url(picture)}" alt="{escape(alt)}" width="{width}" height="{height}">'


def probability_bars(probabilities: ArrayLike, words: str = "") -> str:
    """Ten bars labelled 0 to 9 with their percentages, as an SVG; the guess is bold, has a sign and
    another colour.

    Args:
        probabilities: float `[10]` in [0, 1].
        words: what is read to those who do not see the bars; without it, the guess and its share.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    guess = int(shares.argmax())
    words = words or f"Read as {guess}, {100 * shares[guess]:.0f} % sure"
    rows = "".join(_bar(digit, float(share), digit == guess) for digit, share in enumerate(shares))
    return f'<svg class="mnist-bars" role="img" aria-label="{escape(words)}" viewBox="0 0 264 {10 * _ROW}">{rows}</svg>'


def _bar(digit: int, share: float, is_guess: bool) -> str:
    top = digit * _ROW
    bar = f'x="{_LEFT}" y="{top + 2}" height="14" rx="3"'
    kind, sign = (' class="guess"', " ◀") if is_guess else ("", "")
    return (
        f'<g{kind}><text x="14" y="{top + 13}" text-anchor="end">{digit}</text><rect {bar} width="{_TRACK}"/>'
        f'<rect class="share" {bar} width="{max(share * _TRACK, 1):.1f}"/>'
        f'<text x="{_LEFT + _TRACK + 8}" y="{top + 13}">{100 * share:.1f} %{sign}</text></g>'
    )


def message(text: str, *, is_error: bool = False) -> str:
    """Return a line of a panel that says what was done, or what went wrong."""
    kind = "pad-say wrong" if is_error else "pad-say"
    sign = "⚠ " if is_error else ""
    return f'<div class="{kind}" role="status">{sign}{escape(text)}</div>'
