"""The experiments of notebook 06: `make experiments`, or

    python experiments/run.py [training_set] [initialisation] [width] [memorization] [bits] [votes]

Each experiment changes one thing in five epochs of fast settings. It is repeated with several
seeds and measured on the validation images. Results are saved in
notebooks/experiments.json, without changing those of other experiments. All six take a few minutes
on one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mnist_nb import Hyperparameters, Mnist, Split, TrainingRun, build_model, load_mnist, predict
from mnist_nb.files import write_atomically
from mnist_nb.labs.initialization import INITIALISATIONS, initialise
from mnist_nb.labs.quantization import quantize_model
from mnist_nb.models import loss_and_accuracy
from mnist_nb.training import TrainingDivergedError

FILE = Path(__file__).resolve().parent.parent / "notebooks" / "experiments.json"
FAST = Hyperparameters(epochs=5, batch_size=256, learning_rate=0.2, schedule="one-cycle")
LONG = dataclasses.replace(FAST, epochs=60, batch_size=50, learning_rate=0.05, schedule="constant")
SEEDS = (0, 1, 2, 3, 4)
Results = dict[str, Any]


# ---- The experiments: each returns its results, with one value per seed


def training_set(
    data: Mnist,
    settings: Hyperparameters = FAST,
    seeds: Sequence[int] = SEEDS,
    sizes: Sequence[int] = (100, 300, 1_000, 3_000, 10_000, 30_000, 55_000),
) -> Results:
    """Accuracy against the number of training images.

    Fewer images are shown more often, so that each network takes as many steps; 200 times at most.
    """
    steps = settings.epochs * math.ceil(len(data.train) / settings.batch_size)
    training: list[list[float]] = []
    validation: list[list[float]] = []
    for size in sizes:
        chosen = [some_of(data, size, seed) for seed in seeds]
        epochs = min(200, max(1, round(steps / math.ceil(size / settings.batch_size))))
        models = [
            trained(part, seeded(settings, seed, epochs=epochs))
            for part, seed in zip(chosen, seeds, strict=True)
        ]
        training.append(
            [accuracy(model, part.train) for model, part in zip(models, chosen, strict=True)]
        )
        validation.append([accuracy(model, data.validation) for model in models])
    return {"sizes": list(sizes), "training_accuracy": training, "validation_accuracy": validation}


def initialisation(
    data: Mnist, settings: Hyperparameters = FAST, seeds: Sequence[int] = SEEDS
) -> Results:
    """Accuracy after each epoch, from 0, for each way to draw the first weights."""
    curves: dict[str, list[list[float]]] = {}
    for kind in ("PyTorch's own", *INITIALISATIONS):
        models = [build_model("mlp", seed=seed) for seed in seeds]
        if kind in INITIALISATIONS:
            models = [
                initialise(model, kind, seed) for model, seed in zip(models, seeds, strict=True)
            ]
        curves[kind] = [
            by_epoch(model, data, seeded(settings, seed))["validation_accuracy"]
            for model, seed in zip(models, seeds, strict=True)
        ]
    return {"validation_accuracy": curves}


def width(
    data: Mnist,
    settings: Hyperparameters = FAST,
    seeds: Sequence[int] = SEEDS,
    widths: Sequence[int] = (4, 8, 16, 32, 64, 128, 256, 512),
) -> Results:
    """Accuracy against the units in the first hidden layer; the second has half as many."""
    models = [
        [trained(data, seeded(settings, seed), (units, units // 2)) for seed in seeds]
        for units in widths
    ]
    return {
        "widths": list(widths),
        "weights": [sum(tensor.numel() for tensor in group[0].parameters()) for group in models],
        "training_accuracy": [[accuracy(model, data.train) for model in group] for group in models],
        "validation_accuracy": [
            [accuracy(model, data.validation) for model in group] for group in models
        ],
    }


def memorization(
    data: Mnist, settings: Hyperparameters = LONG, seeds: Sequence[int] = SEEDS, images: int = 1_000
) -> Results:
    """Training and validation accuracy after each epoch on too few images: with their labels, and
    with labels mixed."""
    results: Results = {"images": images}
    for name, mix in (("true labels", False), ("mixed labels", True)):
        parts = [some_of(data, images, seed, mix) for seed in seeds]
        curves = [
            by_epoch(build_model("mlp", seed=seed), part, seeded(settings, seed))
            for part, seed in zip(parts, seeds, strict=True)
        ]
        results[name] = {key: [curve[key] for curve in curves] for key in curves[0]}
    return results


def bits(
    data: Mnist,
    settings: Hyperparameters = FAST,
    seeds: Sequence[int] = SEEDS,
    kinds: Sequence[str] = (
        "float32",
        "float16",
        "bfloat16",
        "int8",
        "int6",
        "int5",
        "int4",
        "int3",
        "int2",
    ),
) -> Results:
    """Accuracy and file size of networks whose weights were rounded after training."""
    models = [
        [quantize_model(trained(data, seeded(settings, seed)), kind) for seed in seeds]
        for kind in kinds
    ]
    return {
        "kinds": list(kinds),
        "bytes": [group[0][1] for group in models],
        "validation_accuracy": [
            [accuracy(model, data.validation) for model, _ in group] for group in models
        ],
    }


def votes(
    data: Mnist, settings: Hyperparameters = FAST, seeds: Sequence[int] = tuple(range(10))
) -> Results:
    """Accuracy of the mean of several networks' probabilities, for each choice of up to five of
    them."""
    said = [
        predict(trained(data, seeded(settings, seed)), data.validation.images) for seed in seeds
    ]

    def together(group: tuple[int, ...]) -> float:
        guesses = torch.stack([said[number] for number in group]).mean(0).argmax(1)
        return short((guesses == data.validation.labels).double().mean())

    voters = range(1, min(5, len(seeds)) + 1)
    accuracies = [
        [together(group) for group in combinations(range(len(seeds)), count)] for count in voters
    ]
    return {"voters": list(voters), "validation_accuracy": accuracies}


EXPERIMENTS: dict[str, Callable[[Mnist], Results]] = {
    function.__name__: function
    for function in (training_set, initialisation, width, memorization, bits, votes)
}


# ---- Shared by the experiments


def seeded(settings: Hyperparameters, seed: int, **changes: Any) -> Hyperparameters:
    return dataclasses.replace(settings, seed=seed, **changes)


@functools.cache  # several experiments start from the same networks
def trained(
    data: Mnist, settings: Hyperparameters, hidden: tuple[int, int] = (128, 64)
) -> nn.Module:
    """Return a network trained with the settings."""
    # a run validates after every epoch: one image is enough, as only the final accuracy is needed
    unvalidated = Mnist(data.train, data.validation.take(1), data.test, data.source)
    run = TrainingRun(
        build_model("mlp", seed=settings.seed, hidden=hidden), unvalidated, settings, device="cpu"
    )
    for _ in run.epochs():
        pass
    return run.model.eval()


def by_epoch(model: nn.Module, data: Mnist, settings: Hyperparameters) -> dict[str, list[float]]:
    """Return the accuracy on training images (at most 5,000) and validation images, before training
    and after each epoch.

    If a run diverges, the accuracy of its last good weights is repeated.
    """
    run = TrainingRun(model, data, settings, device="cpu")
    curves: dict[str, list[float]] = {"training_accuracy": [], "validation_accuracy": []}
    epochs = run.epochs()
    for _ in range(settings.epochs + 1):
        curves["training_accuracy"].append(accuracy(model, data.train))
        curves["validation_accuracy"].append(accuracy(model, data.validation))
        try:
            next(epochs, None)
        except TrainingDivergedError:
            epochs = iter(())
    return curves


def some_of(data: Mnist, size: int, seed: int, mix: bool = False) -> Mnist:
    """Return the data with a random choice of training images; `mix` shuffles their labels."""
    generator = torch.Generator().manual_seed(seed)
    chosen = data.train.subset(torch.randperm(len(data.train), generator=generator)[:size])
    if mix:
        order = torch.randperm(len(chosen), generator=generator)
        chosen = Split(chosen.images, chosen.labels[order], chosen.name)
    return Mnist(chosen, data.validation, data.test, data.source)


def accuracy(model: nn.Module, split: Split) -> float:
    """Return the accuracy on the first 5,000 images, to four decimals."""
    some = split.take(5_000)
    return short(loss_and_accuracy(model, some.images, some.labels)[1])


def short(value: Any) -> float:
    return round(float(value), 4)


# ---- The file


def described(experiment: Callable[..., Results]) -> dict[str, Any]:
    """Return an experiment's docstring, settings and seeds."""
    given = inspect.signature(experiment).parameters
    return {
        "what": " ".join((experiment.__doc__ or "").split()),
        "settings": dataclasses.asdict(given["settings"].default),
        "seeds": list(given["seeds"].default),
    }


def keep(kept: Mapping[str, Any], path: Path = FILE) -> None:
    """Save all experiments to the file, in short lines and a fixed order."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(kept[name])}"
        for name in ("about", *EXPERIMENTS)
        if name in kept
    ]
    write_atomically(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def main() -> None:
    """Run the given experiments, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)} (default: all)"
    )
    names = parser.parse_args().names or list(EXPERIMENTS)
    if unknown := set(names) - EXPERIMENTS.keys():
        parser.error(
            f"no experiment is called {', '.join(sorted(unknown))}: choose from "
            f"{', '.join(EXPERIMENTS)}"
        )
    data = load_mnist()
    if data.is_sample:
        sys.exit(
            "The experiments need the full MNIST, which could not be loaded (see above): "
            "connect to the internet and try again."
        )
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    kept["about"] = (
        f"Made by experiments/run.py with PyTorch {version('torch')} on a CPU; measured on the "
        "validation images."
    )
    for name in names:
        started = time.monotonic()
        kept[name] = {**described(EXPERIMENTS[name]), "results": EXPERIMENTS[name](data)}
        keep(kept)
        print(f"{name}: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
