"""How long the kernel takes to read a drawing, in its parts: one thread, medians in milliseconds.

    python benchmarks/pad.py

The strokes are 200 random curves of one to three strokes with 20 to 120 points each, as a mouse gives them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mnist_nb import load_pretrained, predict
from mnist_nb.ink import Sketch
from mnist_nb.preparation import prepare
from mnist_nb.widgets import pad_page
from mnist_nb.widgets.pad import DrawingPad
from mnist_nb.widgets.pad_state import read

DRAWINGS = 200


def drawing(random: np.random.Generator) -> Sketch:
    """A sketch of smooth curves somewhere on the canvas."""
    sketch = Sketch(280)
    for _ in range(random.integers(1, 4)):
        steps = random.normal(size=(random.integers(20, 121), 2))
        smooth = np.cumsum(np.cumsum(steps, axis=0) * 0.2, axis=0)
        smooth = (smooth - smooth.min(axis=0)) / max(np.ptp(smooth, axis=0).max(), 1)
        sketch.add_stroke(40 + 200 * smooth, random.uniform(8, 26))
    return sketch


def measure(name: str, act: Callable[[Any], Any], things: list[Any]) -> None:
    """Print the median and the 95th percentile of the milliseconds that `act` takes with each thing."""
    for thing in things[:10]:
        act(thing)
    times = []
    for thing in things:
        started = time.perf_counter()
        act(thing)
        times.append(1000 * (time.perf_counter() - started))
    print(f"{name:44}{np.median(times):9.2f}{np.quantile(times, 0.95):9.2f}")


def main() -> None:
    """Measure and print the table."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    sketches = [drawing(random) for _ in range(DRAWINGS)]
    rasters = [sketch.preparation_steps().cropped for sketch in sketches]
    images = [sketch.to_mnist() for sketch in sketches]
    print(f"{'milliseconds, one thread':44}{'median':>9}{'95 %':>9}")
    measure("strokes to 28x28 (raster and prepare)", lambda sketch: sketch.to_mnist(), sketches)
    measure("  of which prepare", prepare, rasters)
    for name in ("mlp", "cnn"):
        model = load_pretrained(name)
        measure(f"predict, {name}", lambda image, model=model: predict(model, image[None]), images)
        measure(f"a guess, {name}: raster, prepare, predict", lambda s, m=model: read(m, s.to_mnist()), sketches)
    guess = read(load_pretrained("cnn"), images[0])
    measure("words, bars and picture for the page", lambda image: pad_page.reading(image, guess), images)
    pad = DrawingPad(path="none/model.safetensors", digits="none/digits.safetensors")
    measure("a whole pen-up: guess, page and canvas", pad.draw, sketches)


if __name__ == "__main__":
    main()
