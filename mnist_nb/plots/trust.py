"""Figures of calibration, refusal, and accuracy on corrupted images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from mnist_nb.evaluation import Evaluation
from mnist_nb.labs.calibration import expected_calibration_error, reliability_bins
from mnist_nb.labs.robustness import Corruption
from mnist_nb.plots import style

FEW_IMAGES = 10  # bins with fewer are hatched: their accuracy is mostly chance
MARKED_SHARE = 0.01  # of the digits refused: a dotted line in `roc_curves`


def reliability_diagram(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Show accuracy against confidence in bins, and the number of images in each bin.

    If a bar ends at the dashed line, accuracy equals confidence. Bins of fewer than ten images are
    hatched: their height is mostly chance. Each evaluation has a column.
    """
    columns = len(evaluations)
    figure, grid = style.new_panels(
        min(4.6 * columns + 0.4, 9.6),
        4.6,
        rows=2,
        columns=columns,
        squeeze=False,
        sharex=True,
        sharey="row",
        height_ratios=(3, 1),
    )
    for number, (name, evaluation) in enumerate(evaluations.items()):
        accuracy_axes, count_axes = grid[:, number]
        _draw_bins(accuracy_axes, count_axes, evaluation)
        accuracy_axes.plot([0, 1], [0, 1], color="0.2", linestyle="--", linewidth=1)
        points = 100 * expected_calibration_error(evaluation)
        accuracy_axes.set(title=f"{name}\nECE {points:.2f} points", ylim=(0, 1))
        style.despine(accuracy_axes, per_cent=True)
        count_axes.set(xlabel="confidence", xlim=(0, 1), xticks=(0.2, 0.4, 0.6, 0.8, 1))
        count_axes.set(yscale="log", ylim=(0.5, None))
        count_axes.xaxis.set_major_formatter("{x:.0%}")
        style.despine(count_axes)
    grid[0, 0].set_ylabel("share read right")
    grid[1, 0].set_ylabel("images\n(logarithmic)")
    return figure


def _draw_bins(accuracy_axes: Axes, count_axes: Axes, evaluation: Evaluation) -> None:
    """Draw each bin's accuracy and number of images as bars."""
    for part in reliability_bins(evaluation):
        if not part.images:
            continue
        look: dict[str, Any] = {"align": "edge", "color": style.COLOURS[0], "edgecolor": "white"}
        if part.images < FEW_IMAGES:
            look |= {"color": style.COLOURS[5], "hatch": "//"}
        width = part.high - part.low
        accuracy_axes.bar(part.low, part.accuracy, width, **look)
        count_axes.bar(part.low, part.images, width, **look)


def roc_curves(curves: Mapping[str, Sequence[ArrayLike]]) -> Figure:
    """Show, for each score, the share of other images refused against the share of digits refused.

    Args:
        curves: by the score's name, the result of `sklearn.metrics.roc_curve` with the other images
            as the positive class: the refused shares of digits and of others, increasing.
    """
    from sklearn.metrics import auc  # imported late: it takes half a second

    figure, axes = style.new_axes(
        8,
        3.8,
        xlabel="share of the digits refused (logarithmic)",
        ylabel="share of the others refused",
        xscale="log",
        xlim=(0.002, 1),
        ylim=(0, 1.02),
    )
    for number, (name, curve) in enumerate(curves.items()):
        digits_refused, others_refused = curve[:2]
        look = style.curve_style(number) | {"marker": ""}
        label = f"{name}, AUROC {auc(digits_refused, others_refused):.3f}"
        axes.plot(digits_refused, others_refused, label=label, **look)
    axes.axvline(MARKED_SHARE, color="0.6", linewidth=1, linestyle=":")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.yaxis.set_major_formatter("{x:.0%}")
    style.legend(axes, loc="lower right")
    return figure


def corrupted_images(image: ArrayLike, corruptions: Sequence[Corruption]) -> Figure:
    """Show an image uint8 `[28, 28]` with each corruption (rows) at each severity (columns)."""
    rows = len(corruptions)
    columns = max(len(corruption.severities) for corruption in corruptions)
    width = min(0.95 * columns + 1, 9.6)
    height = 1.1 * rows
    figure, grid = style.new_panels(width, height, rows, columns, squeeze=False)
    picture = torch.as_tensor(np.asarray(image))
    pictures = picture[None]  # [1, row, column]
    for corruption, row in zip(corruptions, grid, strict=True):
        corrupted = [corruption(pictures, severity)[0] for severity in corruption.severities]
        style.show_images(row, corrupted, _severity_labels(corruption))
        style.row_label(row[0], corruption.name, 0.2, fontsize=10)
    return figure


def robustness_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]], corruptions: Mapping[str, Corruption]
) -> Figure:
    """Show accuracy against severity: a panel for each corruption, a line for each model.

    Args:
        curves: the results of `accuracy_under`, by the corruption's name and the model's.
        corruptions: the corruptions of these curves, by name.
    """
    rows, columns = style.grid_shape(len(curves) + 1, 3)  # the last panel is for the legend
    figure, grid = style.new_panels(9.6, 2.9 * rows, rows, columns, squeeze=False, sharey=True)
    panels: list[Axes] = list(grid.flat)
    for axes, (name, by_model) in zip(panels, curves.items(), strict=False):
        _draw_accuracies(axes, corruptions[name], by_model)
    for axes in panels[::columns]:
        axes.set_ylabel("share read right")
    unused = panels[len(curves) :]
    for axes in unused:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    unused[0].legend(handles, labels, loc="center", frameon=False)
    unused[0].text(0.5, 0.05, "dotted: guessing blindly, a tenth", ha="center", fontsize=8)
    return figure


def _draw_accuracies(
    axes: Axes, corruption: Corruption, by_model: Mapping[str, Sequence[float]]
) -> None:
    """Draw each model's accuracies over the severities of one corruption."""
    for number, (model, accuracies) in enumerate(by_model.items()):
        axes.plot(corruption.severities, accuracies, label=model, **style.curve_style(number))
    axes.set(title=corruption.name, xlabel=corruption.unit, ylim=(0, 1.02))
    axes.set_xticks(corruption.severities, _severity_labels(corruption))
    style.chance_line(axes)
    style.despine(axes, per_cent=True)


def _severity_labels(corruption: Corruption) -> list[str]:
    """Return the severities as short text, with a true minus sign."""
    return [f"{severity:g}".replace("-", "−") for severity in corruption.severities]
