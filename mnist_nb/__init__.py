"""Helpers of the notebook series that teaches how a neural network learns to read handwritten
digits.

The names below are the package's public ones. Each is imported from its module when it is first
used, so that `import mnist_nb` itself is quick.
"""

import ast
import sys
from importlib import import_module
from inspect import getsource
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"


if (
    TYPE_CHECKING
):  # never executed, but read below: where each public name lives is written here once
    from mnist_nb.errors import MnistNbError
    from mnist_nb.files import CheckpointError
    from mnist_nb.checkpoints import continue_run, load_checkpoint, load_or_train, load_pretrained
    from mnist_nb.checkpoints import read_metadata, save_checkpoint, save_run
    from mnist_nb.data import DataError, Mnist, Split, load_mnist
    from mnist_nb.handwriting.preprocessing import EmptySketchError
    from mnist_nb.handwriting.sketch import Sketch
    from mnist_nb.handwriting.pictures import find_ink, from_image
    from mnist_nb.evaluation import evaluate, wilson_interval
    from mnist_nb.models import build_model, predict
    from mnist_nb.handwriting.refusal import digit_score
    from mnist_nb.labs.exercises import UnknownExerciseError, check
    from mnist_nb.handwriting.my_digits import DigitsError, MyDigits
    from mnist_nb.handwriting.adaptation import adapt
    from mnist_nb.handwriting.numbers import read_number
    from mnist_nb.training import (
        PRESETS,
        EpochRecord,
        Hyperparameters,
        TrainingDivergedError,
        TrainingRun,
        train,
    )
    from mnist_nb.widgets.pad import DrawingPad
    from mnist_nb.widgets.page import export_page
    from mnist_nb.widgets.studio import TrainingStudio

_HOMES = {
    alias.name: node.module
    for node in ast.walk(ast.parse(getsource(sys.modules[__name__])))
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(__name__)
    for alias in node.names
}
_PACKAGES = {home.split(".")[1] for home in _HOMES.values()} | {"plots", "studies"}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        globals()[name] = getattr(import_module(_HOMES[name]), name)
        return globals()[name]
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_PACKAGES])
