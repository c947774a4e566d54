"""Measure the share of signs on the drawing pad that a network refuses, by kind.

    python benchmarks/signs.py [--model PATH_OR_NAME ...] [--seed 0] [--sheet FILE]

Two groups of kinds are drawn by rules: those in `mnist_nb.handwriting.signs`, which networks learn
to refuse, and those in this file, which are never taught. Each sign is turned a little and drawn on
the pad like the digits of strokes.py, at a random place and size and with a random brush. A dot is
a tap of the brush, which may slip by nearly half its width.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from strokes import CANVAS, WIDTHS, draw, load
from torch import Tensor, nn

from mnist_nb.handwriting import signs
from mnist_nb.handwriting.refusal import digit_score, is_refused
from mnist_nb.handwriting.signs import CURVE_POINTS, SIDE, Forms
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.models import predict

COUNT = 200  # of each kind
MAX_TURN = 15  # degrees
MAX_STRETCH = 1.4  # in width or height

FORMS = {
    "envelope": "fjtpf fmj",
    "checkbox": "aeyua ay eu, aeyua kve",
    "crown": "fuyjnclf",
    "tree": "cptc rw",
    "kite": "ckwoc cw ko",
    "sun": "~himqsrlgh ch on wr kl ag ei uq ys",
    "fish": "~jrkht jt",
    "infinity": "~miosmgkqm",
    "asterisk": "cw ay eu, cw ft jp, cw ko ay eu",
    "hash": "bv dx fj pt",
    "divided by": "ko c w",
    "plus-minus": "fj cm pt, ko cr uy",
    "sum": "eamuy",
    "pi": "fj gv ix",
    "ellipsis": "k m o",
}


def _coil(random: Tensor) -> Tensor:
    """Return four to seven loops along a line."""
    size = random[:, :1, 0]
    turn = (4 + 3 * random[:, :1, 1]) * _along(random)
    angle = 2 * math.pi * turn
    return torch.stack([turn + (0.3 + 0.5 * size) * angle.cos(), angle.sin()], 2)


def _wave(random: Tensor) -> Tensor:
    """Return two to five waves along a line."""
    periods = 2 + 3 * random[:, :1, 0]
    height = 0.4 + random[:, :1, 1]
    turn = periods * _along(random)
    return torch.stack([turn, height * (2 * math.pi * turn).sin()], 2)


def _flower(random: Tensor) -> Tensor:
    """Return the outline of a flower with four to seven petals."""
    petals = 4 + (4 * random[:, :1, 0]).floor()
    angle = 2 * math.pi * _along(random)
    radius = 1 + (0.4 + 0.5 * random[:, :1, 1]) * (petals * angle).cos()
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 2)


def _star(random: Tensor) -> Tensor:
    """Return the outline of a star with five points."""
    corner = torch.arange(CURVE_POINTS).clamp_max(10)
    angle = 2 * math.pi * (corner / 10 + 0.1 * random[:, :1, 0])
    radius = torch.where(corner % 2 == 0, 1, 0.35 + 0.2 * random[:, :1, 1])
    moved = 0.2 * (random[:, corner] - 0.5)
    return moved + torch.stack([radius * angle.cos(), radius * angle.sin()], 2)


CURVES = {"coil": _coil, "wave": _wave, "flower": _flower, "star outline": _star}


def _along(random: Tensor) -> Tensor:
    """Return the position of each point along its curve, `[sign, point]`, from 0 to 1."""
    return torch.linspace(0, 1, CURVE_POINTS).expand(random.shape[:2])


def draw_kinds(
    forms: Mapping[str, str],
    curves: Mapping[str, Callable[[Tensor], Tensor]],
    seed: int,
    count: int = COUNT,
) -> dict[str, NDArray[np.uint8]]:
    """Draw signs of each kind on the pad: images `[count, 28, 28]` by kind."""
    generator = torch.Generator().manual_seed(seed)
    images = {}
    for kind, text in forms.items():
        choice = torch.rand(count, generator=generator)
        random = torch.rand(count, SIDE**2, 2, generator=generator)
        points = Forms({kind: text}).points(torch.zeros(count, dtype=torch.long), choice, random)
        images[kind] = draw_signs(points.numpy(), seed)
    for kind, curve in curves.items():
        random = torch.rand(count, CURVE_POINTS, 2, generator=generator)
        points = curve(random)[:, None]
        images[kind] = taps(count, seed) if kind == "dot" else draw_signs(points.numpy(), seed)
    return images


def draw_signs(signs: NDArray[np.float32], seed: int) -> NDArray[np.uint8]:
    """Turn, stretch and draw signs `[sign, stroke, point, (x, y)]`: images `[sign, 28, 28]`."""
    generator = np.random.default_rng(seed)
    images = []
    for strokes in signs:
        turn = math.radians(generator.uniform(-MAX_TURN, MAX_TURN))
        stretch = MAX_STRETCH ** generator.uniform(-1, 1)
        matrix = [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
        turned = strokes * (stretch, 1) @ np.array(matrix)
        images.append(draw(list(turned.astype(np.float32) * 100), generator).to_mnist())
    return np.stack(images)


def taps(count: int, seed: int) -> NDArray[np.uint8]:
    """Tap the pad with a brush that slips a little: images `[count, 28, 28]`."""
    generator = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        width = generator.uniform(*WIDTHS)
        place = generator.uniform(0.2 * CANVAS, 0.8 * CANVAS, 2)
        slip = generator.uniform(0, 0.48 * width)
        angle = generator.uniform(0, math.tau)
        end = place + slip * np.array([math.cos(angle), math.sin(angle)])
        sketch = Sketch(CANVAS)
        sketch.add_stroke([place, end], width)
        images.append(sketch.to_mnist())
    return np.stack(images)


def report(model: nn.Module, kinds: Mapping[str, NDArray[np.uint8]]) -> dict[str, list[str]]:
    """Return the share of each kind that is refused, and the most frequent readings of the rest."""
    rows = {}
    shares = []
    for kind, images in kinds.items():
        refused = is_refused(model, digit_score(model, images))
        share = float(refused.float().mean())
        shares.append(share)
        digits = predict(model, images).argmax(1)[~refused]
        most = f"{int(digits.mode().values)}" if len(digits) else ""
        rows[kind] = [f"{share:.1%}", most]
    rows["**all**"] = [f"{np.mean(shares):.1%}", ""]
    return rows


def save_sheet(kinds: Mapping[str, NDArray[np.uint8]], path: Path, per_kind: int = 16) -> None:
    """Save a picture of the first signs of each kind, one kind in a row."""
    row_height, name_width = 56, 120
    width = name_width + per_kind * row_height
    sheet = Image.new("L", (width, row_height * len(kinds)), 255)
    pen = ImageDraw.Draw(sheet)
    for number, (kind, images) in enumerate(kinds.items()):
        line = 255 - np.concatenate(list(images[:per_kind]), axis=1)
        size = (per_kind * row_height, row_height)
        sheet.paste(Image.fromarray(line).resize(size), (name_width, number * row_height))
        pen.text((2, (number + 0.4) * row_height), kind, 0)
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", default=["mlp", "cnn"], help="files or names")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="save a picture of the signs")
    options = parser.parse_args()
    groups = {
        "taught": draw_kinds(signs.FORMS, signs.CURVES, options.seed),
        "not taught": draw_kinds(FORMS, CURVES, options.seed),
    }
    if options.sheet:
        save_sheet(groups["taught"] | groups["not taught"], options.sheet)
    models = {Path(name).stem: load(name) for name in options.model}
    titles = [f"{name} refuses | the others read as" for name in models]
    print(f"| | kind | {' | '.join(titles)} |")
    print("| --- " * (2 + 2 * len(models)) + "|")
    for group, kinds in groups.items():
        columns = [report(model, kinds) for model in models.values()]
        for kind in columns[0]:
            cells = [cell for column in columns for cell in column[kind]]
            print(f"| {group} | {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
