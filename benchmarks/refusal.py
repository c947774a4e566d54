"""Letters on the drawing pad: how well does a network tell what is no digit from digits, by each
way to score it?

    python benchmarks/refusal.py --characters FILE [--strokes FILE] [--model PATH_OR_NAME ...]
    [--seed 0]

The characters are lines of text, one for each: the character, its writer, then the strokes, `|`
between them, each of points `x,y` with y down; the strokes, more digits by other writers, are the
UNIPEN text that strokes.py reads. All are drawn on the pad as strokes.py draws them. Only letters
that no digit looks like count as letters.
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
    """Every character of the file drawn at random with the given seed: images `[N, 28, 28]` and
    what each shows."""
    generator = np.random.default_rng(seed)
    images, shown = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        character, _, strokes = line.split(maxsplit=2)
        parts = [
            np.array([point.split(",") for point in part.split()], np.float32)
            for part in strokes.split("|")
        ]
        images.append(draw([part for part in parts if len(part)], generator).to_mnist())
        shown.append(character)
    return np.stack(images), np.array(shown)


def scores(model: nn.Module, images: NDArray[np.uint8]) -> dict[str, Tensor]:
    """What each way to score says of the images, float32 `[N]`: higher is more like a digit."""
    found = {
        "softmax confidence": predict(model, images).amax(1),
        "energy of the logits": run_in_batches(
            model, lambda inputs: model(inputs).logsumexp(1), images
        ),
    }
    return found | {"digit_score": digit_score(model, images)}


def auroc_and_refused(digits: Tensor, letters: Tensor) -> tuple[float, float]:
    """The area under the ROC curve, and the share of letters refused with 1 % of the digits."""
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
    print(
        f"{len(letters)} letters; "
        + "; ".join(f"{len(part)} of {name}" for name, part in digits.items())
    )
    head = "network | way to score | against | AUROC | "
    head += "letters refused with 1 % of digits | as shipped: letters, digits"
    print(f"| {head} |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.model:
        model = load(name)
        strange = scores(model, letters)
        for whose, part in digits.items():
            for way, real in scores(model, part).items():
                shipped = "| - |"
                if way == "digit_score":
                    by_model = [
                        float(is_refused(model, one).float().mean()) for one in (strange[way], real)
                    ]
                    shipped = f"| {by_model[0]:.1%}, {by_model[1]:.2%} |"
                area, refused = auroc_and_refused(real, strange[way])
                shares = f"{area:.4f} | {refused:.1%} {shipped}"
                print(f"| {Path(name).stem} | {way} | {whose} | {shares}")


if __name__ == "__main__":
    main()
