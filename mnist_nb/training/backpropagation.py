"""The gradient of the loss: by autograd, and, for the fully connected network on a CPU, written out
and faster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.data import CLASSES
from mnist_nb.models import Mlp, reading_parameters

GradientFn = Callable[[Tensor, Tensor, float], float]
"""Takes images, float32 `[N, 28, 28]` in [0, 1], labels, int64 `[N]`, and a momentum, in [0, 1].
Leaves in each parameter's `.grad` the gradient of the batch's mean cross-entropy, plus that share
of what `.grad` held. Returns the loss, in nats."""


def choose_gradient_fn(model: nn.Module, device: torch.device) -> GradientFn:
    """The quickest way to the gradients of this model on this device: written out where it can be,
    else autograd."""
    if isinstance(model, Mlp) and device.type == "cpu":
        return ManualBackprop(model)
    return functools.partial(autograd_gradients, model)


def autograd_gradients(
    model: nn.Module, images: Tensor, labels: Tensor, momentum: float = 0.0
) -> float:
    """`GradientFn` for any model, the way every PyTorch program does it."""
    if momentum:
        for parameter in reading_parameters(model):  # what refuses has a loss of its own
            if parameter.grad is not None:
                parameter.grad.mul_(momentum)
    else:
        model.zero_grad()
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


class ManualBackprop:
    """Backpropagation by hand, layer by layer, for the fully connected network.

    The chain rule in matrices (D. Rumelhart, G. Hinton, R. Williams, 1986). With z = W a + b, and
    delta the gradient of the loss by z, the gradient by W is delta a^T, by b the sum of delta over
    the batch, and by a it is W^T delta. Through a ReLU it passes where the unit fired. For the
    cross-entropy of a softmax, the delta of the last layer is probabilities - one-hot labels; the
    mean's 1 / N comes in where the gradients are filled.

    Eight matrix products are nearly all of the work. What stands between them is done in place, in
    memory that is kept from step to step, and nothing is noted down for autograd. Each image is a
    column, as in the formulas: a softmax down the columns of a whole batch takes a sixth of the
    time of one along its rows.
    """

    def __init__(self, model: Mlp) -> None:
        layers = (model.linear1, model.linear2, model.linear3)
        self._weights, self._biases = (
            [layer.weight for layer in layers],
            [layer.bias for layer in layers],
        )
        self._room = functools.cache(self._make_room)  # an epoch's last batch may hold fewer images

    @torch.inference_mode()
    def __call__(self, images: Tensor, labels: Tensor, momentum: float = 0.0) -> float:
        """Fill the gradients, and return the batch's mean loss; the images stay as they are."""
        count = labels.shape[0]
        room = self._room(count)
        below = pixels = images.flatten(1).t()
        for weight, bias, output in zip(self._weights, self._biases, room.outputs, strict=True):
            torch.addmm(bias.unsqueeze(1), weight, below, out=output)
            below = output if output is room.outputs[-1] else output.relu_()
        log_probabilities = below.log_softmax(0)
        torch.index_select(room.identity, 1, labels, out=room.one_hot)
        loss = -torch.dot(log_probabilities.view(-1), room.one_hot.view(-1)).item() / count

        delta = torch.sub(log_probabilities.exp_(), room.one_hot, out=room.deltas[-1])
        for layer in (2, 1, 0):
            weight, below = self._weights[layer], room.outputs[layer - 1] if layer else pixels
            by_weight, by_bias = _gradient(weight), _gradient(self._biases[layer])
            torch.addmm(by_weight, delta, below.t(), beta=momentum, alpha=1 / count, out=by_weight)
            torch.addmv(by_bias, delta, room.ones, beta=momentum, alpha=1 / count, out=by_bias)
            if layer:
                fired = below.sign_()  # 0 or 1, since a ReLU leaves nothing negative
                delta = torch.mm(weight.t(), delta, out=room.deltas[layer - 1]).mul_(fired)
        return loss

    def _make_room(self, count: int) -> _Buffers:
        outputs, deltas = (
            [torch.empty(len(bias), count) for bias in self._biases] for _ in range(2)
        )
        return _Buffers(
            outputs, deltas, torch.empty(CLASSES, count), torch.ones(count), torch.eye(CLASSES)
        )


class _Buffers(NamedTuple):
    """The memory of a step on so many images."""

    outputs: list[Tensor]  # of each layer, [units, N]
    deltas: list[Tensor]  # the same
    one_hot: Tensor  # [10, N]
    ones: Tensor  # [N]
    identity: Tensor  # [10, 10]: column d is what a network that is sure of digit d would say


def _gradient(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        with torch.inference_mode(False):
            parameter.grad = torch.zeros_like(parameter, requires_grad=False)
    return parameter.grad
