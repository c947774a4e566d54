"""Run a training for `bench.py` in its own process, and print the time of each accuracy.

    python benchmarks/race.py PRESET SEED CHANGES_AS_JSON STARTED

The test images are evaluated after each epoch to find when an accuracy was reached. No choice
depends on them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time

from mnist_nb import PRESETS, TrainingRun, build_model, evaluate, load_mnist


def main(preset: str, seed: str, changes: str, started: str) -> None:
    """Train, and print a line of JSON with a record for each epoch."""
    settings = dataclasses.replace(PRESETS[preset], seed=int(seed), **json.loads(changes))
    data = load_mnist()
    run = TrainingRun(
        build_model(settings.network, seed=settings.seed), data, settings, device="cpu"
    )
    looked, epochs = 0.0, []
    for record in run.epochs():
        begin = time.time()
        accuracy = evaluate(run.model, data.test).accuracy
        looked += time.time() - begin  # evaluation does not count as training
        training = sum(kept.seconds for kept in run.records)
        epochs.append(
            {
                "epoch": record.epoch,
                "wall": round(time.time() - float(started) - looked, 2),
                "training": round(training, 2),
                "validation": round(record.validation_accuracy, 4),
                "test": round(accuracy, 4),
            }
        )
    print(json.dumps({"settings": dataclasses.asdict(settings), "epochs": epochs}))


if __name__ == "__main__":
    main(*sys.argv[1:])
