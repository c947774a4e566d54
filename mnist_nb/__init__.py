"""Helpers of the notebook series that teaches how a neural network learns to read handwritten digits.

The names below are the package's front door; each is imported from its module when it is first used, so that
`import mnist_nb` itself is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mnist_nb.adaptation import adapt
    from mnist_nb.checkpoints import (
        CheckpointError,
        continue_run,
        load_checkpoint,
        load_or_train,
        load_pretrained,
        read_metadata,
        save_checkpoint,
        save_run,
    )
    from mnist_nb.data import Mnist, Split, load_mnist
    from mnist_nb.digits import MyDigits
    from mnist_nb.evaluation import evaluate, wilson_interval
    from mnist_nb.hyperparameters import PRESETS, Hyperparameters
    from mnist_nb.ink import Sketch
    from mnist_nb.models import build_model, predict
    from mnist_nb.photos import from_image
    from mnist_nb.training import EpochRecord, TrainingRun, train
    from mnist_nb.widgets.pad import DrawingPad
    from mnist_nb.widgets.studio import TrainingStudio

_HOMES = {
    "adaptation": ("adapt",),
    "checkpoints": (
        "CheckpointError",
        "continue_run",
        "load_checkpoint",
        "load_or_train",
        "load_pretrained",
        "read_metadata",
        "save_checkpoint",
        "save_run",
    ),
    "data": ("Mnist", "Split", "load_mnist"),
    "digits": ("MyDigits",),
    "evaluation": ("evaluate", "wilson_interval"),
    "hyperparameters": ("PRESETS", "Hyperparameters"),
    "ink": ("Sketch",),
    "models": ("build_model", "predict"),
    "photos": ("from_image",),
    "training": ("EpochRecord", "TrainingRun", "train"),
    "widgets.pad": ("DrawingPad",),
    "widgets.studio": ("TrainingStudio",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_ROOMS = {*_HOMES, "plots", "augmentation", "widgets"} - {"widgets.pad", "widgets.studio"}

__all__ = [  # noqa: RUF022 - in the order of _HOMES; written out for type checkers, and held to it by a test
    "adapt",
    "CheckpointError",
    "continue_run",
    "load_checkpoint",
    "load_or_train",
    "load_pretrained",
    "read_metadata",
    "save_checkpoint",
    "save_run",
    "Mnist",
    "Split",
    "load_mnist",
    "MyDigits",
    "evaluate",
    "wilson_interval",
    "PRESETS",
    "Hyperparameters",
    "Sketch",
    "build_model",
    "predict",
    "from_image",
    "EpochRecord",
    "TrainingRun",
    "train",
    "DrawingPad",
    "TrainingStudio",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"mnist_nb.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return import_module(f"mnist_nb.{name}")
    raise AttributeError(f"module 'mnist_nb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_ROOMS])
