"""Figures of a drawing: the steps that prepare it, and what a network predicts for it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from mnist_nb.handwriting.pictures import PictureSteps
from mnist_nb.handwriting.preprocessing import Steps
from mnist_nb.plots import style


def preparation(steps: Steps) -> Figure:
    """A drawing after each of MNIST's five steps, with the size of each picture."""
    names = ("1. cropped", "2. square", "3. resampled", "4. peak 255", "5. centred")
    figure, panels = style.new_panels(9.4, 2.2, 1, len(steps))
    for axes, name, image in zip(panels, names, map(np.asarray, steps), strict=True):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=image.max())
        axes.set_title(f"{name}\n{image.shape[1]} × {image.shape[0]}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    return figure


def picture(steps: PictureSteps) -> Figure:
    """A picture with its digit in a frame, the ink that was found in it, and the image that the
    network is given."""
    figure, panels = style.new_panels(9.4, 2.9, 1, 3)
    style.show_image(panels[0], steps.picture, "the picture", colours="gray")
    left, top, right, bottom = steps.box
    panels[0].add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, ec=style.COLOURS[1], lw=2)
    )
    style.show_image(panels[1], steps.ink, "its ink", high=1)
    style.show_image(panels[2], steps.image, "as the network sees it: 28 × 28")
    return figure


def prediction_bars(image: ArrayLike, probabilities: ArrayLike) -> Figure:
    """One image as the network sees it, and its ten probabilities as bars, the prediction in
    bold."""
    shares = np.asarray(probabilities)
    predicted = int(shares.argmax())
    figure, (picture_axes, axes) = style.new_panels(7, 2.6, 1, 2, width_ratios=(1, 2.4))
    style.show_image(picture_axes, image, "as the network sees it")
    bars = axes.bar(
        range(10),
        shares,
        color=[style.COLOURS[0] if digit == predicted else "0.7" for digit in range(10)],
    )
    bars[predicted].set_hatch("//")
    axes.set(
        title=f"read as a {predicted}",
        xlabel="digit",
        ylabel="probability",
        ylim=(0, 1.15),
        xticks=range(10),
    )
    axes.get_xticklabels()[predicted].set_fontweight("bold")
    axes.text(
        predicted, shares[predicted] + 0.02, f"{shares[predicted]:.0%}", ha="center", weight="bold"
    )
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    style.despine(axes, per_cent=True)
    return figure
