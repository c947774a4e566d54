"""Figures of how far a model can be trusted: its calibration, its refusals, and its accuracy on
corrupted images."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from mnist_nb.evaluation import Evaluation
from mnist_nb.labs.calibration import expected_calibration_error, reliability_bins
from mnist_nb.labs.robustness import Corruption
from mnist_nb.labs.roc import RocCurve
from mnist_nb.plots import style


def reliability_diagram(evaluations: Mapping[str, Evaluation]) -> Figure:
    """For each evaluation, accuracy against confidence in bins, and below it the number of images
    in each bin.

    Where the bars reach the dashed line, the accuracy equals the confidence. Bins of fewer than ten
    images are hatched: their height is mostly chance.
    """
    figure = style.new_figure(min(4.6 * len(evaluations) + 0.4, 9.6), 4.6)
    grid = figure.subplots(
        2, len(evaluations), squeeze=False, sharex=True, sharey="row", height_ratios=(3, 1)
    )
    for (name, evaluation), (axes, below) in zip(evaluations.items(), grid.T, strict=True):
        for part in (part for part in reliability_bins(evaluation) if part.images):
            color, hatch = (style.COLOURS[5], "//") if part.images < 10 else (style.COLOURS[0], "")
            look = {"align": "edge", "color": color, "hatch": hatch, "edgecolor": "white"}
            axes.bar(part.low, part.accuracy, part.high - part.low, **look)
            below.bar(part.low, part.images, part.high - part.low, **look)
        axes.plot([0, 1], [0, 1], color="0.2", linestyle="--", linewidth=1)
        axes.set(
            title=f"{name}\nECE {100 * expected_calibration_error(evaluation):.2f} points",
            ylim=(0, 1),
        )
        ticks = (0.2, 0.4, 0.6, 0.8, 1)
        below.set(xlabel="confidence", xlim=(0, 1), yscale="log", ylim=(0.5, None), xticks=ticks)
        below.xaxis.set_major_formatter("{x:.0%}")
        style.despine(axes, per_cent=True)
        style.despine(below)
    grid[0, 0].set_ylabel("share read right")
    grid[1, 0].set_ylabel("images\n(logarithmic)")
    return figure


def roc_curves(curves: Mapping[str, RocCurve]) -> Figure:
    """For each score, what share of strange images it refuses at the price of a share of the
    digits, and its AUROC."""
    xlabel, ylabel = "share of the digits refused (logarithmic)", "share of the others refused"
    figure, axes = style.new_axes(
        8, 3.8, xlabel=xlabel, ylabel=ylabel, xscale="log", xlim=(0.002, 1), ylim=(0, 1.02)
    )
    for number, (name, curve) in enumerate(curves.items()):
        look = style.curve_style(number) | {
            "marker": "",
            "label": f"{name}, AUROC {curve.area:.3f}",
        }
        axes.plot(curve.digits, curve.others, **look)
    axes.axvline(0.01, color="0.6", linewidth=1, linestyle=":")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.yaxis.set_major_formatter("{x:.0%}")
    style.legend(axes, loc="lower right")
    return figure


def corrupted_images(image: ArrayLike, corruptions: Sequence[Corruption]) -> Figure:
    """One image uint8 `[28, 28]` with each corruption (rows) in each severity (columns)."""
    steps = max(len(corruption.severities) for corruption in corruptions)
    size = min(0.95 * steps + 1, 9.6), 1.1 * len(corruptions)
    figure, grid = style.new_panels(*size, len(corruptions), steps, squeeze=False)
    picture = torch.as_tensor(np.asarray(image))[None]
    for corruption, row in zip(corruptions, grid, strict=True):
        corrupted = [corruption(picture, severity)[0] for severity in corruption.severities]
        style.show_images(row, corrupted, [_signed(severity) for severity in corruption.severities])
        style.row_label(row[0], corruption.name, 0.2, fontsize=10)
    return figure


def robustness_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]], corruptions: Mapping[str, Corruption]
) -> Figure:
    """Accuracy against the severity of corruption, a panel for each corruption and a line for each
    model.

    Args:
        curves: by the corruption's name, then by the model's, what `accuracy_under` returns.
        corruptions: by name, the corruptions that the curves belong to.
    """
    rows, columns = style.grid_shape(
        len(curves) + 1, 3
    )  # one panel more than curves, for the legend
    figure, grid = style.new_panels(9.6, 2.9 * rows, rows, columns, squeeze=False, sharey=True)
    panels: list[Axes] = list(grid.flat)
    for axes, (name, by_model) in zip(panels, curves.items(), strict=False):
        corruption = corruptions[name]
        for number, (model, accuracies) in enumerate(by_model.items()):
            axes.plot(corruption.severities, accuracies, label=model, **style.curve_style(number))
        axes.set(title=name, xlabel=corruption.unit, ylim=(0, 1.02))
        axes.set_xticks(
            corruption.severities, [_signed(severity) for severity in corruption.severities]
        )
        style.chance_line(axes)
        style.despine(axes, per_cent=True)
    for axes in panels[::columns]:
        axes.set_ylabel("share read right")
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    panels[len(curves)].legend(*panels[0].get_legend_handles_labels(), loc="center", frameon=False)
    panels[len(curves)].text(
        0.5, 0.05, "dotted: guessing blindly, a tenth", ha="center", fontsize=8
    )
    return figure


def _signed(severity: float) -> str:
    """A severity as short as possible, with a true minus sign."""
    return f"{severity:g}".replace("-", "−")
