"""Figures of what a model says about a split."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mnist_nb.evaluation import Evaluation
from mnist_nb.plots.data import image_grid
from mnist_nb.plots.style import COLOURS, CROSS, MARKERS, TICK, despine, new_figure, tenths_of_a_percent


def confusion_matrix(evaluation: Evaluation, *, rates: bool = False) -> Figure:
    """Label (row) against guess (column); the mistakes are shaded, the hits only written, in bold.

    Args:
        evaluation: what was read.
        rates: write per cent of the row instead of counts, so that digits with more images do not look worse; a point
            stands where there is no such mistake.
    """
    counts = evaluation.confusion
    shown = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1) if rates else counts
    mistakes = shown - np.diag(np.diag(shown))
    figure = new_figure(6, 5.4)
    axes = figure.subplots()
    picture = axes.imshow(mistakes, cmap="Blues")
    for (label, guess), number in np.ndenumerate(shown):
        dark = mistakes[label, guess] > mistakes.max() / 2
        axes.text(
            guess, label, (f"{number:.1f}" if number else "·") if rates else f"{number:,}", ha="center", va="center",
            fontsize=8, weight="bold" if label == guess else "normal", color="white" if dark else "black",
        )  # fmt: skip
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set(xlabel="what the network read", ylabel="what was written (label)")
    figure.colorbar(picture, ax=axes, label="mistakes, % of the row" if rates else "mistakes", shrink=0.8)
    return figure


def read_images(
    images: ArrayLike,
    evaluation: Evaluation,
    indices: Sequence[int],
    *,
    columns: int = 8,
    doubtful: Collection[int] = (),
) -> Figure:
    """Images of a split with, above each, its label, what the network read, and how sure it was.

    Args:
        images: the split's images, uint8 `[N, 28, 28]`.
        evaluation: what was read on that split.
        indices: the images to show.
        columns: how many stand in a row.
        doubtful: images whose label reviewers rejected; a question mark and a word say so.
    """
    titles = []
    for index in indices:
        sign = TICK if bool(evaluation.is_correct[index]) else CROSS
        label, guess = int(evaluation.labels[index]), int(evaluation.predictions[index])
        question, word = ("?", "\nlabel rejected") if index in doubtful else ("", "")
        titles.append(f"a {label}{question}, read {guess} {sign}\n{_sure(float(evaluation.confidence[index]))}{word}")
    return image_grid(np.asarray(images)[list(indices)], titles, columns=columns)


def _sure(confidence: float) -> str:
    """A confidence in words that never round a doubt away."""
    return ">99% sure" if confidence > 0.99 else f"{confidence:.0%} sure"


def digit_scores(evaluation: Evaluation) -> Figure:
    """Precision, recall and F1 of each digit as points with 95 % intervals, the axis cut where they are."""
    scores = evaluation.per_digit()
    figure = new_figure(9, 3.4)
    axes = figure.subplots()
    places = np.arange(10)
    for number, name in enumerate(("precision", "recall", "f1")):
        values = np.array([getattr(score, name) for score in scores])
        low, high = np.array([getattr(score, f"{name}_interval") for score in scores]).T
        axes.errorbar(
            places + (number - 1) * 0.2, values, (np.maximum(values - low, 0), np.maximum(high - values, 0)),
            fmt=MARKERS[number], color=COLOURS[number], label="F1" if name == "f1" else name, markersize=5,
            elinewidth=1, capsize=2,
        )  # fmt: skip
    axes.set_xticks(places)
    axes.set(title="With 95 % intervals (the axis does not begin at 0)", xlabel="digit", ylabel="share of the images")
    tenths_of_a_percent(axes.yaxis)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower left")
    despine(axes)
    return figure


def accuracy_intervals(evaluations: Mapping[str, Evaluation]) -> Figure:
    """A line for each evaluation: its accuracy as a point, its 95 % interval as a bar, both written beside it."""
    figure = new_figure(8, 0.9 + 0.36 * len(evaluations))
    axes = figure.subplots()
    for place, evaluation in enumerate(evaluations.values()):
        low, high = evaluation.interval
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=2, marker="|", markersize=9)
        axes.plot(evaluation.accuracy, place, MARKERS[0], color=COLOURS[0])
        axes.annotate(
            f"{evaluation.accuracy:.2%}", (evaluation.accuracy, place), (0, 5), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(evaluations)), list(evaluations))
    axes.set(xlabel="share read right, with its 95 % interval (the axis does not begin at 0)")
    axes.set_ylim(len(evaluations) - 0.4, -0.7)
    tenths_of_a_percent(axes.xaxis)
    despine(axes)
    return figure
