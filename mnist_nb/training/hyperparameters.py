"""The settings of a training run, with defaults, ranges and labels."""

import dataclasses
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from mnist_nb.models import MODELS
from mnist_nb.plugins import AUGMENTATIONS
from mnist_nb.training.learning_rate import SCHEDULES


def _number(
    default: float, label: str, hint: str, low: float, high: float, scale: str = "linear"
) -> Any:
    """Return a field for a number from `low` to `high`, an int if the default is an int."""
    metadata = {"label": label, "hint": hint, "low": low, "high": high, "scale": scale}
    return dataclasses.field(default=default, metadata=metadata)


def _choice(default: str, label: str, hint: str, choices: Iterable[str]) -> Any:
    """Return a field for one of several words. `choices` may grow later."""
    metadata = {"label": label, "hint": hint, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """The settings of a training run.

    Sliders, command-line options and checkpoint metadata are made from these fields. Each field's
    `metadata` has a `label`, a `hint`, and either `choices` or `low`, `high` and `scale`
    ("linear", "log", "log2" or "free").

    Raises:
        ValueError: if a value is out of range; the message names the field and the range.
        TypeError: if a value is not a number where one is required.
    """

    network: str = _choice(
        "mlp", "Network", "mlp: fully connected; cnn: convolutional", choices=MODELS
    )
    epochs: int = _number(
        10, "Epochs", "how often each training image is seen", 1, 200, scale="log"
    )
    batch_size: int = _number(
        64, "Batch size", "images per step: few noisy, many slow", 1, 4096, scale="log2"
    )
    learning_rate: float = _number(
        0.001, "Learning rate", "length of a step: low crawls, high explodes", 1e-6, 10, scale="log"
    )
    momentum: float = _number(0.9, "Momentum", "share of the last step kept (sgd only)", 0, 0.99)
    optimizer: str = _choice(
        "sgd", "Optimizer", "how a gradient becomes a step", choices=("sgd", "adam", "adamw")
    )
    schedule: str = _choice(
        "constant", "Schedule", "how the rate changes over the run", choices=SCHEDULES
    )
    augmentation: str = _choice(
        "none", "Augmentation", "random changes to each image", choices=AUGMENTATIONS
    )
    seed: int = _number(0, "Seed", "the same seed gives the same run", 0, 2**31 - 1, scale="free")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            check = _checked_choice if "choices" in field.metadata else _checked_number
            object.__setattr__(self, field.name, check(field, value))

    @property
    def changed(self) -> list[str]:
        """The names of the fields that differ from their defaults."""
        fields = dataclasses.fields(self)
        return [field.name for field in fields if getattr(self, field.name) != field.default]


def _checked_choice(field: dataclasses.Field[Any], value: Any) -> str:
    choices = field.metadata["choices"]
    if not isinstance(value, str) or value not in choices:
        words = ", ".join(choices)
        raise ValueError(f"{field.name} must be one of {words}, got {reprlib.repr(value)}")
    return value


def _checked_number(field: dataclasses.Field[Any], value: Any) -> float:
    """Return the value as the type of the field's default, int or float."""
    low, high = field.metadata["low"], field.metadata["high"]
    limits = f"between {low} and {high}"
    got = f"got {reprlib.repr(value)}"
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not is_number:
        raise TypeError(f"{field.name} must be a number {limits}, {got}")
    # NaN is in no range; float(np.float32(0.99)) is slightly above 0.99
    if not low <= value <= high or not low <= float(value) <= high:
        raise ValueError(f"{field.name} must be {limits}, {got}")
    if isinstance(field.default, float):
        return float(value)
    if value != int(value):
        raise ValueError(f"{field.name} must be a whole number, {got}")
    return int(value)
