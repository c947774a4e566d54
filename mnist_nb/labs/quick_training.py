"""Networks for notebooks, loaded from a file or trained in seconds."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from mnist_nb.checkpoints import load_checkpoint
from mnist_nb.data import Mnist
from mnist_nb.errors import check_range
from mnist_nb.files import CheckpointError
from mnist_nb.labs.presets import PRESETS
from mnist_nb.models import Network, build_model, loss_and_accuracy
from mnist_nb.training import Hyperparameters, TrainingDivergedError, TrainingRun, train

SAMPLE_ALLOWANCE = 0.1
"""The loss of accuracy that is acceptable if only the sample is loaded."""


def load_or_train(path: str | Path, data: Mnist, at_least: float = 0.97) -> tuple[Network, str]:
    """Load the network in the file if it is accurate enough, else train one in seconds.

    So a notebook's text is true for any file. A new network is trained with the preset "fast" and
    is not saved.

    Args:
        at_least: the validation accuracy in [0, 1] that the file's network must reach; with the
            sample, 0.1 less is enough.

    Returns:
        The network, and a sentence that says where it is from.
    """
    check_range("at_least", at_least, 0, 1)
    threshold = at_least - SAMPLE_ALLOWANCE if data.is_sample else at_least
    try:
        saved = load_checkpoint(path)
        accuracy = loss_and_accuracy(saved, data.validation.images, data.validation.labels)[1]
        if accuracy >= threshold:
            return (
                saved,
                f"Using the network in {path}: it reads {accuracy:.1%} of the validation images.",
            )
        reason = f"The network in {path} reads {accuracy:.1%}, and {threshold:.0%} are needed here"
    except CheckpointError as error:
        reason = str(error) if os.path.exists(path) else f"There is no {path} yet"
    settings = PRESETS["fast"]
    model = build_model(settings.network, seed=settings.seed)
    records = list(train(model, data, settings))
    seconds = sum(record.seconds for record in records)
    return model.eval(), (
        f"{reason}; so a new network was trained: {settings.epochs} epochs, {seconds:.0f} s, "
        f"{records[-1].validation_accuracy:.1%} of the validation images. Your file is unchanged."
    )


def sweep(data: Mnist, settings: Sequence[Hyperparameters]) -> list[TrainingRun]:
    """Train a new network for each of the settings, one after the other on the CPU.

    A run whose loss explodes is returned too: `diverged`, with its last good weights.

    Returns:
        The runs, in the order of the settings.
    """
    runs = []
    for hyperparameters in settings:
        model = build_model(hyperparameters.network, seed=hyperparameters.seed)
        run = TrainingRun(model, data, hyperparameters, device="cpu")
        with contextlib.suppress(TrainingDivergedError):
            list(run.epochs())
        runs.append(run)
    return runs
