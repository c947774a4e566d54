"""Curves of what makes a network good: the median over the seeds, and a band from the worst to the
best of them.

Each function takes the `results` of one experiment, as `experiments/run.py` writes them to
notebooks/experiments.json.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike

from mnist_nb.plots import style

Results = Mapping[str, Any]


def initialisation_curves(results: Results) -> Figure:
    """The share of validation images misread after each epoch, logarithmic, for each way to draw
    the first weights."""
    figure, axes = _misread_axes("epochs of training", "Where the weights begin")
    for number, (kind, runs) in enumerate(results["validation_accuracy"].items()):
        by_epoch = 1 - np.transpose(runs)
        _spread(axes, range(len(by_epoch)), by_epoch, number, kind)
    style.legend(axes, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def width_curve(results: Results) -> Figure:
    """The share misread against the width of the first hidden layer, both logarithmic, in training
    and validation."""
    xlabel = "units in the first hidden layer (logarithmic); below, thousands of weights and biases in all"
    figure, axes = _misread_axes(xlabel, "How wide it should be", xscale="log")
    for number, split in enumerate(("validation", "training")):
        _spread(
            axes,
            results["widths"],
            1 - np.asarray(results[f"{split}_accuracy"]),
            number,
            f"{split} images",
        )
    sizes = zip(results["widths"], results["weights"], strict=True)
    axes.set_xticks(
        results["widths"],
        [f"{units}\n{weights / 1000:,.0f}" for units, weights in sizes],
        fontsize=8,
    )
    style.legend(axes)
    return figure


def memorization_curves(results: Results) -> Figure:
    """Accuracy after each epoch in training and validation, a panel for the true labels and one for
    mixed ones."""
    figure, panels = style.new_panels(9.6, 3.6, 1, 2, sharey=True)
    for axes, name in zip(panels, ("true labels", "mixed labels"), strict=True):
        for number, split in enumerate(("training", "validation")):
            by_epoch = np.transpose(results[name][f"{split}_accuracy"])
            _spread(axes, range(len(by_epoch)), by_epoch, number, f"{split} images", every=10)
        style.chance_line(axes, label="guessing blindly")
        axes.set(
            title=f"{results['images']:,} images, {name}",
            xlabel="epochs of training",
            ylim=(0, 1.02),
        )
        style.despine(axes, per_cent=True)
    panels[0].set_ylabel("share read right")
    style.legend(panels[1], loc="center right")
    return figure


def bits_curve(results: Results) -> Figure:
    """The share of validation images misread against the size of the file, each point under its
    format's name."""
    figure, axes = _misread_axes(
        "file size in kilobytes (logarithmic)", "How few bits a weight needs", xscale="log"
    )
    kilobytes = np.array(results["bytes"]) / 1000
    misread = 1 - np.asarray(results["validation_accuracy"])
    whole = np.array([kind.startswith("int") for kind in results["kinds"]])
    _spread(axes, kilobytes[~whole], misread[~whole], 0, "floating-point numbers")
    _spread(axes, kilobytes[whole], misread[whole], 1, "whole numbers")
    for kind, x, values in zip(results["kinds"], kilobytes, misread, strict=True):
        offset = (5, -12 if kind == "bfloat16" else 5)  # as large as float16, and as good
        axes.annotate(
            kind, (x, float(np.median(values))), offset, textcoords="offset points", fontsize=8
        )
    axes.set_xticks((25, 50, 100, 200, 400), ("25", "50", "100", "200", "400"))
    axes.margins(x=0.08, y=0.12)
    style.legend(axes)
    return figure


def _misread_axes(xlabel: str, title: str, *, xscale: str = "linear") -> tuple[Figure, Axes]:
    """A figure of one panel for shares misread, logarithmic, which keeps the small ones apart."""
    ylabel = "share misread (logarithmic)"
    figure, axes = style.new_axes(
        8, 3.6, xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale, yscale="log"
    )
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    return figure, axes


def _spread(
    axes: Axes, positions: ArrayLike, values: ArrayLike, number: int, label: str, every: int = 1
) -> None:
    """A line through the medians of values `[positions, seeds]`, in a band from the smallest to the
    largest."""
    positions, values = np.asarray(positions), np.asarray(values)
    axes.fill_between(
        positions, values.min(1), values.max(1), color=style.COLOURS[number], alpha=0.2, linewidth=0
    )
    axes.plot(
        positions,
        np.median(values, axis=1),
        markevery=every,
        label=label,
        **style.curve_style(number),
    )
