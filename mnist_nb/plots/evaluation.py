"""Figures of a model's predictions for a split."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from mnist_nb.evaluation import Evaluation
from mnist_nb.plots import style
from mnist_nb.plots.data import image_grid


def confusion_matrix(evaluation: Evaluation, *, rates: bool = False) -> Figure:
    """Label (row) against prediction (column); mistakes are shaded, and correct predictions are
    written in bold.

    Args:
        evaluation: the predictions.
        rates: per cent of the row instead of counts, so that digits with more images do not look
            worse; a point marks pairs without a mistake.
    """
    counts = evaluation.confusion
    shown = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1) if rates else counts
    mistakes = shown - np.diag(np.diag(shown))
    figure, axes = style.new_panels(6, 5.4)
    picture = axes.imshow(mistakes, cmap="Blues")
    for (label, predicted), number in np.ndenumerate(shown):
        text = (f"{number:.1f}" if number else "·") if rates else f"{number:,}"
        weight = "bold" if label == predicted else "normal"
        color = "white" if mistakes[label, predicted] > mistakes.max() / 2 else "black"
        axes.text(
            predicted, label, text, ha="center", va="center", fontsize=8, weight=weight, color=color
        )
    axes.set(
        xlabel="what the network read",
        ylabel="what was written (label)",
        xticks=range(10),
        yticks=range(10),
    )
    figure.colorbar(
        picture, ax=axes, label="mistakes, % of the row" if rates else "mistakes", shrink=0.8
    )
    return figure


def read_images(
    images: ArrayLike,
    evaluation: Evaluation,
    indices: Sequence[int],
    *,
    doubtful: Collection[int] = (),
) -> Figure:
    """Images of a split; above each its label, the prediction and its confidence.

    Args:
        images: the split's images, uint8 `[N, 28, 28]`.
        evaluation: the predictions for that split.
        indices: the images to show.
        doubtful: indices of images whose label reviewers rejected; their titles say so.
    """
    titles = []
    for index in indices:
        label, predicted = int(evaluation.labels[index]), int(evaluation.predictions[index])
        sign, sure = (
            style.TICK if predicted == label else style.CROSS,
            _sure(float(evaluation.confidence[index])),
        )
        question, word = ("?", "\nlabel rejected") if index in doubtful else ("", "")
        titles.append(f"a {label}{question}, read {predicted} {sign}\n{sure}{word}")
    return image_grid(np.asarray(images)[list(indices)], titles, columns=8)


def _sure(confidence: float) -> str:
    """A confidence in words, never rounded to 100 %."""
    return ">99% sure" if confidence > 0.99 else f"{confidence:.0%} sure"


def accuracy_intervals(evaluations: Mapping[str, Evaluation]) -> Figure:
    """For each evaluation its accuracy as a point with its value, and its 95 % interval as a
    bar."""
    xlabel = "share read right, with its 95 % interval (the axis does not begin at 0)"
    figure, axes = style.new_axes(8, 0.9 + 0.36 * len(evaluations), xlabel=xlabel)
    shares = np.array([evaluation.accuracy for evaluation in evaluations.values()])
    low, high = np.transpose([evaluation.interval for evaluation in evaluations.values()])
    reach = shares - low, high - shares
    axes.errorbar(
        shares, range(len(shares)), xerr=reach, fmt="o", capsize=4, color=style.COLOURS[0]
    )
    for place, share in enumerate(shares):
        axes.annotate(
            f"{share:.2%}",
            (share, place),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(evaluations)), list(evaluations))
    axes.set_ylim(len(evaluations) - 0.4, -0.7)
    axes.xaxis.set_major_locator(
        MaxNLocator(7, steps=(1, 2, 5, 10))
    )  # that one decimal can name: never 98.2 for 98.25
    axes.xaxis.set_major_formatter("{x:.1%}")
    return figure
