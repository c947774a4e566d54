"""Backpropagation for fully connected networks, without autograd."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from mnist_nb.data import CLASSES
from mnist_nb.models import Network


class ManualBackprop:
    """Backpropagation, layer by layer, for a fully connected network.

    The chain rule in matrices (D. Rumelhart, G. Hinton, R. Williams, 1986): with z = W a + b, and
    delta the gradient of the loss by z, the gradient by W is delta a^T, by b the sum of delta over
    the batch, and by a it is W^T delta. A ReLU passes it if the unit fired. For the
    cross-entropy of a softmax, the delta of the last layer is probabilities - one-hot labels.

    Nearly all of the time is spent on matrix products. The operations between them work in place,
    in buffers that are reused at each step, and autograd records nothing. Each image is a column,
    as in the formulas: a softmax along columns takes a sixth of the time of one along rows.

    Args:
        model: a network of Flatten, then Linear layers with a ReLU between each two.

    Raises:
        ValueError: if the model has other layers.
    """

    def __init__(self, model: Network) -> None:
        if not model.is_fully_connected:
            raise ValueError("model must be fully connected, with a ReLU between any two layers")
        layers = model.linear_layers
        self._weights = [layer.weight for layer in layers]
        self._biases = [layer.bias for layer in layers]
        self._buffers_for = functools.cache(self._make_buffers)  # an epoch's last batch is smaller

    @torch.inference_mode()
    def __call__(self, images: Tensor, labels: Tensor, keep: float = 0.0) -> float:
        """Compute the gradients and return the batch's mean loss. A `GradientFn`."""
        count = len(labels)
        buffers = self._buffers_for(count)
        pixels = images.flatten(1).t()
        logits = self._forward(pixels, buffers)
        log_probabilities = logits.log_softmax(0)
        torch.index_select(buffers.identity, 1, labels, out=buffers.one_hot)
        loss = -torch.dot(log_probabilities.view(-1), buffers.one_hot.view(-1)).item() / count
        probabilities = log_probabilities.exp_()
        torch.sub(probabilities, buffers.one_hot, out=buffers.deltas[-1])
        self._backward(pixels, buffers, keep)
        return loss

    def _forward(self, pixels: Tensor, buffers: _Buffers) -> Tensor:
        """Compute each layer's outputs, after its ReLU, and return those of the last, `[10, N]`."""
        below = pixels
        for weight, bias, output in zip(self._weights, self._biases, buffers.outputs, strict=True):
            torch.addmm(bias.unsqueeze(1), weight, below, out=output)
            below = output if output is buffers.outputs[-1] else output.relu_()
        return below

    def _backward(self, pixels: Tensor, buffers: _Buffers, keep: float) -> None:
        """Add the gradients of each layer, from the last to the first."""
        count = pixels.shape[1]
        for layer in reversed(range(len(self._weights))):
            weight, bias, delta = self._weights[layer], self._biases[layer], buffers.deltas[layer]
            below = buffers.outputs[layer - 1] if layer else pixels
            by_weight, by_bias = _gradient_of(weight), _gradient_of(bias)
            torch.addmm(by_weight, delta, below.t(), beta=keep, alpha=1 / count, out=by_weight)
            torch.addmv(by_bias, delta, buffers.ones, beta=keep, alpha=1 / count, out=by_bias)
            if layer:
                fired = below.sign_()  # 0 or 1, because outputs of a ReLU are not negative
                torch.mm(weight.t(), delta, out=buffers.deltas[layer - 1]).mul_(fired)

    def _make_buffers(self, count: int) -> _Buffers:
        return _Buffers(
            outputs=[torch.empty(len(bias), count) for bias in self._biases],
            deltas=[torch.empty(len(bias), count) for bias in self._biases],
            one_hot=torch.empty(CLASSES, count),
            ones=torch.ones(count),
            identity=torch.eye(CLASSES),
        )


class _Buffers(NamedTuple):
    """The memory of a step on N images."""

    outputs: list[Tensor]  # of each layer, [units, N]
    deltas: list[Tensor]  # the same
    one_hot: Tensor  # [10, N]
    ones: Tensor  # [N]
    identity: Tensor  # [10, 10]: column d is the one-hot vector of digit d


def _gradient_of(parameter: Tensor) -> Tensor:
    """The parameter's `.grad`, created if there is none."""
    if parameter.grad is None:
        with torch.inference_mode(False):
            parameter.grad = torch.zeros_like(parameter, requires_grad=False)
    return parameter.grad
