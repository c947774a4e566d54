"""Figures of training runs."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike, NDArray

from mnist_nb.plots import style
from mnist_nb.training import EpochRecord

WINDOWS, LARGEST_WINDOW = 40, 200
"""Limits of the window of `smooth`: a fortieth of the values, at most 200."""


class Trained(Protocol):
    """A `TrainingRun`, or the record of one, for `training_curves`."""

    records: Sequence[EpochRecord]
    batch_losses: Sequence[float]
    first_epoch: int
    batches_per_epoch: int


def training_curves(
    runs: Sequence[Trained] | Trained, names: Sequence[str] | None = None
) -> Figure:
    """Show the smoothed training loss by batch, and the validation accuracy by epoch.

    Args:
        runs: one run or several, each with `records`, `batch_losses`, `first_epoch` and
            `batches_per_epoch`; its `number`, from 1, or else its place chooses its line's style.
        names: their names; None uses each run's own `name`, if it has one.
    """
    several = list(runs) if isinstance(runs, Sequence) else [runs]
    if names is None:
        names = [getattr(run, "name", "") for run in several]
    figure, (loss_axes, accuracy_axes) = style.new_panels(9, 3.4, 1, 2)
    for place, (run, name) in enumerate(zip(several, names, strict=True), start=1):
        number = getattr(run, "number", place)
        look = style.curve_style(number - 1) | {"label": name}
        losses = smooth(run.batch_losses)
        batches = np.arange(1, len(losses) + 1)
        epochs_so_far = run.first_epoch + batches / run.batches_per_epoch
        loss_axes.plot(epochs_so_far, losses, **look | {"marker": ""})
        epochs = [record.epoch for record in run.records]
        accuracies = [record.validation_accuracy for record in run.records]
        accuracy_axes.plot(epochs, accuracies, **look)
    loss_axes.set(title="Training loss, smoothed", xlabel="epoch", ylim=(0, None))
    loss_axes.set_ylabel("cross-entropy (nats)")
    accuracy_axes.set(title="Validation accuracy", xlabel="epoch", ylabel="share read right")
    accuracy_axes.yaxis.set_major_formatter(PercentFormatter(1))
    accuracy_axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (loss_axes, accuracy_axes):
        style.despine(axes)
        if any(names):
            style.legend(axes)
    return figure


def smooth(values: ArrayLike, window: int | None = None) -> NDArray[np.float64]:
    """Return the mean of the last `window` values at each point.

    Args:
        window: the number of values, 1 or more. None means a fortieth of all values, at most 200.
    """
    sums = np.cumsum(values, dtype=np.float64)
    count = len(sums)
    if window is None:
        window = int(np.clip(count // WINDOWS, 1, LARGEST_WINDOW))
    sums[window:] -= sums[:-window].copy()  # the sums of the last `window` values
    values_in_sum = np.minimum(np.arange(1, count + 1), window)
    return np.asarray(sums / values_in_sum)
