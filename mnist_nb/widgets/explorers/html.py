"""How the explorers look: pictures of numbers, with a frame around the chosen one, as HTML and SVG. No widget here."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib import colormaps
from numpy.typing import ArrayLike
from PIL import Image

from mnist_nb.data import SIDE
from mnist_nb.studies.inside import Activations, WeightedSum
from mnist_nb.widgets.html import probability_bars
from mnist_nb.widgets.prediction import Guess

Place = tuple[int, int]  # row, column
_UNITS_A_ROW = 8
_WEIGHT_IMAGES = 24
_FRAME, _DOT = "#D55E00", "#E69F00"


def picture(
    values: ArrayLike, alt: str, scale: int, *, colours: str, low: float, high: float, frame: Place | None = None,
    dots: Sequence[Place] = (),
) -> str:  # fmt: skip
    """Numbers `[h, w]` as an SVG, each a square of `scale` pixels coloured from `low` to `high`.

    Args:
        alt: what it shows, in words.
        frame: the place that gets a frame.
        dots: places that get a dot.
    """
    numbers = np.asarray(values, dtype=np.float64)
    shares = np.clip((numbers - low) / (high - low), 0, 1)
    buffer = io.BytesIO()
    Image.fromarray((colormaps[colours](shares)[..., :3] * 255).astype(np.uint8)).save(buffer, "png")
    height, width = (side * scale for side in numbers.shape)
    marks = "".join(
        f'<circle cx="{(column + 0.5) * scale}" cy="{(row + 0.5) * scale}" r="{scale / 4}" '
        f'fill="{_DOT}" stroke="#000"/>'
        for row, column in dots
    )
    if frame is not None:
        row, column = frame
        for colour, line in (("#fff", 4), (_FRAME, 2)):  # with a white edge it is seen on black and on colours
            marks += (
                f'<rect x="{column * scale}" y="{row * scale}" width="{scale}" height="{scale}" fill="none" '
                f'stroke="{colour}" stroke-width="{line}"/>'
            )
    return (
        f'<svg role="img" aria-label="{escape(alt)}" width="{width}" height="{height}" style="overflow:visible">'
        f'<image width="{width}" height="{height}" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"/>{marks}</svg>'
    )


def digit(image: ArrayLike, alt: str, scale: int, *, frame: Place | None = None, dots: Sequence[Place] = ()) -> str:
    """An image uint8 `[28, 28]`, ink white on black as in MNIST."""
    return picture(image, alt, scale, colours="gray", low=0, high=255, frame=frame, dots=dots)


def signed(values: ArrayLike, alt: str, scale: int) -> str:
    """Numbers `[h, w]` with a sign: dark blue below 0, grey at 0, yellow above."""
    largest = float(np.abs(np.asarray(values)).max()) or 1.0
    return picture(values, alt, scale, colours="cividis", low=-largest, high=largest)


def layers(image: ArrayLike, values: Activations, words: str, unit: int, parts: WeightedSum) -> str:
    """One image on its way through the network, and below it the sum of the chosen unit of the first layer."""
    first, second = (np.asarray(layer[0]) for layer in (values.hidden1, values.hidden2))
    way = [
        _figure(digit(image, "the image", 6), "784 pixels"),
        _figure(_units(first, unit), f"{(first > 0).sum()} of {len(first)} units fire"),
        _figure(_units(second), f"{(second > 0).sum()} of {len(second)} fire"),
        probability_bars(values.logits[0].softmax(0)),
    ]
    sums = [
        _figure(digit(image, "the image", 5), "pixels"),
        "×",
        _figure(signed(parts.weights, f"the weights of unit {unit}", 5), f"weights of unit {unit}"),
        "=",
        _figure(signed(parts.products, "pixels times weights", 5), "products: dark blue against, yellow for"),
    ]
    silent = "below 0, so it stays silent: 0" if parts.total <= 0 else f"it passes on {parts.answer:.2f}"
    total = (
        f"Unit {unit}: the products add up to {parts.total - parts.bias:+.2f}, its bias is {parts.bias:+.2f}; "
        f"together {parts.total:+.2f}, {silent}."
    ).replace("-", "−")
    return f"{_words(words)}{_row(way)}{_row(sums)}{_words(total, 'explorer-sum')}"


def pixels(image: ArrayLike, guess: Guess, words: str, place: Place, flipped: Sequence[Place]) -> str:
    """The image in large pixels, a frame around the chosen one and a dot on each flipped one, and the ten bars."""
    row, column = place
    ink = int(np.asarray(image)[row, column])
    alt = f"the image; the frame is at row {row}, column {column}"
    large = _figure(
        digit(image, alt, 11, frame=place, dots=flipped), f"row {row}, column {column}: {ink} of 255; dots: flipped"
    )
    return f"{_words(words)}{_row([large, probability_bars(guess.probabilities, guess.in_words)])}"


def pruned(image: ArrayLike, guess: Guess, words: str, weights: ArrayLike) -> str:
    """What is left of the first layer's weights `[units, 784]`, some units of it, beside the image and its ten bars."""
    images = np.asarray(weights).reshape(-1, SIDE, SIDE)[:_WEIGHT_IMAGES]
    rows = [np.concatenate([np.pad(one, 1) for one in images[at : at + 8]], axis=1) for at in range(0, len(images), 8)]
    mosaic = np.concatenate([row for row in rows if row.shape == rows[0].shape])
    below = [
        _figure(digit(image, "the image", 5), "the image"),
        probability_bars(guess.probabilities, guess.in_words),
    ]
    alt = f"the weights of {len(images)} units of the first layer"
    return f"{_words(words)}{_row([_figure(signed(mosaic, alt, 2), alt)])}{_row(below)}"


def _units(answers: ArrayLike, chosen: int | None = None) -> str:
    numbers = np.asarray(answers)
    grid = np.pad(numbers, (0, -len(numbers) % _UNITS_A_ROW)).reshape(-1, _UNITS_A_ROW)
    frame = None if chosen is None else divmod(chosen, _UNITS_A_ROW)
    alt = f"{len(numbers)} units, {(numbers > 0).sum()} of them fire"
    return picture(grid, alt, 11, colours="viridis", low=0, high=max(float(numbers.max()), 1e-6), frame=frame)


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _row(parts: Sequence[str]) -> str:
    style = "display:flex;flex-wrap:wrap;gap:18px;align-items:center;margin:6px 0 12px"
    return f'<div style="{style}">{"".join(parts)}</div>'


def _words(text: str, name: str = "explorer-words") -> str:
    return f'<p class="{name}" role="status" aria-live="polite" style="font-size:15px;margin:6px 0">{escape(text)}</p>'
