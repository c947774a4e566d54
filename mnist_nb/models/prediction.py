"""Running a network: from uint8 images to probabilities, loss and accuracy."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.data import CLASSES, SIDE
from mnist_nb.errors import check_range


def to_input(images: Tensor) -> Tensor:
    """Scale uint8 images `[N, 28, 28]` to float32 in [0, 1], the input of a network.

    Raises:
        ValueError: if type or shape is wrong. A wrongly scaled image would give a confident wrong
            answer.
    """
    if images.dtype != torch.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(
            f"images must be uint8 [N, {SIDE}, {SIDE}], got {images.dtype} {list(images.shape)}; "
            "pass a single image as image[None]"
        )
    return images.to(torch.float32).div_(255)


def predict(model: nn.Module, images: Any, *, batch_size: int = 100) -> Tensor:
    """Return the probabilities of each digit, float32 `[N, 10]` on the CPU.

    The model runs in evaluation mode; its previous mode is restored afterwards.

    Args:
        model: returns logits `[N, 10]` for float32 images `[N, 28, 28]` in [0, 1].
        images: uint8 `[N, 28, 28]`, a tensor or a NumPy array.
        batch_size: images per batch, 1 or more. With 100, the feature maps of a convolution fit the
            processor's cache, which halves the time.

    Raises:
        ValueError: if images have a wrong type or shape, or the model returns no logits `[N, 10]`.
    """
    check_range("batch_size", batch_size, 1, 2**31)

    def probabilities(inputs: Tensor) -> Tensor:
        return functional.softmax(logits_of(model, inputs), dim=1)

    return run_in_batches(model, probabilities, images, batch_size)


@torch.inference_mode()
def run_in_batches(
    model: nn.Module, function: Callable[[Tensor], Tensor], images: Any, batch_size: int = 100
) -> Tensor:
    """Apply a function to batches of images in [0, 1] with the model in evaluation mode.

    Args:
        model: stays on its device, to which the batches are moved.
        function: takes float32 `[n, 28, 28]` in [0, 1] and returns a tensor of n rows.
        images: uint8 `[N, 28, 28]`, a tensor or a NumPy array.
        batch_size: images per batch.

    Returns:
        The N rows, on the CPU.
    """
    try:
        batches = torch.split(torch.as_tensor(images), batch_size)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"images must be uint8 [N, {SIDE}, {SIDE}]: {error}") from error
    parameter = next(model.parameters(), None)
    device = batches[0].device if parameter is None else parameter.device
    was_training = model.training
    model.eval()
    try:
        return torch.cat([function(to_input(batch.to(device))).cpu() for batch in batches])
    finally:
        model.train(was_training)


def logits_of(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the model's logits `[N, 10]`.

    Raises:
        ValueError: if the model fails or returns another shape.
    """
    expected = f"model must return logits [N, {CLASSES}] for float32 images [N, {SIDE}, {SIDE}]"
    try:
        logits: Tensor = model(inputs)
    except RuntimeError as error:
        raise ValueError(f"{expected}: {error}") from error
    shape = getattr(logits, "shape", None)
    if shape != (len(inputs), CLASSES):
        raise ValueError(f"{expected}, got {shape and list(shape)}")
    return logits


def loss_and_accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the mean cross-entropy in nats and the accuracy in [0, 1].

    Args:
        model: as for `predict`.
        images: uint8 `[N, 28, 28]`.
        labels: int64 `[N]`.
    """
    labels = labels.cpu()
    probabilities = predict(model, images)
    of_labels = probabilities.gather(1, labels[:, None])
    # the smallest normal float32 keeps the loss finite if a probability underflowed to 0
    losses = -of_labels.clamp_min(torch.finfo(torch.float32).tiny).log()
    is_correct = probabilities.argmax(1) == labels
    return float(losses.double().mean()), float(is_correct.double().mean())
