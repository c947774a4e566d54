"""Replay handwriting on the drawing pad, and count the digits that a network reads.

    python benchmarks/strokes.py --strokes FILE [--model PATH_OR_NAME ...] [--seed 0]

The strokes are UNIPEN text, such as the original files of "Pen-Based Recognition of Handwritten
Digits" (E. Alpaydin, F. Alimoglu, UCI Machine Learning Repository). Each digit is drawn once on a
280-pixel canvas, at a random place and size and with a brush of 8 to 26 pixels, and read twice:
prepared like MNIST's images, by `Sketch`, and with the canvas simply shrunk to 28x28 ("naive").
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import nn

from mnist_nb.checkpoints import load_checkpoint
from mnist_nb.evaluation import Evaluation
from mnist_nb.handwriting.pretrained import load_pretrained
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.models import predict

CANVAS = 280
SIZES = (0.3, 0.9)  # of the canvas: the longest side of a digit
WIDTHS = (8.0, 26.0)  # pixels


class PenDigit(NamedTuple):
    """The strokes of a digit as it was written."""

    label: int
    writer: int
    strokes: list[NDArray[np.float32]]  # each [n, 2], x right, y down, in the tablet's units


class Replay(NamedTuple):
    """Digits drawn on the pad, as images uint8 `[N, 28, 28]`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    writers: NDArray[np.int64]


def read_unipen(path: str | Path) -> list[PenDigit]:
    """Return the digits of a UNIPEN text file, whose comments have label, writer and serial number.

    Raises:
        ValueError: if the file has no digits.
    """
    digits: list[PenDigit] = []
    for block in Path(path).read_text(encoding="latin-1").split(".SEGMENT")[1:]:
        head, *pens = block.split(".PEN_DOWN")
        label, writer = (int(word) for word in head.split(".COMMENT")[1].split()[:2])
        strokes = [
            np.array(pen.split(".PEN_UP")[0].split(), np.float32).reshape(-1, 2) * (1, -1)
            for pen in pens
        ]
        strokes = [stroke.astype(np.float32) for stroke in strokes if len(stroke)]
        digits.append(PenDigit(label, writer, strokes))
    if not digits:
        raise ValueError(f"{path} has no .SEGMENT: expected digits as UNIPEN text")
    return digits


def draw(strokes: list[NDArray[np.float32]], generator: np.random.Generator) -> Sketch:
    """Draw a digit at a random place and size, with a random brush, without changing its shape."""
    points = np.concatenate(strokes)
    corner, extent = points.min(axis=0), np.ptp(points, axis=0)
    scale = generator.uniform(*SIZES) * CANVAS / max(extent.max(), 1)
    place = generator.uniform(0, CANVAS - extent * scale)
    sketch, width = Sketch(CANVAS), generator.uniform(*WIDTHS)
    for stroke in strokes:
        sketch.add_stroke((stroke - corner) * scale + place, width)
    return sketch


def shrink(sketch: Sketch) -> NDArray[np.uint8]:
    """Resize the whole canvas to 28x28, without any preparation."""
    canvas = Image.new("L", (CANVAS, CANVAS))
    pen = ImageDraw.Draw(canvas)
    for stroke in sketch.strokes:
        pen.line(
            [tuple(point) for point in stroke.points.tolist()],
            255,
            round(stroke.width),
            joint="curve",
        )
        for x, y in stroke.points[[0, -1]]:
            pen.circle((float(x), float(y)), stroke.width / 2, 255)
    return np.asarray(canvas.resize((28, 28), Image.Resampling.BOX))


def replay(path: str | Path, seed: int = 0, *, naive: bool = False) -> Replay:
    """Draw every digit of a UNIPEN file at random, and return the images for a model. With `naive`,
    the canvas is only shrunk."""
    generator = np.random.default_rng(seed)
    digits = read_unipen(path)
    sketches = (draw(digit.strokes, generator) for digit in digits)
    images = np.stack([shrink(sketch) if naive else sketch.to_mnist() for sketch in sketches])
    return Replay(
        images,
        np.array([digit.label for digit in digits]),
        np.array([digit.writer for digit in digits]),
    )


def load(model: str) -> nn.Module:
    """Load the checkpoint at a path, or the pretrained model of that name."""
    return load_checkpoint(model) if Path(model).exists() else load_pretrained(model)


def report(name: str, evaluation: Evaluation, writers: NDArray[np.int64]) -> str:
    """Return the results of a model as a few lines of text."""
    low, high = evaluation.interval
    right = evaluation.is_correct.numpy()
    by_writer = {int(writer): right[writers == writer].mean() for writer in np.unique(writers)}
    worst = min(by_writer, key=by_writer.__getitem__)
    digits = "  ".join(f"{score.digit}: {score.recall:.1%}" for score in evaluation.per_digit())
    pairs = ", ".join(
        f"{label} as {guess}: {count}" for label, guess, count in evaluation.confused_pairs(6)
    )
    read = f"{evaluation.accuracy:7.2%}  {low:.2%} to {high:.2%}"
    lines = [
        f"{name:<40} {read}  {by_writer[worst]:7.1%} (writer {worst})",
        f"    of each digit  {digits}",
        f"    read wrong     {pairs}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Read the command line, replay the digits, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strokes", required=True, type=Path, help="digits as UNIPEN text")
    parser.add_argument(
        "--model",
        nargs="+",
        default=["mlp", "cnn"],
        help="checkpoint files or names of pretrained models",
    )
    parser.add_argument("--seed", type=int, default=0, help="draws place, size and brush")
    options = parser.parse_args()
    models = {model: load(model) for model in options.model}
    ways = {
        "prepared": replay(options.strokes, options.seed),
        "shrunk": replay(options.strokes, options.seed, naive=True),
    }
    digits = ways["prepared"]
    writers = len(np.unique(digits.writers))
    print(f"{len(digits.labels)} digits by {writers} writers, each drawn once, seed {options.seed}")
    print(f"{'model, how the drawing becomes 28x28':<40}    read  95 % interval      worst writer")
    for name, model in models.items():
        for way, drawn in ways.items():
            evaluation = Evaluation(predict(model, drawn.images), torch.as_tensor(drawn.labels))
            print(report(f"{Path(name).stem}, {way}", evaluation, drawn.writers))


if __name__ == "__main__":
    main()
