"""Measure the time of a training step with each kind of augmentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from measure import Times, keep, turns

from mnist_nb import Hyperparameters, Mnist, TrainingRun, build_model, load_mnist
from mnist_nb.plugins import AUGMENTATIONS

STEPS = 40  # in a turn


def augmentation(quick: bool) -> None:
    """Measure a step with each kind of augmentation, in turns, for both networks."""
    data, rounds = load_mnist(), 3 if quick else 15
    lines = ["| network, batch | augmentation | ms per step, median (least to most) | x none |"]
    lines += ["| --- | --- | --- | --- |"]
    results: dict[str, Times] = {}
    for network, batch_size in (("mlp", 64), ("mlp", 256), ("cnn", 128)):
        settings = Hyperparameters(
            network=network, epochs=200, batch_size=batch_size, optimizer="adamw"
        )
        ready = {
            kind: steps(
                data,
                dataclasses.replace(settings, augmentation=kind),
                STEPS if network == "mlp" else 5,
            )
            for kind in AUGMENTATIONS
        }
        times = results[f"{network}, {batch_size}"] = turns(ready, rounds)
        for kind, seconds in times.items():
            each = np.array(seconds) / (STEPS if network == "mlp" else 5) * 1000
            ratio = np.median(seconds) / np.median(times["none"])
            spread = f"{np.median(each):.2f} ({each.min():.2f} to {each.max():.2f})"
            lines.append(f"| {network}, {batch_size} | {kind} | {spread} | {ratio:.2f} |")
    keep("augmentation", results, lines, None)


def steps(data: Mnist, settings: Hyperparameters, count: int) -> Callable[[], object]:
    """Return a function that takes the run's next steps."""
    run = TrainingRun(build_model(settings.network, seed=0), data, settings, device="cpu")

    def go() -> None:
        if run.batch + count >= run.batches_per_epoch:
            run.batch = 0
        for _ in range(count):
            run.step()

    return go
