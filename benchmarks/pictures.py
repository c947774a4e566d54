"""Count the digits that a network reads in picture files, by kind of picture.

    python benchmarks/pictures.py FOLDER [--model cnn] [--wrong FOLDER]

The files are named LABEL_KIND_NUMBER, such as 7_photo_012.jpg. "Sure" counts mistakes with over
90 % confidence; `--wrong` saves a figure of each picture that is misread. MNIST's own images are
read for comparison: unchanged, cut to their ink, and eight times as large with one pixel of margin.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb import load_mnist, load_pretrained, plots, predict
from mnist_nb.files import write_atomically
from mnist_nb.handwriting.pictures import picture_steps

REFUSED = -1  # in place of a digit


@dataclass
class Tally:
    """The results of one kind of picture."""

    pictures: int = 0
    right: int = 0
    wrong_and_sure: int = 0
    refused: int = 0

    def add(self, label: int, guess: int, confidence: float) -> None:
        """Count one picture."""
        self.pictures += 1
        if guess == label:
            self.right += 1
        elif guess == REFUSED:
            self.refused += 1
        elif confidence > 0.9:
            self.wrong_and_sure += 1


def read(model: nn.Module, source: Any) -> tuple[int, float]:
    """Return the digit that is read and its probability, or (REFUSED, 0)."""
    try:
        image = picture_steps(source).image
    except ValueError:
        return REFUSED, 0.0
    probabilities = predict(model, image[None])[0]
    return int(probabilities.argmax()), float(probabilities.max())


def cropped(image: NDArray[np.uint8], margin: int, times: int) -> NDArray[np.uint8]:
    """Cut an image of MNIST to its ink, with a margin, and enlarge it."""
    rows, columns = np.nonzero(image)
    ink = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.kron(np.pad(ink, margin), np.ones((times, times), np.uint8))


def read_folder(model: nn.Module, folder: Path, wrong: Path | None) -> dict[str, Tally]:
    """Read the pictures of a folder, and save a figure of each misread one in another."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for path in sorted(folder.iterdir()):
        label, kind = path.name.split("_")[:2]
        guess, confidence = read(model, path)
        tallies[kind].add(int(label), guess, confidence)
        tallies["all"].add(int(label), guess, confidence)
        if wrong is not None and guess not in (int(label), REFUSED):
            figure: Any = plots.picture(picture_steps(path))
            wrong.mkdir(parents=True, exist_ok=True)
            write_atomically(wrong / f"{path.stem}_read_{guess}.png", figure._repr_png_())
    return tallies


def read_mnist(model: nn.Module) -> dict[str, Tally]:
    """Read MNIST's test images as pictures."""
    test = load_mnist().test
    images, labels = test.images[:2000].numpy(), test.labels[:2000].tolist()
    whole, tight, large = Tally(), Tally(), Tally()
    for image, label in zip(images, labels, strict=True):
        whole.add(label, *read(model, image))
    for image, label in zip(images[:500], labels[:500], strict=True):
        tight.add(label, *read(model, cropped(image, margin=0, times=1)))
        large.add(label, *read(model, cropped(image, margin=1, times=8)))
    return {
        "MNIST's test images, 2,000": whole,
        "500 of them, cut to their ink": tight,
        "500 of them, x 8, margin 1": large,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the pictures: LABEL_KIND_NUMBER.png and so on")
    parser.add_argument("--model", default="cnn", help="a shipped network (default: cnn)")
    parser.add_argument("--wrong", type=Path, help="a folder for figures of what is not read right")
    options = parser.parse_args()
    model = load_pretrained(options.model)
    tallies = read_folder(model, options.folder, options.wrong) | read_mnist(model)
    print("| kind | pictures | read right | wrong and over 90 % sure | refused |")
    print("| --- | --- | --- | --- | --- |")
    for kind, tally in tallies.items():
        share = f"{tally.right:,} ({tally.right / tally.pictures:.1%})".replace("%", " %")
        print(
            f"| {kind} | {tally.pictures:,} | {share} | {tally.wrong_and_sure} | {tally.refused} |"
        )


if __name__ == "__main__":
    main()
