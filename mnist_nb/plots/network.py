"""Figures of the inside of a network: its weights, its units, and what an output depends on.

Signed numbers are dark blue below zero and yellow above: the colour map cividis gets steadily
lighter and can be read in grey, too.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from mnist_nb.data import CLASSES, SIDE
from mnist_nb.labs.inside import Activations, WeightedSum
from mnist_nb.plots import style


def signed_images(
    images: ArrayLike, titles: Sequence[str] = (), *, columns: int = 10, label: str = "weight"
) -> Figure:
    """Images of signed numbers `[N, 28, 28]` on one scale that has zero in its middle; `label`
    names the numbers."""
    pictures = np.asarray(images, dtype=np.float64).reshape(-1, SIDE, SIDE)
    rows, columns = style.grid_shape(len(pictures), columns)
    height = (1.06 if titles else 0.86) * rows + 0.2
    figure, grid = style.new_panels(0.82 * columns + 1.3, height, rows, columns, squeeze=False)
    largest = float(np.abs(pictures).max())
    style.show_images(grid, pictures, titles, low=-largest, high=largest, colours="cividis")
    figure.colorbar(
        grid[0, 0].images[0], ax=grid, label=label, shrink=min(1.0, 2.4 / rows), aspect=14
    )
    return figure


def saliency_maps(image: ArrayLike, maps: Mapping[str, ArrayLike], units: Sequence[str]) -> Figure:
    """An image, and beside it maps `[28, 28]` of what matters in it, each with a scale of its own
    and the digit's edge.

    Args:
        units: what each map's numbers are, for its colour bar.
    """
    figure, (first, *others) = style.new_panels(
        min(3 * (len(maps) + 1), 9.6), 2.7, 1, len(maps) + 1
    )
    pixels = np.asarray(image)
    style.show_image(first, pixels, "the image")
    for axes, (name, values), unit in zip(others, maps.items(), units, strict=True):
        drawn = _show_signed(axes, values, name)
        axes.contour(pixels, levels=[127], colors="white", linewidths=1.1)
        figure.colorbar(drawn, ax=axes, label=unit, shrink=0.85)
    return figure


def units_by_digit(means: ArrayLike) -> Figure:
    """The mean activation of each unit (columns) for each digit (rows), units in the order of their
    strongest digit.

    Args:
        means: `[10, units]`, 0 or more; see `mnist_nb.labs.inside.mean_by_digit`.
    """
    numbers = np.asarray(means, dtype=np.float64)
    favourites = numbers.argmax(0)
    order = np.lexsort((-numbers.max(0), favourites))
    figure, axes = style.new_panels(9.4, 3)
    drawn = axes.imshow(
        numbers[:, order], aspect="auto", cmap="viridis", vmin=0, interpolation="nearest"
    )
    starts = np.searchsorted(favourites[order], np.arange(1, CLASSES)) - 0.5
    axes.vlines(starts, -0.5, CLASSES - 0.5, color="white", linewidth=1)
    axes.set(
        xlabel="unit, in the order of its favourite digit", ylabel="digit", yticks=range(CLASSES)
    )
    axes.set_xticks([0, numbers.shape[1] - 1], ["first", "last"])
    figure.colorbar(drawn, ax=axes, label="mean answer")
    return figure


def layer_by_layer(image: ArrayLike, values: Activations) -> Figure:
    """One image, its activations in both hidden layers as squares of units, its logits and its
    probabilities.

    Args:
        values: what `mnist_nb.labs.inside.activations` returns for it.
    """
    figure, panels = style.new_panels(9.6, 2.9, 1, 5, width_ratios=(1, 1.1, 1.1, 1.3, 1.3))
    picture, first, second, sums, shares = panels
    style.show_image(picture, image, "784 pixels")
    for axes, name, layer in (
        (first, "hidden 1", values.hidden1[0]),
        (second, "hidden 2", values.hidden2[0]),
    ):
        numbers = np.asarray(layer)
        drawn = axes.imshow(numbers.reshape(-1, 8), cmap="viridis", vmin=0)
        axes.set_title(f"{name}: {(numbers > 0).sum()} of\n{len(numbers)} units fire", fontsize=9)
        axes.set(xticks=[], yticks=[])
        figure.colorbar(drawn, ax=axes, location="bottom", label="answer")
    logits = values.logits[0]
    outputs = (
        (sums, "logit", "logits", logits),
        (shares, "probability", "probabilities", logits.softmax(0)),
    )
    for axes, name, title, bars in outputs:
        numbers = np.asarray(bars)
        predicted = int(numbers.argmax())
        drawn = axes.barh(range(CLASSES), numbers, color=["0.7"] * CLASSES)
        drawn[predicted].set(color=style.COLOURS[0], hatch="//", edgecolor="white")
        axes.set_title(f"10 {title}", fontsize=9)
        axes.set(xlabel=name, yticks=range(CLASSES))
        axes.get_yticklabels()[predicted].set_fontweight("bold")
        axes.invert_yaxis()
        style.despine(axes)
    sums.axvline(0, color="0.2", linewidth=0.8)
    sums.set_ylabel("digit")
    shares.set_xlim(0, 1.02)
    shares.xaxis.set_major_formatter("{x:.0%}")
    return figure


def sum_written_out(image: ArrayLike, parts: WeightedSum) -> Figure:
    """One unit's weighted sum: pixels times weights are products, which add up, with the bias, to
    its activation."""
    figure, (picture, weights, products) = style.new_panels(9.4, 2.6, 1, 3)
    ink = style.show_image(picture, np.asarray(image) / 255, "pixels", high=1)
    figure.colorbar(ink, ax=picture, shrink=0.85)
    answer = (
        f"sum {parts.total - parts.bias:+.2f}, bias {parts.bias:+.2f}: answer {parts.answer:.2f}"
    )
    shown = (
        (weights, "× weights", parts.weights),
        (products, f"= products\n{answer}", parts.products),
    )
    for axes, name, values in shown:
        figure.colorbar(_show_signed(axes, values, name.replace("-", "−")), ax=axes, shrink=0.85)
    return figure


def digit_maps(maps: Mapping[str, ArrayLike], labels: ArrayLike) -> Figure:
    """Maps of images, side by side: points `[N, 2]`, each drawn as its digit, in a colour for each
    digit."""
    figure, panels = style.new_panels(9.6, 9.6 / len(maps) * 1.02, 1, len(maps), squeeze=False)
    digits = np.asarray(labels)
    for axes, (name, points) in zip(panels[0], maps.items(), strict=True):
        places = np.asarray(points)
        for digit in range(CLASSES):
            colour, own = style.COLOURS[digit % len(style.COLOURS)], places[digits == digit].T
            axes.scatter(*own, s=24, marker=f"${digit}$", color=colour, linewidths=0.1, alpha=0.8)
        axes.set(title=name, xlabel="first component", ylabel="second component")
        style.despine(axes)
    return figure


def score_histograms(scores: Mapping[str, ArrayLike], threshold: float, *, label: str) -> Figure:
    """How a score is spread over each kind of image, a row for each; images below the threshold are
    refused."""
    figure, grid = style.new_panels(
        8.6, 0.9 * len(scores) + 0.7, len(scores), squeeze=False, sharex=True
    )
    numbers = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    edges = np.histogram_bin_edges(np.concatenate([*numbers.values()]), 49).tolist()
    for axes, (name, values) in zip(grid.flat, numbers.items(), strict=True):
        axes.hist(
            values, edges, weights=np.full(len(values), 1 / len(values)), color=style.COLOURS[0]
        )
        axes.axvline(threshold, color="black", linestyle="--")
        axes.set_title(f"{name}: {(values < threshold).mean():.0%} refused", loc="left", fontsize=9)
        axes.set_yticks([])
        style.despine(axes)
    grid[-1, 0].set_xlabel(f"{label} (dashed: the threshold; what lies to its left is refused)")
    figure.supylabel("share of the images", fontsize=10)
    return figure


def _show_signed(axes: Axes, values: ArrayLike, title: str) -> AxesImage:
    """Show signed numbers on a scale that has zero in its middle and reaches to the largest of
    them."""
    largest = float(np.abs(np.asarray(values)).max()) or 1.0
    return style.show_image(axes, values, title, low=-largest, high=largest, colours="cividis")
