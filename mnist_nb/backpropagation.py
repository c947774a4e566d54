"""The gradient of the loss: by autograd, and, for the fully connected network on a CPU, written out and faster."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.models import Mlp


def fill_gradients(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Put the gradient of the batch's mean cross-entropy into each parameter's `.grad`, and return that loss.

    Args:
        model: on the device of the images.
        images: float32 `[N, 28, 28]` in [0, 1].
        labels: int64 `[N]`.
    """
    if isinstance(model, Mlp) and images.device.type == "cpu":
        return written_out(model, images, labels)
    return by_autograd(model, images, labels)


def by_autograd(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """`fill_gradients` for any model, the way every PyTorch program does it."""
    model.zero_grad()
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


@torch.no_grad()
def written_out(model: Mlp, images: Tensor, labels: Tensor) -> float:
    """`fill_gradients` for the fully connected network: backpropagation by hand, layer by layer.

    The chain rule in matrices (D. Rumelhart, G. Hinton, R. Williams, 1986). With z = a W^T + b, and delta the
    gradient of the loss by z, the gradient by W is delta^T a, by b the sum of delta over the batch, and by a it is
    delta W. Through a ReLU it passes where the unit fired. For the mean cross-entropy of a softmax, the delta of the
    last layer is (probabilities - one-hot labels) / N.
    """
    layers = (model.linear1, model.linear2, model.linear3)
    inputs = [images.flatten(1)]
    for layer in layers[:-1]:
        inputs.append(torch.addmm(layer.bias, inputs[-1], layer.weight.T).relu_())
    logits = torch.addmm(layers[-1].bias, inputs[-1], layers[-1].weight.T)
    log_probabilities = functional.log_softmax(logits, dim=1)
    loss = functional.nll_loss(log_probabilities, labels).item()

    delta = log_probabilities.exp_()
    delta[torch.arange(len(labels)), labels] -= 1
    delta /= len(labels)
    for layer, activations in zip(reversed(layers), reversed(inputs), strict=True):
        for parameter in (layer.weight, layer.bias):
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
        torch.mm(delta.T, activations, out=layer.weight.grad)
        torch.sum(delta, dim=0, out=layer.bias.grad)
        if layer is not layers[0]:
            fired = activations.sign()  # 0 or 1, since a ReLU leaves nothing negative
            delta = torch.mm(delta, layer.weight).mul_(fired)
    return loss
