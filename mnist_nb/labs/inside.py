"""The inside of a network: activations, the pixels that an output depends on, and familiarity."""

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.data import CLASSES, SIDE
from mnist_nb.errors import check_range
from mnist_nb.models import Network, one_thread, predict, to_input
from mnist_nb.models.networks import as_maps

PAPER, INK = 0, 255
INK_THRESHOLD = 128  # pixels of this value or more count as ink

Activations = dict[str, Tensor]
"""The output of each linear layer, float32 `[N, units]` on the CPU, by the layer's name.

Outputs are those after the ReLU, if one follows. The last entry contains the logits.
"""


def as_fully_connected(model: nn.Module) -> Network:
    """Return the model if all its layers are Flatten, Linear or ReLU.

    Raises:
        ValueError: for any other model.
    """
    expected = 'expected a fully connected network, such as load_pretrained("mlp")'
    if not isinstance(model, Network):
        raise ValueError(f"{expected}, got {type(model).__name__}, which is not a Network.")
    for name, layer in model.layers.items():
        if not isinstance(layer, nn.Flatten | nn.Linear | nn.ReLU):
            raise ValueError(f"{expected}, but the layer {name} is of type {type(layer).__name__}.")
    return model


@torch.no_grad()
def activations(model: nn.Module, images: Any) -> Activations:
    """Return the output of each linear layer of a fully connected network.

    Args:
        images: uint8 `[N, 28, 28]`.

    Raises:
        ValueError: if images have a wrong type or shape, or the network is not fully connected.
    """
    network = as_fully_connected(model)
    values = as_maps(to_input(torch.as_tensor(images)).to(network.head.weight.device))
    outputs = {}
    linear_layer = ""
    for name, layer in network.layers.items():
        values = layer(values)
        if isinstance(layer, nn.Linear):
            linear_layer = name
        if linear_layer:
            outputs[linear_layer] = values.cpu()
    return outputs


def in_rows(units: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Arrange the activations of a layer's units in rows. Zeros fill the last row."""
    numbers = np.asarray(units, dtype=np.float64)
    missing = -len(numbers) % columns
    return np.pad(numbers, (0, missing)).reshape(-1, columns)


class WeightedSum(NamedTuple):
    """How one unit of the first layer computes its activation for one image."""

    weights: Tensor  # float32 [28, 28], a weight for each pixel
    products: Tensor  # float32 [28, 28], pixel in [0, 1] times weight
    bias: float
    total: float  # the products' sum plus the bias

    @property
    def answer(self) -> float:
        """The unit's activation: its sum, or 0 if that is negative."""
        return max(self.total, 0.0)


@torch.no_grad()
def weighted_sum(model: nn.Module, unit: int, image: Any) -> WeightedSum:
    """Return the sum that a unit of the first layer computes, with all its parts.

    Args:
        image: uint8 `[28, 28]`.

    Raises:
        ValueError: if the image has a wrong type or shape, the network is not fully connected, or
            it has no such unit.
    """
    first_layer = as_fully_connected(model).linear_layers[0]
    check_range("unit", unit, 0, first_layer.out_features - 1)
    images = torch.as_tensor(image)[None]
    pixels = to_input(images)[0]
    weights = first_layer.weight[unit].detach().cpu().view(SIDE, SIDE).clone()
    products = pixels * weights
    bias = 0.0 if first_layer.bias is None else float(first_layer.bias[unit])
    return WeightedSum(weights, products, bias, total=float(products.sum()) + bias)


def mean_by_digit(values: Tensor, labels: Tensor) -> Tensor:
    """Return the mean of each unit over the images of each digit, `[10, units]`.

    Of `values > 0` as floats, it is the share of the images for which a unit fires.

    Args:
        values: `[N, units]`.
        labels: `[N]`; the mean of a digit without images is NaN.
    """
    is_digit = functional.one_hot(labels, CLASSES).to(values.dtype)  # [image, digit]
    sums = is_digit.T @ values  # [digit, unit]
    images_of_digit = is_digit.sum(0)
    return sums / images_of_digit[:, None]


def gradient_saliency(model: nn.Module, image: Any, digit: int) -> Tensor:
    """Return how the logit of a digit changes with each pixel, float32 `[28, 28]`.

    The unit is logit per step from paper to full ink. K. Simonyan, A. Vedaldi and A. Zisserman
    (2014) show its absolute value; here the sign is kept: above 0, more ink raises the logit.

    Args:
        model: any network.
        image: uint8 `[28, 28]`.
    """
    device = next(model.parameters()).device
    images = torch.as_tensor(image)[None]
    pixels = to_input(images).to(device).requires_grad_()
    evaluated = copy.deepcopy(model).eval()  # so that the model's mode does not change
    logits = evaluated(pixels)[0]
    (gradient,) = torch.autograd.grad(logits[digit], pixels)
    return gradient[0].cpu()


@one_thread()
def occlusion(model: nn.Module, image: Any, digit: int, *, size: int = 5) -> Tensor:
    """Return how much a digit's probability falls if paper covers a square around each pixel.

    The result is `[28, 28]` in [-1, 1]; it is negative where covering raises the probability.
    M. Zeiler and R. Fergus (2014).

    Args:
        model: any network.
        image: uint8 `[28, 28]`.
        size: side of the square in pixels, odd.

    Raises:
        ValueError: if the size is even or below 1.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size must be odd and 1 or more, to have a middle pixel, got {size}")
    picture = torch.as_tensor(image)
    places = torch.arange(SIDE)
    is_near = (places[:, None] - places).abs() <= size // 2  # [middle, place] along one axis
    is_covered = is_near[:, None, :, None] & is_near[None, :, None, :]
    squares = is_covered.flatten(0, 1)  # [middle's pixel, row, column]
    covered = picture.masked_fill(squares, PAPER)
    before = predict(model, picture[None])[0, digit]
    after = predict(model, covered)[:, digit]
    return (before - after).view(SIDE, SIDE)


def flip(image: Tensor, row: int, column: int) -> Tensor:
    """Return a copy of a uint8 image `[28, 28]` in which one pixel is flipped.

    Paper (below 128) becomes full ink, and ink becomes paper.
    """
    flipped = image.clone()
    flipped[row, column] = INK if image[row, column] < INK_THRESHOLD else PAPER
    return flipped


@one_thread()
def flip_each(model: nn.Module, image: Any) -> Tensor:
    """Return the probabilities after each pixel has been flipped alone: float32 `[28, 28, 10]`.

    Args:
        model: any network.
        image: uint8 `[28, 28]`.
    """
    pixels = torch.as_tensor(image).flatten()
    flipped_pixels = torch.where(pixels < INK_THRESHOLD, INK, PAPER).to(torch.uint8)
    places = torch.arange(SIDE * SIDE)
    flipped = pixels.repeat(SIDE * SIDE, 1)  # [flipped pixel, pixel]
    flipped[places, places] = flipped_pixels
    probabilities = predict(model, flipped.view(-1, SIDE, SIDE))
    return probabilities.view(SIDE, SIDE, CLASSES).clone()  # a copy can be written to


@one_thread()
def activation_maximization(
    model: nn.Module,
    layer: str,
    unit: int,
    *,
    steps: int = 150,
    decay: float = 0.02,
    blur: float = 0.1,
) -> Tensor:
    """Return an image, float32 `[28, 28]` in [0, 1], that activates a unit strongly.

    It is found by gradient ascent from paper, D. Erhan and others (2009), with decay and blur after
    each step as in J. Yosinski and others (2015): without them the ascent ends in noise.

    Args:
        model: a fully connected network.
        layer: the name of a linear layer, such as "linear1"; the sum before its ReLU is maximised.
        decay: the share of the ink that fades in each step, so that ink stays only where it helps.
        blur: the share of each pixel that is replaced by the mean of its neighbourhood of 3 by 3; 0
            leaves it sharp.

    Raises:
        ValueError: if the network is not fully connected, or has no such layer or unit.
    """
    layers = as_fully_connected(model).layers
    linear_layers = {name: part for name, part in layers.items() if isinstance(part, nn.Linear)}
    if layer not in linear_layers:
        raise ValueError(f"layer must be one of {', '.join(linear_layers)}, got {layer!r}")
    check_range("unit", unit, 0, linear_layers[layer].out_features - 1)
    position = list(layers).index(layer)
    sums_of_layer = nn.Sequential(*list(layers.values())[: position + 1])
    pixels = torch.zeros(1, 1, SIDE, SIDE)
    for _ in range(steps):
        pixels.requires_grad_()
        sums = sums_of_layer(pixels)
        (gradient,) = torch.autograd.grad(sums[0, unit], pixels)
        direction = gradient / (gradient.norm() + 1e-12)
        with torch.no_grad():
            pixels = (1 - decay) * (pixels + direction)
            neighbourhood = functional.avg_pool2d(pixels, kernel_size=3, stride=1, padding=1)
            pixels = torch.lerp(pixels, neighbourhood, blur).clamp(0, 1)
    return pixels.detach()[0, 0]


def similarity(values: Tensor, reference: Tensor) -> Tensor:
    """Return each row's familiarity: its cosine with the closest row of `reference`.

    The result is `[N]`, at most 1; a row of zeros gets 0. After Y. Sun and others,
    *Out-of-Distribution Detection with Deep Nearest Neighbors* (2022), who also compare only the
    directions of the hidden values.

    Args:
        reference: `[M, units]`, rows of familiar values.
    """
    directions = functional.normalize(reference).T
    closest = []
    for chunk in torch.split(values, 500):
        cosines = functional.normalize(chunk) @ directions  # [row, reference row]
        closest.append(cosines.amax(1))
    return torch.cat(closest)
