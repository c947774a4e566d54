"""Figures of what a model says about a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from mnist_nb.evaluation import Evaluation
from mnist_nb.plots.data import image_grid
from mnist_nb.plots.style import COLOURS, CROSS, MARKERS, TICK, new_figure, tidy


def confusion_matrix(evaluation: Evaluation) -> Figure:
    """Counts of label (row) against guess (column); the mistakes are shaded, the hits only written."""
    counts = evaluation.confusion
    mistakes = counts - np.diag(np.diag(counts))
    figure = new_figure(6, 5.4)
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


def digit_scores(evaluation: Evaluation) -> Figure:
    """Precision and recall of each digit as points, the axis cut where they are."""
    scores = evaluation.per_digit()
    figure = new_figure(8, 3)
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
    tidy(axes)
    return figure
