"""Figures of training runs."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike, NDArray

from mnist_nb.plots import style
from mnist_nb.training import EpochRecord


class Trained(Protocol):
    """What `training_curves` draws: a `TrainingRun`, or the record of one."""

    records: Sequence[EpochRecord]
    batch_losses: Sequence[float]
    first_epoch: int
    batches_per_epoch: int


def training_curves(
    runs: Sequence[Trained] | Trained, names: Sequence[str] | None = None
) -> Figure:
    """Training loss by batch, smoothed, and validation accuracy by epoch; one line style for each
    run.

    Args:
        runs: one run or several, each with `records`, `batch_losses`, `first_epoch` and
            `batches_per_epoch`.
        names: their names; None takes each run's own `name`, if it has one.
    """
    several = list(runs) if isinstance(runs, Sequence) else [runs]
    names = list(names) if names is not None else [getattr(run, "name", "") for run in several]
    figure, (loss_axes, accuracy_axes) = style.new_panels(9, 3.4, 1, 2)
    for number, (run, name) in enumerate(zip(several, names, strict=True)):
        look = {**style.curve_style(number), "label": name}
        losses = smooth(run.batch_losses)
        steps = np.arange(1, len(losses) + 1)
        loss_axes.plot(
            run.first_epoch + steps / run.batches_per_epoch, losses, **{**look, "marker": ""}
        )
        epochs = [record.epoch for record in run.records]
        accuracy_axes.plot(epochs, [record.validation_accuracy for record in run.records], **look)
    loss_axes.set(
        title="Training loss, smoothed",
        xlabel="epoch",
        ylabel="cross-entropy (nats)",
        ylim=(0, None),
    )
    accuracy_axes.set(title="Validation accuracy", xlabel="epoch", ylabel="share read right")
    accuracy_axes.yaxis.set_major_formatter(PercentFormatter(1))
    accuracy_axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (loss_axes, accuracy_axes):
        style.despine(axes)
        if any(names):
            style.legend(axes)
    return figure


def smooth(values: ArrayLike, window: int | None = None) -> NDArray[np.float64]:
    """The mean of the last `window` values at each point; a fortieth of them all if None, at most
    200."""
    sums = np.cumsum(values, dtype=np.float64)
    window = window or int(np.clip(len(sums) // 40, 1, 200))
    sums[window:] -= sums[:-window].copy()
    means: NDArray[np.float64] = sums / np.minimum(np.arange(1, len(sums) + 1), window)
    return means
