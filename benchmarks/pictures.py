"""Pictures of single digits, from files: how many does a shipped model read, by kind of picture?

    python benchmarks/pictures.py FOLDER [--model cnn] [--wrong FOLDER]

The files are named LABEL_KIND_NUMBER, such as 7_photo_012.jpg. "Sure" counts what is read wrongly
at over 90 %; `--wrong` keeps, for each picture that is not read right, what was found in it as a
figure. MNIST's own images go the same way for comparison: as they are, cut to their ink, and eight
times as large with one pixel of margin.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mnist_nb import load_mnist, load_pretrained, plots, predict
from mnist_nb.files import write_atomically
from mnist_nb.handwriting.pictures import picture_steps


def read(model: nn.Module, source: Any) -> tuple[int, float]:
    """The digit that is read, and how sure it is; (-1, 0) where there is said to be none."""
    try:
        shares = predict(model, picture_steps(source).image[None])[0]
    except ValueError:
        return -1, 0.0
    return int(shares.argmax()), float(shares.max())


def cropped(image: np.ndarray, margin: int, times: int) -> np.ndarray:
    """An image of MNIST cut to its ink, with a margin, so many times as large."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.kron(np.pad(ink, margin), np.ones((times, times), np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the pictures: LABEL_KIND_NUMBER.png and so on")
    parser.add_argument("--model", default="cnn", help="a shipped network (default: cnn)")
    parser.add_argument("--wrong", type=Path, help="a folder for figures of what is not read right")
    options = parser.parse_args()
    model = load_pretrained(options.model)
    counts: dict[str, list[int]] = defaultdict(
        lambda: [0, 0, 0, 0]
    )  # pictures, read right, wrong and sure, refused

    def count(kind: str, label: int, guess: int, sure: float) -> None:
        result = (1, guess == label, guess != label and sure > 0.9, guess < 0)
        counts[kind] = [old + new for old, new in zip(counts[kind], result, strict=True)]

    for path in sorted(options.folder.iterdir()):
        label, kind = path.name.split("_")[:2]
        guess, sure = read(model, path)
        for name in (kind, "all"):
            count(name, int(label), guess, sure)
        if options.wrong is not None and guess not in (int(label), -1):
            figure: Any = plots.picture(picture_steps(path))
            options.wrong.mkdir(parents=True, exist_ok=True)
            write_atomically(options.wrong / f"{path.stem}_read_{guess}.png", figure._repr_png_())
    test = load_mnist().test
    for image, label in zip(test.images.numpy()[:2000], test.labels.tolist(), strict=False):
        count("MNIST's test images, 2,000", label, *read(model, image))
    for image, label in zip(test.images.numpy()[:500], test.labels.tolist(), strict=False):
        count("500 of them, cut to their ink", label, *read(model, cropped(image, 0, 1)))
        count("500 of them, x 8, margin 1", label, *read(model, cropped(image, 1, 8)))
    print(
        "| kind | pictures | read right | wrong and over 90 % sure | refused |\n| --- | --- | "
        "--- | --- | --- |"
    )
    for kind, (total, right, sure_wrong, refused) in counts.items():
        print(
            f"| {kind} | {total:,} | {right:,} ({100 * right / total:.1f} %) | {sure_wrong} | "
            f"{refused} |"
        )


if __name__ == "__main__":
    main()
