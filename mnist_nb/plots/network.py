"""Figures of the inside of a network: weights, units, and the pixels an output depends on.

Signed numbers are orange below zero, white at zero and blue above (`style.SIGNED`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

from mnist_nb.data import CLASSES, SIDE
from mnist_nb.labs.inside import Activations, WeightedSum, in_rows
from mnist_nb.plots import style

UNITS_A_ROW = 8  # of squares, one for each unit of a layer
HISTOGRAM_BINS = 49
SHARE_ON_SCALE = 0.99  # of the numbers in `signed_images`


def signed_images(
    images: ArrayLike, titles: Sequence[str] = (), *, columns: int = 10, label: str = "weight"
) -> Figure:
    """Show images of signed numbers `[N, 28, 28]` on one scale that has zero in its middle.

    The few largest numbers are clipped to the ends of the scale; otherwise all others would look
    pale. `label` is the scale's label.
    """
    pictures = np.asarray(images, dtype=np.float64).reshape(-1, SIDE, SIDE)
    rows, columns = style.grid_shape(len(pictures), columns)
    row_height = 1.06 if titles else 0.86
    width = 0.82 * columns + 1.3
    height = row_height * rows + 0.2
    figure, grid = style.new_panels(width, height, rows, columns, squeeze=False)
    sizes = np.abs(pictures)
    end = float(np.quantile(sizes, SHARE_ON_SCALE)) or float(sizes.max()) or 1.0
    style.show_images(grid, pictures, titles, low=-end, high=end, colours=style.SIGNED)
    first_picture = grid[0, 0].images[0]
    shrink = min(1.0, 2.4 / rows)
    figure.colorbar(first_picture, ax=grid, label=label, shrink=shrink, aspect=14, extend="both")
    return figure


def saliency_maps(image: ArrayLike, maps: Mapping[str, ArrayLike], units: Sequence[str]) -> Figure:
    """Show an image, and next to it saliency maps `[28, 28]`, with the digit's outline.

    Args:
        units: the unit of each map's numbers, for its colour bar. Each map has its own scale.
    """
    columns = len(maps) + 1
    figure, panels = style.new_panels(min(3 * columns, 9.6), 2.7, 1, columns)
    pixels = np.asarray(image)
    style.show_image(panels[0], pixels, "the image")
    for axes, (name, values), unit in zip(panels[1:], maps.items(), units, strict=True):
        drawn = _show_signed(axes, values, name)
        axes.contour(pixels, levels=[127], colors="black", linewidths=1.1)
        figure.colorbar(drawn, ax=axes, label=unit, shrink=0.85)
    return figure


def units_by_digit(means: ArrayLike) -> Figure:
    """Show the mean activation of each unit (columns) for each digit (rows).

    Units are in the order of the digit for which they are strongest.

    Args:
        means: `[10, units]`, 0 or more; see `mnist_nb.labs.inside.mean_by_digit`.
    """
    numbers = np.asarray(means, dtype=np.float64)
    favourites = numbers.argmax(axis=0)
    strength = numbers.max(axis=0)
    order = np.lexsort((-strength, favourites))
    figure, axes = style.new_panels(9.4, 3)
    drawn = axes.imshow(
        numbers[:, order], aspect="auto", cmap="viridis", vmin=0, interpolation="nearest"
    )
    first_of_digit = np.searchsorted(favourites[order], np.arange(1, CLASSES))
    axes.vlines(first_of_digit - 0.5, -0.5, CLASSES - 0.5, color="white", linewidth=1)
    axes.set(xlabel="unit, in the order of its favourite digit", ylabel="digit")
    axes.set_yticks(range(CLASSES))
    axes.set_xticks([0, len(order) - 1], ["first", "last"])
    figure.colorbar(drawn, ax=axes, label="mean answer")
    return figure


def layer_by_layer(image: ArrayLike, values: Activations) -> Figure:
    """Show an image, its activations in each hidden layer, its logits and its probabilities.

    Args:
        values: the result of `mnist_nb.labs.inside.activations` for the image.
    """
    *hidden, logits = [outputs[0] for outputs in values.values()]
    hidden_widths = [1.1] * len(hidden)
    widths = [1, *hidden_widths, 1.3, 1.3]
    figure, panels = style.new_panels(9.6, 2.9, 1, len(widths), width_ratios=widths)
    image_axes, *hidden_axes, logit_axes, probability_axes = panels
    style.show_image(image_axes, image, "784 pixels")
    for number, units in enumerate(hidden, start=1):
        _show_units(hidden_axes[number - 1], units, f"hidden {number}")
    _draw_outputs(logit_axes, logits, "logit", "10 logits")
    logit_axes.axvline(0, color="0.2", linewidth=0.8)
    logit_axes.set_ylabel("digit")
    _draw_outputs(probability_axes, logits.softmax(0), "probability", "10 probabilities")
    probability_axes.set_xlim(0, 1.02)
    probability_axes.xaxis.set_major_formatter("{x:.0%}")
    return figure


def _show_units(axes: Axes, activations: ArrayLike, name: str) -> None:
    """Show the activations of a layer's units as squares, with a colour bar."""
    numbers = np.asarray(activations)
    squares = in_rows(numbers, UNITS_A_ROW)
    drawn = axes.pcolormesh(squares, cmap="viridis", vmin=0, edgecolors="white", linewidth=0.8)
    axes.set_aspect("equal")
    axes.invert_yaxis()  # the first row at the top, as in images
    fire = np.count_nonzero(numbers > 0)
    axes.set_title(f"{name}: {fire} of\n{len(numbers)} units fire", fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.figure.colorbar(drawn, ax=axes, location="bottom", label="answer")


def _draw_outputs(axes: Axes, outputs: ArrayLike, name: str, title: str) -> None:
    """Draw ten outputs as horizontal bars, with the largest in bold."""
    numbers = np.asarray(outputs)
    predicted = int(numbers.argmax())
    bars = axes.barh(range(CLASSES), numbers, color=[style.GREY] * CLASSES)
    bars[predicted].set(color=style.COLOURS[0], hatch="//", edgecolor="white")
    axes.set_title(title, fontsize=9)
    axes.set(xlabel=name, yticks=range(CLASSES))
    axes.get_yticklabels()[predicted].set_fontweight("bold")
    axes.invert_yaxis()
    style.despine(axes)


def sum_written_out(image: ArrayLike, parts: WeightedSum) -> Figure:
    """Show a unit's weighted sum: pixels, weights, their products, and the answer."""
    figure, (pixel_axes, weight_axes, product_axes) = style.new_panels(9.4, 2.6, 1, 3)
    pixels = np.asarray(image) / 255
    drawn_pixels = style.show_image(pixel_axes, pixels, "pixels", high=1)
    drawn_weights = _show_signed(weight_axes, parts.weights, "× weights")
    sum_of_products = parts.total - parts.bias
    answer = f"sum {sum_of_products:+.2f}, bias {parts.bias:+.2f}: answer {parts.answer:.2f}"
    title = f"= products\n{answer}".replace("-", "−")
    drawn_products = _show_signed(product_axes, parts.products, title)
    for axes, drawn in (
        (pixel_axes, drawn_pixels),
        (weight_axes, drawn_weights),
        (product_axes, drawn_products),
    ):
        figure.colorbar(drawn, ax=axes, shrink=0.85)
    return figure


def digit_maps(maps: Mapping[str, ArrayLike], labels: ArrayLike) -> Figure:
    """Show maps of images side by side. Each point `[N, 2]` is drawn as its digit."""
    columns = len(maps)
    height = 9.6 / columns * 1.02  # the panels are about square
    figure, grid = style.new_panels(9.6, height, 1, columns, squeeze=False)
    digits = np.asarray(labels)
    for axes, (name, points) in zip(grid[0], maps.items(), strict=True):
        places = np.asarray(points)  # [image, (x, y)]
        for digit in range(CLASSES):
            x, y = places[digits == digit].T
            look = {"color": style.DIGIT_COLOURS[digit], "linewidths": 0.1, "alpha": 0.8}
            axes.scatter(x, y, s=48, marker=f"${digit}$", **look)
        axes.set(title=name, xlabel="first component", ylabel="second component")
        style.despine(axes)
    return figure


def score_histograms(scores: Mapping[str, ArrayLike], threshold: float, *, label: str) -> Figure:
    """Show the distribution of a score for each kind of image, one row each.

    Images below the threshold are refused. `label` names the score.
    """
    rows = len(scores)
    height = 0.9 * rows + 0.7
    figure, panels = style.new_panels(8.6, height, rows, squeeze=False, sharex=True)
    values_of_kinds = [np.asarray(values, np.float64) for values in scores.values()]
    edges = np.histogram_bin_edges(np.concatenate(values_of_kinds), HISTOGRAM_BINS)
    for axes, kind, values in zip(panels.flat, scores, values_of_kinds, strict=True):
        weight = 1 / len(values)  # so that the bars add up to 1
        weights = np.full(len(values), weight)
        axes.hist(values, edges.tolist(), weights=weights, color=style.COLOURS[0])
        axes.axvline(threshold, color="black", linestyle="--")
        refused = (values < threshold).mean()
        axes.set_title(f"{kind}: {refused:.0%} refused", loc="left", fontsize=9)
        axes.set_yticks([])
        style.despine(axes)
    lowest = panels[-1, 0]
    lowest.set_xlabel(f"{label} (dashed: the threshold; what lies to its left is refused)")
    figure.supylabel("share of the images", fontsize=10)
    return figure


def _show_signed(axes: Axes, values: ArrayLike, title: str) -> AxesImage:
    """Show signed numbers on a scale with zero in the middle and the largest number at its end."""
    numbers = np.asarray(values)
    largest = float(np.abs(numbers).max()) or 1.0
    return style.show_image(axes, numbers, title, low=-largest, high=largest, colours=style.SIGNED)
