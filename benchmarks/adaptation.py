"""Teach a person's handwriting with three drawings of each digit, then read their other digits.

    python benchmarks/adaptation.py --strokes FILE [--model NAME_OR_PATH ...] [--seed 0]

The strokes are UNIPEN text, drawn on the pad as in strokes.py. Each writer's lesson starts from the
same model. MNIST is measured on its test set, which `adapt` never sees: it uses the validation set
to limit forgetting.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from strokes import replay
from torch import nn

from mnist_nb.checkpoints import load_checkpoint
from mnist_nb.data import Mnist, Split, load_mnist
from mnist_nb.evaluation import evaluate
from mnist_nb.handwriting.adaptation import ForgettingWarning, adapt
from mnist_nb.handwriting.pretrained import load_pretrained

PER_DIGIT = 3


def lessons(path: str, seed: int) -> list[tuple[int, Split, Split]]:
    """Return, for each writer: the writer, three random drawings of each digit, and all others."""
    drawn = replay(path, seed)
    generator = np.random.default_rng(seed)
    everything = Split(torch.from_numpy(drawn.images), torch.from_numpy(drawn.labels).long())
    found = []
    for writer in np.unique(drawn.writers):
        taught = np.zeros(len(drawn.labels), bool)
        for digit in range(10):
            mine = np.flatnonzero((drawn.writers == writer) & (drawn.labels == digit))
            taught[generator.permutation(mine)[:PER_DIGIT]] = True
        others = (drawn.writers == writer) & ~taught
        found.append(
            (int(writer), *(everything.subset(torch.from_numpy(mask)) for mask in (taught, others)))
        )
    return found


def measure(
    name: str, model: nn.Module, writers: list[tuple[int, Split, Split]], data: Mnist, seed: int
) -> None:
    """Teach the model each writer's handwriting, and print a line for each and a summary."""
    mnist_before = evaluate(model, data.test).accuracy
    print(f"\n{name}: MNIST test {mnist_before:.2%}")
    print("writer  others   before    after   seconds   MNIST test")
    rows = []
    for writer, taught, others in writers:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ForgettingWarning)
            start = time.perf_counter()
            new = adapt(model, taught, data, seed=seed)
            seconds = time.perf_counter() - start
        before, after = evaluate(model, others).accuracy, evaluate(new, others).accuracy
        mnist = evaluate(new, data.test).accuracy - mnist_before
        rows.append((before, after, seconds, mnist))
        kept = "  (old weights kept)" if caught else ""
        figures = f"{before:7.1%}  {after:7.1%}  {seconds:8.2f}  {mnist * 100:+9.2f} points{kept}"
        print(f"{writer:6}  {len(others):6}  {figures}")
    before, after, seconds, mnist = np.array(rows).T
    print(
        f"  mean          {before.mean():8.2%} {after.mean():8.2%}  {seconds.mean():8.2f}  "
        f"{mnist.mean() * 100:+9.2f}"
    )
    print(
        f" worst          {before.min():8.2%} {after.min():8.2%}  {seconds.max():8.2f}  "
        f"{mnist.min() * 100:+9.2f}"
    )


def main() -> None:
    """Read the command line, teach and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--strokes", required=True, help="a UNIPEN text file of digits by several writers"
    )
    parser.add_argument(
        "--model", nargs="+", default=["mlp", "cnn"], help="shipped models, or files of others"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the drawing, the choice of what is taught, the lesson",
    )
    options = parser.parse_args()
    data, writers = load_mnist(), lessons(options.strokes, options.seed)
    print(
        f"{len(writers)} writers, {PER_DIGIT} drawings of each digit taught; "
        f"{torch.get_num_threads()} threads"
    )
    for name in options.model:
        model = load_checkpoint(name) if Path(name).suffix else load_pretrained(name)
        measure(name, model, writers, data, options.seed)


if __name__ == "__main__":
    main()
