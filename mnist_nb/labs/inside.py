"""A look inside a network: activations of its units, what an output depends on, and how familiar an
image is."""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.data import CLASSES, SIDE
from mnist_nb.models import Mlp, one_thread, predict, to_input
from mnist_nb.models.networks import Network, as_maps

PAPER, INK = 0, 255


class Activations(NamedTuple):
    """The output of each layer for N images, float32 on the CPU."""

    hidden1: Tensor  # [N, 128], 0 or more
    hidden2: Tensor  # [N, 64], 0 or more
    logits: Tensor  # [N, 10]


def as_mlp(model: nn.Module) -> Mlp:
    """The model, if it is a fully connected network, as some of these functions need.

    Raises:
        ValueError: if it is of another kind.
    """
    if not isinstance(model, Mlp):
        raise ValueError(
            f"only the fully connected network can be looked into here, not {type(model).__name__}: "
            'choose one, such as load_pretrained("mlp")'
        )
    return model


@torch.no_grad()
def activations(model: nn.Module, images: Any) -> Activations:
    """The output of each layer of a fully connected network for uint8 images `[N, 28, 28]`.

    Raises:
        ValueError: for images of another type or shape, or a network of another kind.
    """
    mlp = as_mlp(model)
    pixels = to_input(torch.as_tensor(images)).to(mlp.linear1.weight.device)
    hidden1, hidden2, logits = _linear_sums(mlp, pixels)
    return Activations(hidden1.relu().cpu(), hidden2.relu().cpu(), logits.cpu())


class WeightedSum(NamedTuple):
    """How one unit of the first layer computes its activation for one image."""

    weights: Tensor  # float32 [28, 28], a weight for each pixel
    products: Tensor  # float32 [28, 28], pixel in [0, 1] times weight
    bias: float
    total: float  # the products' sum plus the bias

    @property
    def answer(self) -> float:
        """The unit's activation: its sum, or 0 where that is negative."""
        return max(self.total, 0.0)


@torch.no_grad()
def weighted_sum(model: nn.Module, unit: int, image: Any) -> WeightedSum:
    """The sum of a unit of the first layer, for one uint8 image `[28, 28]`, with all its parts.

    Raises:
        ValueError: for an image of another type or shape, a network of another kind, or a unit that
            it does not have.
    """
    first = as_mlp(model).linear1
    _check_unit(unit, first.out_features)
    pixels = to_input(torch.as_tensor(image)[None])[0]
    weights = first.weight[unit].detach().cpu().view(SIDE, SIDE).clone()
    products, bias = pixels * weights, float(first.bias[unit])
    return WeightedSum(weights, products, bias, float(products.sum()) + bias)


def mean_by_digit(values: Tensor, labels: Tensor) -> Tensor:
    """The mean of each unit over the images of each digit, `[10, units]`, from values `[N, units]`;
    NaN without images.

    For `values > 0` as floats it is the share of the images for which a unit fires.
    """
    members = functional.one_hot(labels, CLASSES).to(values.dtype)
    return (members.T @ values) / members.sum(0)[:, None]


def gradient_saliency(model: nn.Module, image: Any, digit: int) -> Tensor:
    """How the logit of a digit changes with each pixel, float32 `[28, 28]`: logit per step from
    paper to full ink.

    Of any network, for one uint8 image `[28, 28]`. K. Simonyan, A. Vedaldi and A. Zisserman (2014)
    show its absolute value; here the sign is kept: above 0, more ink raises the logit.
    """
    device = next(model.parameters()).device
    pixels = to_input(torch.as_tensor(image)[None]).to(device).requires_grad_()
    asked = copy.deepcopy(model).eval()  # so that the model stays in the mode that it is in
    (gradient,) = torch.autograd.grad(asked(pixels)[0, digit], pixels)
    return gradient[0].cpu()


@one_thread()
def occlusion(model: nn.Module, image: Any, digit: int, *, size: int = 5) -> Tensor:
    """How much less probable a digit becomes if a square of paper covers the image around a pixel:
    `[28, 28]`.

    In [-1, 1]; below 0 where the cover makes it more probable. Of any network, for one uint8 image.
    M. Zeiler and R. Fergus (2014).

    Args:
        size: side of the square in pixels, odd.

    Raises:
        ValueError: for an even size or one below 1.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(
            f"expected an odd size of the square, 1 or more, so that it has a middle, got {size}"
        )
    picture, places = torch.as_tensor(image), torch.arange(SIDE)
    near = (places[:, None] - places).abs() <= size // 2
    squares = (near[:, None, :, None] & near[None, :, None, :]).flatten(
        0, 1
    )  # for each pixel the square around it
    covered = picture.masked_fill(squares, PAPER)
    before = predict(model, picture[None])[0, digit]
    return (before - predict(model, covered)[:, digit]).view(SIDE, SIDE)


def flip(image: Tensor, row: int, column: int) -> Tensor:
    """A copy of a uint8 image `[28, 28]` in which one pixel is ink where it was paper (below 128),
    else paper."""
    flipped = image.clone()
    flipped[row, column] = INK if image[row, column] < 128 else PAPER
    return flipped


@one_thread()
def flip_each(model: nn.Module, image: Any) -> Tensor:
    """The probabilities after each of the 784 pixels has been flipped alone: float32 `[28, 28,
    10]`, of any network."""
    picture = torch.as_tensor(image)
    places = torch.arange(SIDE * SIDE)
    flipped = picture.flatten().repeat(SIDE * SIDE, 1)
    flipped[places, places] = torch.where(picture.flatten() < 128, INK, PAPER).to(torch.uint8)
    return (
        predict(model, flipped.view(-1, SIDE, SIDE)).view(SIDE, SIDE, CLASSES).clone()
    )  # can be written to


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
    """An image, float32 `[28, 28]` in [0, 1], that activates a unit strongly, found by gradient
    ascent from paper.

    D. Erhan and others (2009); decay and blur after each step as in J. Yosinski and others (2015),
    since without them the ascent ends in noise.

    Args:
        layer: "hidden1", "hidden2" or "logits"; the sum before the ReLU is maximised.
        decay: the share of the ink that fades in each step, so that ink stays only where it helps.
        blur: the share of each pixel that is replaced by the mean of its neighbourhood of 3 by 3; 0
            leaves it sharp.

    Raises:
        ValueError: for a network of another kind, a layer or unit that it does not have.
    """
    mlp = as_mlp(model)
    if layer not in Activations._fields:
        raise ValueError(
            f"there is no layer {layer!r}: choose one of {', '.join(Activations._fields)}"
        )
    depth = Activations._fields.index(layer)
    _check_unit(unit, (mlp.linear1, mlp.linear2, mlp.linear3)[depth].out_features)
    pixels = torch.zeros(1, 1, SIDE, SIDE)
    for _ in range(steps):
        pixels.requires_grad_()
        (gradient,) = torch.autograd.grad(_linear_sums(mlp, pixels)[depth][0, unit], pixels)
        with torch.no_grad():
            pixels = (1 - decay) * (pixels + gradient / (gradient.norm() + 1e-12))
            pixels = torch.lerp(pixels, functional.avg_pool2d(pixels, 3, 1, 1), blur).clamp(0, 1)
    return pixels.detach()[0, 0]


def _linear_sums(network: Network, images: Tensor) -> list[Tensor]:
    """The sums of each fully connected layer, `[N, units]`, before its ReLU."""
    values = as_maps(images)
    sums = []
    for layer in network.layers.values():
        values = layer(values)
        if isinstance(layer, nn.Linear):
            sums.append(values)
    return sums


def similarity(values: Tensor, reference: Tensor) -> Tensor:
    """How familiar each row of values `[N, units]` is: the cosine, at most 1, between it and the
    closest reference row.

    A row of zeros gets 0. After Y. Sun and others, *Out-of-Distribution Detection with Deep Nearest
    Neighbors* (2022), who also compare only the directions of the hidden values.
    """
    directions = functional.normalize(reference).T
    closest = [
        (functional.normalize(chunk) @ directions).amax(1) for chunk in torch.split(values, 500)
    ]
    return torch.cat(closest)


def _check_unit(unit: int, units: int) -> None:
    if not 0 <= unit < units:
        raise ValueError(f"there is no unit {unit}: this layer's are numbered 0 to {units - 1}")
