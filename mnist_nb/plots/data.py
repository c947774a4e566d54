"""Figures of the data: images, grids of them, and what they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from mnist_nb.data import Mnist
from mnist_nb.plots.style import COLOURS, new_figure, show_image, tidy


def image_grid(images: ArrayLike, titles: Sequence[str] | None = None, *, columns: int = 10) -> Figure:
    """Images uint8 `[N, 28, 28]` in rows, each under its title, dark ink on white."""
    pictures = np.asarray(images)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    tallest_title = max((title.count("\n") + 1 for title in titles), default=0) if titles else 0
    figure = new_figure(min(0.95 * columns + 0.1, 9.6), rows * (0.92 + 0.17 * tallest_title))
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if number < len(pictures):
            show_image(axes, pictures[number], titles[number] if titles else "")
        else:
            axes.set_axis_off()
    return figure


def digit_grid(images: ArrayLike, labels: ArrayLike, *, per_digit: int = 10) -> Figure:
    """A row for each digit, 0 to 9, with its first `per_digit` images."""
    pictures, digits = np.asarray(images), np.asarray(labels)
    figure = new_figure(min(0.8 * per_digit + 0.4, 9.6), 8)
    for digit, row in enumerate(figure.subplots(10, per_digit, squeeze=False)):
        for axes, image in zip(row, pictures[digits == digit], strict=False):
            show_image(axes, image)
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
    figure = new_figure(7, 0.4 + 6.6 * part.shape[0] / part.shape[1])
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
    figure = new_figure(8, 3.2)
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
    tidy(axes)
    return figure


def mean_and_spread(images: ArrayLike, labels: ArrayLike) -> Figure:
    """For each digit the mean of its images, and under it their standard deviation, pixel by pixel."""
    pictures, digits = np.asarray(images), np.asarray(labels)
    figure = new_figure(9.6, 2.5)
    for digit, (mean_axes, spread_axes) in enumerate(figure.subplots(2, 10).T):
        of_digit = pictures[digits == digit].astype(np.float32)
        show_image(mean_axes, of_digit.mean(0), str(digit))
        show_image(spread_axes, of_digit.std(0), largest=128, colours="cividis")
        if digit == 0:
            mean_axes.text(-0.15, 0.5, "mean", transform=mean_axes.transAxes, rotation=90, ha="right", va="center")
            spread_axes.text(
                -0.15, 0.5, "spread", transform=spread_axes.transAxes, rotation=90, ha="right", va="center"
            )
    return figure
