"""Measure the time in which the kernel reads a drawing, by step, on one thread.

    python benchmarks/pad.py

It reads 200 drawings of one to three random curves with 20 to 120 points each, like those of a
mouse. The table has medians in milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measure import keep

from mnist_nb import load_pretrained, predict
from mnist_nb.handwriting.preprocessing import prepare
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.widgets.pad import DrawingPad
from mnist_nb.widgets.pad import pad_markup as pad_page
from mnist_nb.widgets.prediction import read

DRAWINGS = 200


def drawing(random: np.random.Generator) -> Sketch:
    """Return a sketch of smooth random curves."""
    sketch = Sketch(280)
    for _ in range(random.integers(1, 4)):
        steps = random.normal(size=(random.integers(20, 121), 2))
        smooth = np.cumsum(np.cumsum(steps, axis=0) * 0.2, axis=0)
        smooth = (smooth - smooth.min(axis=0)) / max(np.ptp(smooth, axis=0).max(), 1)
        sketch.add_stroke(40 + 200 * smooth, random.uniform(8, 26))
    return sketch


def measure(act: Callable[[Any], Any], items: list[Any]) -> list[float]:
    """Return the milliseconds that `act` takes for each item."""
    for item in items[:10]:
        act(item)
    times = []
    for item in items:
        started = time.perf_counter()
        act(item)
        times.append(1000 * (time.perf_counter() - started))
    return times


def main() -> None:
    """Measure and print the table."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    sketches = [drawing(random) for _ in range(DRAWINGS)]
    rasters = [sketch.preparation_steps().cropped for sketch in sketches]
    images = [sketch.to_mnist() for sketch in sketches]
    results = {
        "strokes to 28x28 (raster and prepare)": measure(
            lambda sketch: sketch.to_mnist(), sketches
        ),
        "of which prepare": measure(prepare, rasters),
    }
    for name in ("mlp", "cnn"):
        model = load_pretrained(name)
        results[f"predict, {name}"] = measure(
            lambda image, model=model: predict(model, image[None]), images
        )
        results[f"a guess, {name}: raster, prepare, predict"] = measure(
            lambda s, m=model: read(m, s.to_mnist()), sketches
        )
    guess = read(load_pretrained("cnn"), images[0])
    results["words, bars and picture for the page"] = measure(
        lambda image: pad_page.reading(image, guess), images
    )
    pad = DrawingPad(path="none/model.safetensors", digits="none/digits.safetensors")
    results["a whole pen-up: guess, page and canvas"] = measure(pad.draw, sketches)
    lines = ["| one thread | ms, median | 95 % under |", "| --- | --- | --- |"]
    for name, times in results.items():
        lines.append(f"| {name} | {np.median(times):.2f} | {np.quantile(times, 0.95):.2f} |")
    keep("drawing", results, lines, None)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
