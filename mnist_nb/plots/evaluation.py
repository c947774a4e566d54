"""Figures of a model's predictions for a split."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from mnist_nb.data import CLASSES
from mnist_nb.evaluation import Evaluation
from mnist_nb.plots import style
from mnist_nb.plots.data import image_grid

DARK_SHADE = 0.7  # of the full shade of "Blues": on darker cells white is easier to read


def confusion_matrix(evaluation: Evaluation, *, rates: bool = False) -> Figure:
    """Show label (row) against prediction (column).

    Mistakes are shaded, and correct predictions are bold.

    Args:
        evaluation: the predictions.
        rates: show percentages of the row instead of counts, so that digits with more images do not
            look worse. A dot marks pairs without a mistake.
    """
    counts = evaluation.confusion  # [label, prediction]
    shown, colour_bar_label, number_format = counts, "mistakes", "{:,}"
    if rates:
        images_of_label = np.maximum(counts.sum(axis=1, keepdims=True), 1)
        shown = 100 * counts / images_of_label
        colour_bar_label, number_format = "mistakes, % of the row", "{:.1f}"
    mistakes = shown - np.diag(np.diag(shown))
    figure, axes = style.new_panels(6, 5.4)
    picture = axes.imshow(mistakes, cmap="Blues")
    for (label, predicted), number in np.ndenumerate(shown):
        text = "·" if rates and number == 0 else number_format.format(number)
        weight = "bold" if label == predicted else "normal"
        is_dark = mistakes[label, predicted] > DARK_SHADE * mistakes.max()
        colour = "white" if is_dark else "black"
        look = {"fontsize": 8, "weight": weight, "color": colour}
        style.write_centred(axes, predicted, label, text, **look)
    axes.set(xlabel="what the network read", ylabel="what was written (label)")
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES))
    figure.colorbar(picture, ax=axes, label=colour_bar_label, shrink=0.8)
    return figure


def read_images(
    images: ArrayLike,
    evaluation: Evaluation,
    indices: Sequence[int],
    *,
    doubtful: Collection[int] = (),
) -> Figure:
    """Show images of a split, each under its label, the prediction and its confidence.

    Args:
        images: the split's images, uint8 `[N, 28, 28]`.
        evaluation: the predictions for that split.
        indices: the images to show.
        doubtful: indices of images whose label reviewers rejected. Their titles say so.
    """
    titles = []
    for index in indices:
        label = int(evaluation.labels[index])
        predicted = int(evaluation.predictions[index])
        sign = style.TICK if predicted == label else style.CROSS
        sure = _describe_confidence(float(evaluation.confidence[index]))
        title = f"a {label}, read {predicted} {sign}\n{sure}"
        if index in doubtful:
            title = f"a {label}?, read {predicted} {sign}\n{sure}\nlabel rejected"
        titles.append(title)
    return image_grid(np.asarray(images)[list(indices)], titles, columns=8)


def _describe_confidence(confidence: float) -> str:
    """Return a confidence as text, never rounded up to 100 %."""
    return ">99% sure" if confidence > 0.99 else f"{confidence:.0%} sure"


def accuracy_intervals(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Show each evaluation's accuracy as a point with its value, and its 95 % interval as a bar."""
    xlabel = "share read right, with its 95 % interval (the axis does not begin at 0)"
    figure, axes = style.new_axes(8, 0.9 + 0.36 * len(evaluations), xlabel=xlabel)
    shares = np.array([evaluation.accuracy for evaluation in evaluations.values()])
    intervals = np.array([evaluation.interval for evaluation in evaluations.values()])
    low, high = intervals.T
    reach = shares - low, high - shares
    rows = range(len(shares))
    axes.errorbar(shares, rows, xerr=reach, fmt="o", capsize=4, color=style.COLOURS[0])
    for row, share in enumerate(shares):
        value = f"{share:.2%}"
        axes.annotate(
            value, (share, row), (0, 5), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_yticks(rows, list(evaluations))
    axes.set_ylim(len(evaluations) - 0.4, -0.7)
    # ticks that need only one decimal: never 98.2 for 98.25
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=(1, 2, 5, 10)))
    axes.xaxis.set_major_formatter("{x:.1%}")
    return figure
