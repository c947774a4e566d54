"""Compare scores that separate letters from digits on the drawing pad.

    python benchmarks/refusal.py --characters FILE [--strokes FILE] [--model PATH_OR_NAME ...]
    [--seed 0]

Each line of the characters file has a character, its writer, and its strokes, separated by `|`, as
lists of points `x,y` with y down. The strokes file has more digits by other writers, as UNIPEN text
(see strokes.py). All are drawn on the pad as in strokes.py. Letters that resemble digits are left
out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import auc, roc_curve
from strokes import draw, load, replay
from torch import Tensor, nn

from mnist_nb.handwriting.refusal import digit_score, is_refused
from mnist_nb.models import predict, run_in_batches

LETTERS = "AEFHKLMNPRVWXdefhkmnprvwx"


def replay_characters(path: Path, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Draw every character of the file at random: images `[N, 28, 28]` and what each shows."""
    generator = np.random.default_rng(seed)
    images, shown = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        character, _, strokes = line.split(maxsplit=2)
        paths = [read_points(stroke) for stroke in strokes.split("|") if stroke.strip()]
        images.append(draw(paths, generator).to_mnist())
        shown.append(character)
    return np.stack(images), np.array(shown)


def read_points(text: str) -> NDArray[np.float32]:
    """Read the points `x,y x,y ...` of a stroke."""
    return np.array([point.split(",") for point in text.split()], np.float32)


def scores(model: nn.Module, images: NDArray[np.uint8]) -> dict[str, Tensor]:
    """Score images in each way, float32 `[N]`: higher is more like a digit."""
    found = {
        "softmax confidence": predict(model, images).amax(1),
        "energy of the logits": run_in_batches(
            model, lambda inputs: model(inputs).logsumexp(1), images
        ),
    }
    return found | {"digit_score": digit_score(model, images)}


def auroc_and_refused(digits: Tensor, letters: Tensor) -> tuple[float, float]:
    """Return the area under the ROC curve, and the share of letters refused when 1 % of the digits
    are."""
    is_letter = np.repeat([0, 1], [len(digits), len(letters)])
    looks_like_letter = -torch.cat([digits, letters]).numpy()
    digits_refused, letters_refused, _ = roc_curve(
        is_letter, looks_like_letter, drop_intermediate=False
    )
    refused = letters_refused[digits_refused <= 0.01].max()
    return float(auc(digits_refused, letters_refused)), float(refused)


def main() -> None:
    """Read the command line, draw the characters, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--characters", required=True, type=Path, help="digits and letters, a line of text for each"
    )
    parser.add_argument("--strokes", type=Path, help="digits as UNIPEN text")
    parser.add_argument(
        "--model", nargs="+", default=["mlp", "cnn"], help="checkpoint files or pretrained names"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws place, size and brush")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images, shown = replay_characters(options.characters, options.seed)
    letters = images[np.isin(shown, list(LETTERS))]
    digits = {"the same people's digits": images[np.char.isdigit(shown)]}
    if options.strokes:
        digits["other people's digits"] = replay(options.strokes, options.seed).images
    counts = [f"{len(images)} of {name}" for name, images in digits.items()]
    print("; ".join([f"{len(letters)} letters", *counts]))
    print(
        "| network | way to score | against | AUROC | letters refused with 1 % of digits ", end=""
    )
    print("| as shipped: letters, digits |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.model:
        for row in rows(load(name), letters, digits):
            print(f"| {Path(name).stem} | {' | '.join(row)} |")


def rows(
    model: nn.Module, letters: NDArray[np.uint8], digits: dict[str, NDArray[np.uint8]]
) -> list[list[str]]:
    """Return the table's rows of one network: a row for each score and set of digits."""
    letter_scores = scores(model, letters)
    found = []
    for whose, images in digits.items():
        for way, digit_scores in scores(model, images).items():
            area, refused = auroc_and_refused(digit_scores, letter_scores[way])
            as_shipped = "-"
            if way == "digit_score":
                letters_refused = float(is_refused(model, letter_scores[way]).float().mean())
                digits_refused = float(is_refused(model, digit_scores).float().mean())
                as_shipped = f"{letters_refused:.1%}, {digits_refused:.2%}"
            found.append([way, whose, f"{area:.4f}", f"{refused:.1%}", as_shipped])
    return found


if __name__ == "__main__":
    main()
