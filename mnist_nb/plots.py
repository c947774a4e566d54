"""Numbers in, matplotlib figures out: nothing is shown, printed or measured here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike, NDArray

from mnist_nb.data import Mnist
from mnist_nb.evaluation import Evaluation
from mnist_nb.ink import Steps
from mnist_nb.training import EpochRecord

# Okabe and Ito's colours (2008), told apart by every eye, each with a dash pattern and a marker of its own
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
MARKERS = "osD^vPX"
TICK, CROSS = "✓", "✗"


class NotebookFigure(Figure):
    """A figure that a notebook shows when it stands last in a cell, without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100, facecolor="white")
        return buffer.getvalue()


def _figure(width: float, height: float) -> NotebookFigure:
    return NotebookFigure(figsize=(width, height), layout="constrained")


def _show(axes: Axes, image: ArrayLike, title: str = "", *, largest: float = 255, colours: str = "gray_r") -> None:
    """An image without axes, dark ink on white as on paper."""
    axes.imshow(np.asarray(image), cmap=colours, vmin=0, vmax=largest)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)


# ---- the data


def image_grid(images: ArrayLike, titles: Sequence[str] | None = None, *, columns: int = 10) -> Figure:
    """Images uint8 `[N, 28, 28]` in rows, each under its title, dark ink on white."""
    pictures = np.asarray(images)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    tallest_title = max((title.count("\n") + 1 for title in titles), default=0) if titles else 0
    figure = _figure(min(0.95 * columns + 0.1, 9.6), rows * (0.92 + 0.17 * tallest_title))
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if number < len(pictures):
            _show(axes, pictures[number], titles[number] if titles else "")
        else:
            axes.set_axis_off()
    return figure


def digit_grid(images: ArrayLike, labels: ArrayLike, *, per_digit: int = 10) -> Figure:
    """A row for each digit, 0 to 9, with its first `per_digit` images."""
    pictures, digits = np.asarray(images), np.asarray(labels)
    figure = _figure(min(0.8 * per_digit + 0.4, 9.6), 8)
    for digit, row in enumerate(figure.subplots(10, per_digit, squeeze=False)):
        for axes, image in zip(row, pictures[digits == digit], strict=False):
            _show(axes, image)
        for axes in row:
            axes.set_axis_off()
        row[0].text(-0.25, 0.5, str(digit), transform=row[0].transAxes, fontsize=14, ha="right", va="center")
    return figure


def image_numbers(image: ArrayLike, *, margin: int = 2) -> Figure:
    """An image with the number 0..255 of each pixel written in it, cut to the ink and a margin around it."""
    whole = np.asarray(image)
    rows, columns = (np.flatnonzero(whole.any(axis)) for axis in (1, 0))
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    part = whole[top : rows[-1] + margin + 1, left : columns[-1] + margin + 1]
    figure = _figure(7, 0.4 + 6.6 * part.shape[0] / part.shape[1])
    axes = figure.subplots()
    axes.imshow(part, cmap="gray_r", vmin=0, vmax=255)
    for (y, x), value in np.ndenumerate(part):
        axes.text(x, y, str(value), ha="center", va="center", fontsize=7, color="white" if value > 110 else "black")
    axes.set_xticks(range(part.shape[1]), [str(left + place) for place in range(part.shape[1])])
    axes.set_yticks(range(part.shape[0]), [str(top + place) for place in range(part.shape[0])])
    axes.set(xlabel="column", ylabel="row")
    axes.tick_params(labelsize=8)
    return figure


def class_balance(data: Mnist) -> Figure:
    """The share of each digit in the three splits, side by side, against a tenth."""
    figure = _figure(8, 3.2)
    axes = figure.subplots()
    for place, split in enumerate((data.train, data.validation, data.test)):
        shares = np.bincount(split.labels.numpy(), minlength=10) / len(split.labels)
        axes.bar(
            np.arange(10) + (place - 1) * 0.27,
            shares,
            0.25,
            label=f"{split.name} ({len(split.labels):,})",
            color=COLOURS[place],
            hatch=("", "//", "..")[place],
            edgecolor="white",
        )
    axes.axhline(0.1, color="0.3", linewidth=1, linestyle=":", label="one tenth")
    axes.set_xticks(range(10))
    axes.set(xlabel="digit", ylabel="share of the images", ylim=(0, 0.15))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(ncols=4, loc="upper center", fontsize=8, frameon=False)
    _tidy(axes)
    return figure


def mean_and_spread(images: ArrayLike, labels: ArrayLike) -> Figure:
    """For each digit the mean of its images, and under it their standard deviation, pixel by pixel."""
    pictures, digits = np.asarray(images), np.asarray(labels)
    figure = _figure(9.6, 2.5)
    for digit, (mean_axes, spread_axes) in enumerate(figure.subplots(2, 10).T):
        of_digit = pictures[digits == digit].astype(np.float32)
        _show(mean_axes, of_digit.mean(0), str(digit))
        _show(spread_axes, of_digit.std(0), largest=128, colours="cividis")
        if digit == 0:
            mean_axes.text(-0.15, 0.5, "mean", transform=mean_axes.transAxes, rotation=90, ha="right", va="center")
            spread_axes.text(
                -0.15, 0.5, "spread", transform=spread_axes.transAxes, rotation=90, ha="right", va="center"
            )
    return figure


# ---- training


class Trained(Protocol):
    """What `training_curves` draws: a `TrainingRun`, or anything that has kept these."""

    records: Sequence[EpochRecord]
    batch_losses: Sequence[float]

    @property
    def batches_per_epoch(self) -> int: ...


def training_curves(runs: Sequence[Trained] | Trained, names: Sequence[str] | None = None) -> Figure:
    """Training loss by batch, smoothed, and validation accuracy by epoch; one line style for each run.

    Args:
        runs: one run or several, each with `records`, `batch_losses` and `batches_per_epoch`.
        names: their names; None takes each run's own `name`, if it has one.
    """
    several = list(runs) if isinstance(runs, Sequence) else [runs]
    names = list(names) if names is not None else [getattr(run, "name", "") for run in several]
    figure = _figure(9, 3.4)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    for number, (run, name) in enumerate(zip(several, names, strict=True)):
        style = number % len(COLOURS)
        look: dict[str, Any] = {"color": COLOURS[style], "linestyle": DASHES[style], "label": name}
        first = run.records[0].epoch - 1 if run.records else 0
        losses = smooth(run.batch_losses)
        last = run.records[-1].epoch if run.records else len(losses) / run.batches_per_epoch
        begin = max(first, last - len(losses) / run.batches_per_epoch)
        loss_axes.plot(begin + np.arange(1, len(losses) + 1) / run.batches_per_epoch, losses, **look)
        epochs = [record.epoch for record in run.records]
        accuracies = [record.validation_accuracy for record in run.records]
        accuracy_axes.plot(epochs, accuracies, marker=MARKERS[style], markersize=4, **look)
    loss_axes.set(title="Training loss, smoothed", xlabel="epoch", ylabel="cross-entropy (nats)", ylim=(0, None))
    accuracy_axes.set(title="Validation accuracy", xlabel="epoch", ylabel="share read right")
    accuracy_axes.yaxis.set_major_formatter(PercentFormatter(1))
    accuracy_axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (loss_axes, accuracy_axes):
        _tidy(axes)
        if any(names):
            axes.legend(fontsize=8, frameon=False)
    return figure


def smooth(values: ArrayLike, window: int | None = None) -> NDArray[np.float64]:
    """The mean of the last `window` values at each point; a fortieth of them all if None, at most 200."""
    series = np.asarray(values, dtype=np.float64)
    window = window or int(np.clip(len(series) // 40, 1, 200))
    sums = np.concatenate([[0.0], np.cumsum(series)])
    ends = np.arange(1, len(series) + 1)
    starts = np.maximum(ends - window, 0)
    means: NDArray[np.float64] = (sums[ends] - sums[starts]) / (ends - starts)
    return means


# ---- a drawing


def preparation(steps: Steps) -> Figure:
    """A drawing on its way through MNIST's five steps, each picture with its size."""
    names = ("1. cropped", "2. square", "3. resampled", "4. peak 255", "5. centred")
    figure = _figure(9.4, 2.2)
    for axes, name, step in zip(figure.subplots(1, len(steps)), names, steps, strict=True):
        image = np.asarray(step)
        height, width = image.shape
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=image.max())
        axes.set_title(f"{name}\n{width} × {height}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    return figure


# ---- what a model says


def confusion_matrix(evaluation: Evaluation) -> Figure:
    """Counts of label (row) against guess (column); the mistakes are shaded, the hits only written."""
    counts = evaluation.confusion
    mistakes = counts - np.diag(np.diag(counts))
    figure = _figure(6, 5.4)
    axes = figure.subplots()
    picture = axes.imshow(mistakes, cmap="Blues")
    for (label, guess), count in np.ndenumerate(counts):
        dark = mistakes[label, guess] > mistakes.max() / 2
        weight = "bold" if label == guess else "normal"
        axes.text(
            guess, label, f"{count:,}", ha="center", va="center", fontsize=8, weight=weight,
            color="white" if dark else "black",
        )  # fmt: skip
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set(xlabel="what the network read", ylabel="what was written (label)")
    figure.colorbar(picture, ax=axes, label="mistakes", shrink=0.8)
    return figure


def read_images(images: ArrayLike, evaluation: Evaluation, indices: Sequence[int], *, columns: int = 8) -> Figure:
    """Images of a split with, above each, its label, what the network read, and how sure it was."""
    titles = []
    for index in indices:
        sign = TICK if bool(evaluation.is_right[index]) else CROSS
        label, guess = int(evaluation.labels[index]), int(evaluation.guesses[index])
        titles.append(f"a {label}, read {guess} {sign}\n{_sure(float(evaluation.confidence[index]))}")
    return image_grid(np.asarray(images)[list(indices)], titles, columns=columns)


def _sure(confidence: float) -> str:
    """A confidence in words that never round a doubt away."""
    return ">99% sure" if confidence > 0.99 else f"{confidence:.0%} sure"


def probability_bars(image: ArrayLike, probabilities: ArrayLike) -> Figure:
    """One image as the network sees it, and its ten probabilities as bars, the guess in bold."""
    shares = np.asarray(probabilities)
    guess = int(shares.argmax())
    figure = _figure(7, 2.6)
    picture_axes, axes = figure.subplots(1, 2, width_ratios=(1, 2.4))
    _show(picture_axes, image, "as the network sees it")
    bars = axes.bar(range(10), shares, color=[COLOURS[0] if digit == guess else "0.7" for digit in range(10)])
    bars[guess].set_hatch("//")
    axes.set_xticks(range(10))
    axes.get_xticklabels()[guess].set_fontweight("bold")
    axes.text(guess, shares[guess] + 0.02, f"{shares[guess]:.0%}", ha="center", weight="bold")
    axes.set(title=f"read as a {guess}", xlabel="digit", ylabel="probability", ylim=(0, 1.15))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    _tidy(axes)
    return figure


def digit_scores(evaluation: Evaluation) -> Figure:
    """Precision and recall of each digit as points, the axis cut where they are."""
    scores = evaluation.per_digit()
    figure = _figure(8, 3)
    axes = figure.subplots()
    places = np.arange(10)
    for number, name in enumerate(("precision", "recall")):
        values = [getattr(score, name) for score in scores]
        axes.plot(
            places + (number - 0.5) * 0.15, values, MARKERS[number], color=COLOURS[number], label=name, linestyle=""
        )
    axes.set_xticks(places)
    axes.set(title="Precision and recall (the axis does not begin at 0)", xlabel="digit", ylabel="share of the images")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(fontsize=8, frameon=False)
    _tidy(axes)
    return figure
