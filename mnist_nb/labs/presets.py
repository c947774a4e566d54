"""Named settings, with their training time and accuracy."""

from typing import NamedTuple

from mnist_nb.training.hyperparameters import Hyperparameters


class Preset(NamedTuple):
    """Settings, and the time and accuracy measured with them."""

    settings: Hyperparameters
    seconds: int  # of training, on two shared cores
    accuracy: float  # the share of MNIST's validation images read correctly, in [0, 1]


def _adamw(
    network: str, epochs: int, batch_size: int, rate: float, augmentation: str
) -> Hyperparameters:
    """Return the settings common to the long presets: AdamW with a one-cycle schedule."""
    return Hyperparameters(
        network=network,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=rate,
        optimizer="adamw",
        schedule="one-cycle",
        augmentation=augmentation,
    )


# The first three are from the races in benchmarks/README.md. The others are from one seed each;
# their seconds are computed from the times of steps and epochs there.
MEASURED = {
    "fast": Preset(
        Hyperparameters(epochs=6, batch_size=128, learning_rate=0.15, schedule="one-cycle"),
        seconds=2,
        accuracy=0.979,
    ),
    "best": Preset(_adamw("mlp", 50, 256, 0.004, "elastic"), seconds=47, accuracy=0.988),
    "best, cnn": Preset(_adamw("cnn", 10, 64, 0.004, "affine"), seconds=97, accuracy=0.995),
    "best for drawing": Preset(
        _adamw("mlp", 40, 256, 0.004, "handwriting"), seconds=135, accuracy=0.986
    ),
    "best for drawing, cnn": Preset(
        _adamw("cnn", 6, 128, 0.005, "handwriting"), seconds=85, accuracy=0.991
    ),
    "defaults": Preset(Hyperparameters(), seconds=4, accuracy=0.924),
    "no momentum, as in the Rust original": Preset(
        Hyperparameters(momentum=0.0), seconds=4, accuracy=0.762
    ),
}
"""The presets, in the order of the menu."""

PRESETS = {name: preset.settings for name, preset in MEASURED.items()}
"""The settings of each preset by name."""


def describe_preset(name: str) -> str:
    """Return a preset with its time and accuracy: '"fast": about 2 s, 97.9 %'."""
    preset = MEASURED[name]
    return f'"{name}": about {preset.seconds} s, {100 * preset.accuracy:.1f} %'
