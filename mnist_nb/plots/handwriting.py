"""Figures of a drawing or a picture: how it is prepared, and what a network reads in it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from mnist_nb.data import CLASSES
from mnist_nb.handwriting.numbers import Number
from mnist_nb.handwriting.pictures import PictureSteps
from mnist_nb.handwriting.pieces import Box
from mnist_nb.handwriting.preprocessing import Steps
from mnist_nb.plots import style

STEP_NAMES = ("1. cropped", "2. square", "3. resampled", "4. peak 255", "5. centred")


def preparation(steps: Steps) -> Figure:
    """Show a drawing after each of MNIST's five steps, with the size of each picture."""
    figure, panels = style.new_panels(9.4, 2.2, 1, len(STEP_NAMES))
    for axes, name, step in zip(panels, STEP_NAMES, steps, strict=True):
        image = np.asarray(step)
        height, width = image.shape
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=image.max())
        axes.set_title(f"{name}\n{width} × {height}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    return figure


def picture(steps: PictureSteps) -> Figure:
    """Show a picture with its digit in a frame, the ink found in it, and the network's input."""
    figure, (picture_axes, ink_axes, image_axes) = style.new_panels(9.4, 2.9, 1, 3)
    style.show_image(picture_axes, steps.picture, "the picture", colours="gray")
    _add_frame(picture_axes, steps.box)
    style.show_image(ink_axes, steps.ink, "its ink", high=1)
    style.show_image(image_axes, steps.image, "as the network sees it: 28 × 28")
    return figure


def number(picture: ArrayLike, read: Number) -> Figure:
    """Show a picture with each of its digits in a frame, and what is read in it.

    Args:
        picture: grey values `[H, W]`, neither side over 512, as `read_number` took it.
        read: what was read.
    """
    grey = np.asarray(picture)
    height, width = grey.shape
    figure = style.new_figure(7, 1 + 7 * height / width)
    axes = figure.subplots()
    text = read.text.replace("\n", " / ")
    style.show_image(axes, grey, f"read as {text}", colours="gray")
    for digit in read.digits:
        _add_frame(axes, digit.box)
        left, top, right, _ = digit.box
        axes.text((left + right) / 2, top - 3, digit.text, ha="center", va="bottom")
    return figure


def _add_frame(axes: Axes, box: Box) -> None:
    left, top, right, bottom = box
    width = right - left
    height = bottom - top
    frame = Rectangle((left, top), width, height, fill=False, ec=style.COLOURS[1], lw=2)
    axes.add_patch(frame)


def prediction_bars(image: ArrayLike, probabilities: ArrayLike) -> Figure:
    """Show an image as the network sees it, and its ten probabilities as bars."""
    shares = np.asarray(probabilities)
    predicted = int(shares.argmax())
    figure, (picture_axes, axes) = style.new_panels(7, 2.6, 1, 2, width_ratios=(1, 2.4))
    style.show_image(picture_axes, image, "as the network sees it")
    bars = axes.bar(range(CLASSES), shares, color=[style.GREY] * CLASSES)
    bars[predicted].set(facecolor=style.COLOURS[0], hatch="//")
    axes.set(title=f"read as a {predicted}", xlabel="digit", ylabel="probability")
    axes.set(ylim=(0, 1.15), xticks=range(CLASSES))
    tick_labels = axes.get_xticklabels()
    tick_labels[predicted].set_fontweight("bold")
    highest = shares[predicted]
    axes.text(predicted, highest + 0.02, f"{highest:.0%}", ha="center", weight="bold")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    style.despine(axes, per_cent=True)
    return figure
