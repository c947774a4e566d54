"""Figures of a drawing: the steps that prepare it, and what a network predicts for it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from mnist_nb.data import CLASSES
from mnist_nb.handwriting.pictures import PictureSteps
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
    left, top, right, bottom = steps.box
    width = right - left
    height = bottom - top
    frame = Rectangle((left, top), width, height, fill=False, ec=style.COLOURS[1], lw=2)
    picture_axes.add_patch(frame)
    style.show_image(ink_axes, steps.ink, "its ink", high=1)
    style.show_image(image_axes, steps.image, "as the network sees it: 28 × 28")
    return figure


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
