"""What is done beside the plain step, as multiples of it: augmenting a batch, and eight settings side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from measure import Times, keep, turns

from mnist_nb import Hyperparameters, Mnist, Split, TrainingRun, build_model, load_mnist
from mnist_nb.training.augmentation import KINDS
from mnist_nb.training.sweep import sweep

STEPS = 40  # a turn
RATES = (0.0003, 0.001, 0.003, 0.01, 0.02, 0.03, 0.1, 0.2)


def augmentation(quick: bool) -> None:
    """Milliseconds of a step with each kind of augmentation, in turns, for both networks."""
    data, rounds = load_mnist(), 3 if quick else 15
    lines = ["| network, batch | augmentation | ms per step, median (least to most) | x none |"]
    lines += ["| --- | --- | --- | --- |"]
    results: dict[str, Times] = {}
    for network, batch_size in (("mlp", 64), ("mlp", 256), ("cnn", 128)):
        settings = Hyperparameters(network=network, epochs=200, batch_size=batch_size, optimizer="adamw")
        ready = {
            kind: steps(data, dataclasses.replace(settings, augmentation=kind), STEPS if network == "mlp" else 5)
            for kind in KINDS
        }
        times = results[f"{network}, {batch_size}"] = turns(ready, rounds)
        for kind, seconds in times.items():
            each = np.array(seconds) / (STEPS if network == "mlp" else 5) * 1000
            ratio = np.median(seconds) / np.median(times["none"])
            spread = f"{np.median(each):.2f} ({each.min():.2f} to {each.max():.2f})"
            lines.append(f"| {network}, {batch_size} | {kind} | {spread} | {ratio:.2f} |")
    keep("augmentation", results, lines, None)


def steps(data: Mnist, settings: Hyperparameters, count: int) -> Callable[[], object]:
    """A function that takes the run's next steps."""
    run = TrainingRun(build_model(settings.network, seed=0), data, settings, device="cpu")

    def go() -> None:
        if run.batch + count >= run.batches_per_epoch:
            run.batch = 0
        for _ in range(count):
            run.step()

    return go


def side_by_side(quick: bool) -> None:
    """Seconds of an epoch of one setting, and of eight at once, in turns."""
    data, rounds = load_mnist(), 3 if quick else 9
    few = Split(data.validation.images[:10], data.validation.labels[:10], "validation")
    part = Mnist(data.train.take(15_000), few, few, data.source)
    lines = ["| batch | one, s | eight at once, s | ratio |", "| --- | --- | --- | --- |"]
    results: dict[str, Times] = {}
    for batch_size in (64, 256):
        settings = [Hyperparameters(epochs=1, batch_size=batch_size, learning_rate=rate) for rate in RATES]
        times = results[f"batch {batch_size}"] = turns(
            {
                "one": lambda settings=settings: list(
                    TrainingRun(build_model(seed=0), part, settings[0], device="cpu").epochs()
                ),
                "eight": lambda settings=settings: sweep(part, settings),
            },
            rounds,
        )
        one, eight = np.median(times["one"]), np.median(times["eight"])
        lines.append(f"| {batch_size} | {one:.2f} | {eight:.2f} | {eight / one:.2f} |")
    lines += ["", f"15,000 images; {torch.get_num_threads()} threads for the eight, one for the one."]
    keep("sweep", results, lines, None)
