"""Count the whole numbers that are read correctly, drawn on the pad or in pictures.

    python benchmarks/whole_numbers.py --strokes FILE [--characters FILE] [--pictures FOLDER]
    [--made PAGES] [--model NAME_OR_PATH]

- The strokes are UNIPEN text as for `strokes.py`; the characters, text as for `refusal.py`. Each
  number is composed of 2 to 6 digits by one writer. Heights vary by 15 %, baselines by 10 %, and
  gaps from a touch to half a digit: in half of the numbers between the digits' boxes, in the others
  between their ink, so that digits reach over and under each other. A third is slanted. The strokes
  are drawn in random order.
- The pictures are in FOLDER/several/. FOLDER/several.tsv lists their names, texts with "/" between
  lines, and kinds.
- PAGES is the number of generated pages of each kind (`tools/made_pages.py`), with digits from the
  half of MNIST's validation images that nothing is fitted on.

For pictures and pages, a second table shows the share of correct numbers by confidence.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from strokes import PenDigit, load, read_unipen
from torch import nn

from mnist_nb import Sketch, load_mnist, read_number, wilson_interval
from mnist_nb.data import Split
from mnist_nb.handwriting.raster import walk

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

from made_pages import KINDS, make_page

Strokes = list[NDArray[np.float64]]
PER_WRITER = 20
FIRST_MADE_SEED = 1000  # the weights are fitted on pages of smaller seeds
CONFIDENCES = (0, 0.05, 0.2, 0.5, 0.9, 1.001)  # the limits of the rows of the second table


def read_characters(path: str | Path) -> list[PenDigit]:
    """Read the digits from a file of characters, one per line."""
    digits = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        label, writer, strokes = line.split(maxsplit=2)
        if label.isdigit():
            paths = [
                np.array([xy.split(",") for xy in part.split()], np.float32)
                for part in strokes.split("|")
            ]
            digits.append(PenDigit(int(label), int(writer), paths))
    return digits


def ink(strokes: Strokes) -> NDArray[np.float64]:
    """Return closely spaced points along strokes."""
    return np.concatenate(
        [walk(path[:-1], path[1:], 3) if len(path) > 1 else path for path in strokes]
    )


def gap_between_ink(left: Strokes, right: Strokes) -> float:
    """Return the distance by which `right` can move left until the ink of both nearly meets."""
    one, two = ink(left), ink(right)
    rows = np.arange(
        min(one[:, 1].min(), two[:, 1].min()), max(one[:, 1].max(), two[:, 1].max()), 4
    )
    beside = [(one[abs(one[:, 1] - y) <= 6, 0], two[abs(two[:, 1] - y) <= 6, 0]) for y in rows]
    return float(min((b.min() - a.max() for a, b in beside if len(a) and len(b)), default=np.inf))


def compose(digits: list[PenDigit], random: np.random.Generator, count: int) -> tuple[str, Sketch]:
    """Compose a number of `count` digits by one writer. Return its text and the drawing."""
    height, widest, kerned = random.uniform(50, 110), random.uniform(0, 0.5), random.integers(2)
    typical = np.median([np.ptp(np.concatenate(digit.strokes)[:, 1]) for digit in digits])
    text, strokes, last, right = "", [], [], 0.0
    for digit in (digits[at] for at in random.integers(len(digits), size=count)):
        points = np.concatenate(digit.strokes)
        scale = height / typical * random.uniform(0.85, 1.15)
        foot = np.array([points[:, 0].min(), points[:, 1].max()])
        new = [
            (path - foot) * scale + (0, random.uniform(-0.1, 0.1) * height)
            for path in digit.strokes
        ]
        if last:
            gap = random.uniform(0, widest) * height
            new = [path + np.array([right, 0]) for path in new]
            if kerned:
                gap += 2 - min(gap_between_ink(last, new), height / 2)
            new = [path + np.array([gap, 0]) for path in new]
        text, last, right = text + str(digit.label), new, max(path[:, 0].max() for path in new)
        strokes += new
    lean = random.uniform(-0.3, 0.3) * (random.integers(3) == 0)
    strokes = [path @ [[1, 0], [lean, 1]] for path in strokes]
    points = np.concatenate(strokes)
    size = float(np.ptp(points, axis=0).max()) + 60
    place = random.uniform(10, size - 10 - np.ptp(points, axis=0)) - points.min(axis=0)
    sketch, width = Sketch(size), random.uniform(4, 14)
    for at in random.permutation(len(strokes)):
        sketch.add_stroke(strokes[at] + place, width)
    return text, sketch


def edits(read: str, true: str) -> int:
    """Return the smallest number of digits to change, insert or delete (the Levenshtein distance),
    at most all of them."""
    row = list(range(len(true) + 1))
    for done, one in enumerate(read, 1):
        last, row[0] = row[0], done
        for at, other in enumerate(true, 1):
            last, row[at] = row[at], min(last + (one != other), row[at] + 1, row[at - 1] + 1)
    return min(row[-1], len(true))


def report(name: str, readings: list[tuple[str, str]]) -> str:
    """Return a row with the shares of correct digits, extra signs and correct numbers, from pairs
    of read and true text."""
    flat = [(read.replace("/", ""), true.replace("/", "")) for read, true in readings]
    total, numbers = (
        sum(len(true) for _, true in flat),
        sum(read == true for read, true in readings),
    )
    digits = total - sum(edits(*pair) for pair in flat)
    extra = sum(max(len(read) - len(true), 0) for read, true in flat)
    low, high = wilson_interval(numbers, len(readings))
    of_digits = f"{digits / total:.1%} ({digits} of {total})"
    of_numbers = f"{numbers / len(readings):.1%} ({numbers} of {len(readings)})"
    return f"| {name} | {of_digits} | {extra} | {of_numbers} | {low:.1%} to {high:.1%} |"


def read_picture(source: Any, model: nn.Module) -> tuple[str, float]:
    """Return the text read in a picture, with "/" between lines, and the confidence."""
    try:
        number = read_number(source, model)
    except ValueError:
        return "", 0.0
    return number.text.replace("\n", "/"), number.confidence


def read_made(model: nn.Module, count: int) -> Iterator[tuple[str, str, str, float]]:
    """Yield the kind, the text read, the true text and the confidence of pages of each kind."""
    validation = load_mnist().validation
    half = len(validation) // 2
    split = Split(validation.images[half:], validation.labels[half:], "validation, second half")
    for kind in KINDS:
        for seed in range(FIRST_MADE_SEED, FIRST_MADE_SEED + count):
            page = make_page(kind, seed, split)
            text, confidence = read_picture(page.picture, model)
            yield kind, text, page.text.replace("\n", "/"), confidence


def report_confidence(readings: list[tuple[float, bool]]) -> str:
    """Return a table of correct readings by confidence, from pairs of (confidence, is_right)."""
    rows = ["| confidence | numbers | right |", "| --- | --- | --- |"]
    for low, high in pairwise(CONFIDENCES):
        some = [is_right for confidence, is_right in readings if low <= confidence < high]
        if some:
            rows.append(f"| {low} to {high:.2g} | {len(some)} | {sum(some) / len(some):.0%} |")
    return "\n".join(rows)


def main() -> None:
    """Read the command line, read the numbers and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strokes", type=Path, help="digits as UNIPEN text")
    parser.add_argument("--characters", type=Path, help="characters one a line")
    parser.add_argument("--pictures", type=Path, help="a folder of pictures with several.tsv")
    parser.add_argument(
        "--model", default="cnn", help="a checkpoint file or the name of a pretrained model"
    )
    parser.add_argument(
        "--part",
        choices=["all", "even", "odd"],
        default="all",
        help="only writers with such a place",
    )
    parser.add_argument("--made", type=int, default=0, help="made pages of each kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, random = load(options.model), np.random.default_rng(0)
    rows: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, path, reader in (
        ("digits", options.strokes, read_unipen),
        ("characters", options.characters, read_characters),
    ):
        digits = reader(path) if path else []
        writers = sorted({digit.writer for digit in digits})
        for writer in writers[options.part == "odd" :: 1 if options.part == "all" else 2]:
            own = [digit for digit in digits if digit.writer == writer]
            for count in [2, 3, 4, 5, 6] * (PER_WRITER // 5):
                true, sketch = compose(own, random, count)
                pair = read_number(sketch, model).text.replace("\n", ""), true
                rows[f"pen, {name}, all"].append(pair)
                rows[f"pen, {name}, {count} digits"].append(pair)
    table = (
        (options.pictures / "several.tsv").read_text().splitlines()[1:] if options.pictures else []
    )
    confidences = []
    for name, true, kind in (line.split("\t") for line in table):
        text, confidence = read_picture(options.pictures / "several" / name, model)
        confidences.append((confidence, text == true))
        rows["pictures, all"].append((text, true))
        rows[f"pictures, {kind}"].append((text, true))
    for kind, text, true, confidence in read_made(model, options.made):
        confidences.append((confidence, text == true))
        rows["made pages, all"].append((text, true))
        rows[f"made pages, {kind}"].append((text, true))
    print("| | digits | extra | whole numbers | 95 % interval |\n| --- | --- | --- | --- | --- |")
    print("\n".join(report(name, rows[name]) for name in sorted(rows)))
    if confidences:
        print("\n" + report_confidence(confidences))
    if options.strokes:
        times, digits = [], read_unipen(options.strokes)[:200]
        for drawn in (compose(digits, random, 8)[1] for _ in range(30)):
            sketch = Sketch(drawn.size)
            for stroke in sorted(drawn.strokes, key=lambda stroke: stroke.points[:, 0].min()):
                sketch.add_stroke(stroke.points, stroke.width)
                started = time.process_time()
                read_number(sketch, model)
                last = time.process_time() - started
            times.append(1000 * last)
        print(
            f"\nEight digits, after the last stroke: median {np.median(times):.0f} ms of "
            "processor time, "
            f"95 % under {np.quantile(times, 0.95):.0f}, one thread"
        )


if __name__ == "__main__":
    main()
