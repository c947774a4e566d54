"""Figures of a drawing: its way to an image, and what a network says of it."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from mnist_nb.drawing.preprocessing import Steps
from mnist_nb.plots.style import COLOURS, despine, new_figure, show_image


def preparation(steps: Steps) -> Figure:
    """A drawing on its way through MNIST's five steps, each picture with its size."""
    names = ("1. cropped", "2. square", "3. resampled", "4. peak 255", "5. centred")
    figure = new_figure(9.4, 2.2)
    for axes, name, step in zip(figure.subplots(1, len(steps)), names, steps, strict=True):
        image = np.asarray(step)
        height, width = image.shape
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=image.max())
        axes.set_title(f"{name}\n{width} × {height}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    return figure


def probability_bars(image: ArrayLike, probabilities: ArrayLike) -> Figure:
    """One image as the network sees it, and its ten probabilities as bars, the guess in bold."""
    shares = np.asarray(probabilities)
    guess = int(shares.argmax())
    figure = new_figure(7, 2.6)
    picture_axes, axes = figure.subplots(1, 2, width_ratios=(1, 2.4))
    show_image(picture_axes, image, "as the network sees it")
    bars = axes.bar(range(10), shares, color=[COLOURS[0] if digit == guess else "0.7" for digit in range(10)])
    bars[guess].set_hatch("//")
    axes.set_xticks(range(10))
    axes.get_xticklabels()[guess].set_fontweight("bold")
    axes.text(guess, shares[guess] + 0.02, f"{shares[guess]:.0%}", ha="center", weight="bold")
    axes.set(title=f"read as a {guess}", xlabel="digit", ylabel="probability", ylim=(0, 1.15))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    despine(axes)
    return figure
