"""Figures of how far a model can be trusted: its confidence, its refusals, and images that are changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from mnist_nb.evaluation import Evaluation
from mnist_nb.evaluation.calibration import coverage, expected_calibration_error, reliability_bins
from mnist_nb.evaluation.robustness import Corruption
from mnist_nb.plots.style import COLOURS, DASHES, MARKERS, despine, new_figure, show_image, tenths_of_a_percent


def reliability_diagram(evaluations: Mapping[str, Evaluation], *, bins: int = 15) -> Figure:
    """For each evaluation, accuracy against confidence in bins, and below how many images each bin holds.

    Where the bars reach the dashed line, the model is right as often as it says. Bins of fewer than ten images are
    hatched: their height is mostly chance.
    """
    figure = new_figure(min(4.6 * len(evaluations) + 0.4, 9.6), 4.6)
    grid = figure.subplots(2, len(evaluations), squeeze=False, sharex=True, sharey="row", height_ratios=(3, 1))
    for (name, evaluation), (axes, below) in zip(evaluations.items(), grid.T, strict=True):
        for part in (part for part in reliability_bins(evaluation, bins) if part.images):
            few = part.images < 10
            look = {"align": "edge", "color": COLOURS[5] if few else COLOURS[0], "edgecolor": "white"}
            hatch = "//" if few else ""
            axes.bar(part.low, part.accuracy, part.high - part.low, hatch=hatch, **look)
            below.bar(part.low, part.images, part.high - part.low, hatch=hatch, **look)
        axes.plot([0, 1], [0, 1], color="0.2", linestyle="--", linewidth=1)
        axes.set(title=f"{name}\nECE {100 * expected_calibration_error(evaluation, bins):.2f} points", ylim=(0, 1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        below.set(xlabel="confidence", xlim=(0, 1), yscale="log", ylim=(0.5, None))
        below.set_xticks((0.2, 0.4, 0.6, 0.8, 1))
        below.xaxis.set_major_formatter(PercentFormatter(1))
        despine(axes)
        despine(below)
    grid[0, 0].set_ylabel("share read right")
    grid[1, 0].set_ylabel("images\n(logarithmic)")
    return figure


def coverage_curves(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Accuracy against the share answered, where each model answers the images that it is surest of."""
    figure = new_figure(8, 3.6)
    axes = figure.subplots()
    for number, (name, evaluation) in enumerate(evaluations.items()):
        curve = coverage(evaluation)
        shown = curve.share >= 0.5  # below, few images are left, and the curve is a flat line or chance
        axes.plot(
            curve.share[shown], curve.accuracy[shown], color=COLOURS[number], linestyle=DASHES[number], label=name
        )
        axes.plot(1, evaluation.accuracy, MARKERS[number], color=COLOURS[number], clip_on=False)
    axes.set(
        xlabel="share of the images answered, the surest first",
        ylabel="share of those read right",
        title="What refusing the doubtful images buys (the axes do not begin at 0)",
        xlim=(0.5, 1),
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    tenths_of_a_percent(axes.yaxis)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    despine(axes)
    return figure


def corrupted_images(image: ArrayLike, corruptions: Sequence[Corruption]) -> Figure:
    """One image uint8 `[28, 28]` under each corruption (rows) in its steps (columns), each under its severity."""
    steps = max(len(corruption.severities) for corruption in corruptions)
    figure = new_figure(min(0.95 * steps + 1, 9.6), 1.1 * len(corruptions))
    picture = torch.as_tensor(np.asarray(image))[None]
    for corruption, row in zip(corruptions, figure.subplots(len(corruptions), steps, squeeze=False), strict=True):
        for axes in row:
            axes.set_axis_off()
        for axes, severity in zip(row, corruption.severities, strict=False):
            show_image(axes, corruption(picture, severity)[0], _signed(severity))
        row[0].text(-0.2, 0.5, corruption.name, transform=row[0].transAxes, fontsize=10, ha="right", va="center")
    return figure


def robustness_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]], corruptions: Mapping[str, Corruption]
) -> Figure:
    """Accuracy against the severity of corruption, a panel for each corruption and a line for each model.

    Args:
        curves: by the corruption's name, then by the model's, what `accuracy_under` gives.
        corruptions: by name, the corruptions that the curves belong to.
    """
    columns = min(len(curves) + 1, 3)
    rows = -(-(len(curves) + 1) // columns)  # one panel more than curves, for the legend
    figure = new_figure(9.6, 2.9 * rows)
    panels: list[Axes] = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for axes, (name, by_model) in zip(panels, curves.items(), strict=False):
        corruption = corruptions[name]
        for number, (model, accuracies) in enumerate(by_model.items()):
            axes.plot(
                corruption.severities, accuracies, color=COLOURS[number], linestyle=DASHES[number],
                marker=MARKERS[number], markersize=4, label=model,
            )  # fmt: skip
        axes.set(title=name, xlabel=corruption.unit, ylim=(0, 1.02))
        axes.set_xticks(corruption.severities, [_signed(severity) for severity in corruption.severities])
        axes.axhline(0.1, color="0.4", linewidth=1, linestyle=(0, (1, 3)))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        despine(axes)
    for axes in panels[::columns]:
        axes.set_ylabel("share read right")
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    handles, names = panels[0].get_legend_handles_labels()
    panels[len(curves)].legend(handles, names, loc="center", frameon=False)
    panels[len(curves)].text(0.5, 0.05, "dotted: guessing blindly, a tenth", ha="center", fontsize=8)
    return figure


def _signed(severity: float) -> str:
    """An severity as short as it goes, with a true minus sign."""
    return f"{severity:g}".replace("-", "−")
