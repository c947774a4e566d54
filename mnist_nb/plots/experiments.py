"""Figures of the experiments on what makes a network good.

A curve is the median over the seeds, in a band from the worst to the best. Each function
takes the `results` of one experiment, as `experiments/run.py` writes them to
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

LABEL_ABOVE, LABEL_BELOW = (5, 5), (5, -12)  # offsets from a point, in points of type


def initialisation_curves(results: Results) -> Figure:
    """Show the share of images misread after each epoch, for each initialization."""
    figure, axes = _misread_axes("epochs of training", "Where the weights begin")
    for number, (kind, runs) in enumerate(results["validation_accuracy"].items()):
        misread = 1 - np.transpose(runs)  # [epoch, seed]
        _draw_median(axes, range(len(misread)), misread, number, kind)
    style.legend(axes, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def width_curve(results: Results) -> Figure:
    """Show the share misread against the width of the first hidden layer, both logarithmic."""
    widths, weights = results["widths"], results["weights"]
    xlabel = (
        "units in the first hidden layer (logarithmic); "
        "below, thousands of weights and biases in all"
    )
    figure, axes = _misread_axes(xlabel, "How wide it should be", xscale="log")
    for number, split in enumerate(("validation", "training")):
        misread = 1 - np.asarray(results[f"{split}_accuracy"])  # [width, seed]
        _draw_median(axes, widths, misread, number, f"{split} images")
    labels = [f"{width}\n{count / 1000:,.0f}" for width, count in zip(widths, weights, strict=True)]
    axes.set_xticks(widths, labels, fontsize=8)
    style.legend(axes)
    return figure


def memorization_curves(results: Results) -> Figure:
    """Show the accuracy after each epoch, with the true labels and with mixed ones."""
    figure, panels = style.new_panels(9.6, 3.6, 1, 2, sharey=True)
    for axes, name in zip(panels, ("true labels", "mixed labels"), strict=True):
        for number, split in enumerate(("training", "validation")):
            accuracies = np.transpose(results[name][f"{split}_accuracy"])  # [epoch, seed]
            epochs = range(len(accuracies))
            _draw_median(axes, epochs, accuracies, number, f"{split} images", mark_every=10)
        style.chance_line(axes, label="guessing blindly")
        title = f"{results['images']:,} images, {name}"
        axes.set(title=title, xlabel="epochs of training", ylim=(0, 1.02))
        style.despine(axes, per_cent=True)
    panels[0].set_ylabel("share read right")
    style.legend(panels[1], loc="center right")
    return figure


def bits_curve(results: Results) -> Figure:
    """Show the share of validation images misread against the size of the file."""
    xlabel = "file size in kilobytes (logarithmic)"
    figure, axes = _misread_axes(xlabel, "How few bits a weight needs", xscale="log")
    kinds = results["kinds"]
    kilobytes = np.array(results["bytes"]) / 1000
    misread = 1 - np.asarray(results["validation_accuracy"])  # [kind, seed]
    is_integer = np.array([kind.startswith("int") for kind in kinds])
    is_float = ~is_integer
    _draw_median(axes, kilobytes[is_float], misread[is_float], 0, "floating-point numbers")
    _draw_median(axes, kilobytes[is_integer], misread[is_integer], 1, "whole numbers")
    medians = np.median(misread, axis=1)
    for kind, place in zip(kinds, zip(kilobytes, medians, strict=True), strict=True):
        offset = LABEL_BELOW if kind == "bfloat16" else LABEL_ABOVE  # the same point as float16
        axes.annotate(kind, place, offset, textcoords="offset points", fontsize=8)
    axes.set_xticks((25, 50, 100, 200, 400), ("25", "50", "100", "200", "400"))
    axes.margins(x=0.08, y=0.12)
    style.legend(axes)
    return figure


def _misread_axes(xlabel: str, title: str, *, xscale: str = "linear") -> tuple[Figure, Axes]:
    """Return a figure of one panel for shares misread, on a logarithmic scale."""
    ylabel = "share misread (logarithmic)"
    figure, axes = style.new_axes(
        8, 3.6, xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale, yscale="log"
    )
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    return figure, axes


def _draw_median(
    axes: Axes,
    positions: ArrayLike,
    values: ArrayLike,
    number: int,
    label: str,
    mark_every: int = 1,
) -> None:
    """Draw a line through the medians of values `[positions, seeds]`, in a band of all of them."""
    x = np.asarray(positions)
    by_seed = np.asarray(values)
    lowest = by_seed.min(axis=1)
    highest = by_seed.max(axis=1)
    medians = np.median(by_seed, axis=1)
    look = style.curve_style(number)
    axes.fill_between(x, lowest, highest, color=look["color"], alpha=0.2, linewidth=0)
    axes.plot(x, medians, markevery=mark_every, label=label, **look)
