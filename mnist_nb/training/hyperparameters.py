"""The settings of a training run, and named sets of them that are worth a button."""

import dataclasses
import functools
import reprlib
from typing import Any

import numpy as np

from mnist_nb.models import MODELS
from mnist_nb.training.augmentation import KINDS


def _field(default: Any, label: str, hint: str, **rules: Any) -> Any:
    """A field of `Hyperparameters`, with what a slider, an option and a check need to know of
    it."""
    return dataclasses.field(
        default=default, metadata={"label": label, "hint": hint, "scale": "linear", **rules}
    )


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """The settings of a training run: the one place where their defaults, ranges and names stand.

    Sliders, command-line options and checkpoint metadata are made from these fields. Each field's
    `metadata` holds a `label` and a `hint`, and either `low`, `high` and `scale` ("linear", "log",
    "log2", "free") or `choices`.

    Raises:
        ValueError: for a value out of its range; the message names the field and the range.
        TypeError: for a value that is not of the field's type.
    """

    network: str = _field(
        "mlp", "Network", "mlp: fully connected; cnn: convolutional", choices=tuple(MODELS)
    )
    epochs: int = _field(10, "Epochs", "how often each training image is seen", low=1, high=200)
    batch_size: int = _field(
        64, "Batch size", "images per step: few noisy, many slow", low=1, high=4096, scale="log2"
    )
    learning_rate: float = _field(
        0.001,
        "Learning rate",
        "length of a step: low crawls, high explodes",
        low=1e-6,
        high=10.0,
        scale="log",
    )
    momentum: float = _field(
        0.9, "Momentum", "share of the last step kept (sgd only)", low=0.0, high=0.99
    )
    optimizer: str = _field(
        "sgd", "Optimiser", "how a gradient becomes a step", choices=("sgd", "adam", "adamw")
    )
    schedule: str = _field(
        "constant",
        "Schedule",
        "how the rate changes over the run",
        choices=("constant", "cosine", "one-cycle"),
    )
    augmentation: str = _field(
        "none", "Augmentation", "random changes to each image", choices=tuple(KINDS)
    )
    seed: int = _field(
        0, "Seed", "the same seed gives the same run", low=0, high=2**31 - 1, scale="free"
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))

    @property
    def changed(self) -> list[str]:
        """The names of the fields that are not as by default."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]

    @property
    def code(self) -> str:
        """The line of Python that makes these settings, `Hyperparameters(...)` with only what is
        not as by default."""
        return f"Hyperparameters({', '.join(f'{name}={getattr(self, name)!r}' for name in self.changed)})"


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value, converted to the field's type, or an error that names the field and what it
    takes."""
    rules = field.metadata
    if "choices" in rules:
        if not isinstance(value, str) or value not in rules["choices"]:
            raise ValueError(
                f"{field.name} must be one of {', '.join(rules['choices'])}, got {reprlib.repr(value)}"
            )
        return value
    limits, got = f"from {rules['low']} to {rules['high']}", f"got {reprlib.repr(value)}"
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{field.name} must be a number {limits}, {got}")
    if not rules["low"] <= value <= rules["high"]:  # also false for NaN
        raise ValueError(f"{field.name} must be {limits}, {got}")
    whole = isinstance(field.default, int)
    if whole and value != int(value):
        raise ValueError(f"{field.name} must be a whole number, {got}")
    return int(value) if whole else float(value)


_adamw = functools.partial(
    Hyperparameters, optimizer="adamw", schedule="one-cycle"
)  # what the long presets share


# seconds of training on two shared cores, the share of MNIST's test images that is read right then,
# and the settings; the first three are races of benchmarks/README.md; of the others one seed was
# trained, and the seconds follow from the steps' and epochs' times there
_MEASURED: dict[str, tuple[int, float, Hyperparameters]] = {
    "fast": (
        2,
        0.981,
        Hyperparameters(epochs=6, batch_size=128, learning_rate=0.15, schedule="one-cycle"),
    ),
    "best": (47, 0.991, _adamw("mlp", 50, 256, 0.004, augmentation="elastic")),
    "best, cnn": (97, 0.995, _adamw("cnn", 10, 64, 0.004, augmentation="affine")),
    "best for drawing": (135, 0.988, _adamw("mlp", 40, 256, 0.004, augmentation="handwriting")),
    "best for drawing, cnn": (85, 0.994, _adamw("cnn", 6, 128, 0.005, augmentation="handwriting")),
    "defaults": (4, 0.933, Hyperparameters()),
    "no momentum, as in the Rust original": (4, 0.776, Hyperparameters(momentum=0.0)),
}

PRESETS = {name: settings for name, (_, _, settings) in _MEASURED.items()}
"""Named settings, in the order in which one needs them."""

PRESET_RESULTS = {name: (seconds, accuracy) for name, (seconds, accuracy, _) in _MEASURED.items()}
"""What each preset costs and reaches: seconds of training, and the share in [0, 1] of the test
images read right."""


def in_words(preset: str) -> str:
    """A preset with its price and its result: '"fast": about 2 s, 98.1 %'."""
    seconds, accuracy = PRESET_RESULTS[preset]
    return f'"{preset}": about {seconds} s, {100 * accuracy:.1f} %'
