"""Teaching a model one person's hand from a few drawings, without letting it forget everybody else's."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mnist_nb.augmentation import augment
from mnist_nb.backpropagation import fill_gradients
from mnist_nb.data import Mnist, Split
from mnist_nb.evaluation import Evaluation, evaluate
from mnist_nb.models import choose_device, predict, to_input
from mnist_nb.training import schedule_factor

MNIST_IMAGES = 64  # in each step's batch, beside the digits
MOST_DIGITS = 64  # of the reader's in each step's batch
AUGMENTATION = "affine"
BLENDS = (1.0, 0.75, 0.5, 0.25)


class ForgettingWarning(UserWarning):
    """What was taught would have cost too much of what was known; the old weights were returned."""


def adapt(
    model: nn.Module,
    digits: Any,
    data: Mnist,
    *,
    steps: int = 100,
    learning_rate: float = 0.001,
    max_forgetting: float = 0.005,
    seed: int = 0,
    device: str | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """A new model that has learnt these digits as well; the one given stays as it is.

    Each step learns from the digits and from as many images of MNIST, all moved a little. What it costs is measured on
    MNIST's validation images. If they are read worse by more than `max_forgetting`, the weights go only a part of the
    way from the old to the taught ones, three quarters, half or a quarter (M. Wortsman et al., "Robust fine-tuning of
    zero-shot models", 2022); if even a quarter costs too much, the old weights are returned with a warning.

    Args:
        model: from `build_model`, `load_checkpoint` or `load_pretrained`.
        digits: anything with `.images` uint8 `[N, 28, 28]` and `.labels` `[N]`, tensors or arrays: `MyDigits`, a
            `Split`. Three drawings of each digit do well.
        data: from `load_mnist`.
        steps: batches to learn from, at least 1.
        learning_rate: of AdamW at the start; it falls to 0 along a cosine.
        max_forgetting: how far the share of MNIST read right may fall, in [0, 1].
        seed: the same seed gives the same model; PyTorch's own generator is not used.
        device: "cpu", "cuda" or "mps"; None stays where the model is.
        on_step: called after every step with the steps done and the batch's loss. What it raises ends the teaching.

    Returns:
        The taught model in evaluation mode, on the device.

    Raises:
        ValueError: for no digits, images or labels of another kind, or a number out of its range.
    """
    taught_digits = _as_split(digits)
    for name, value, fits in (
        ("steps", steps, steps >= 1),
        ("learning_rate", learning_rate, 0 < learning_rate < math.inf),
        ("max_forgetting", max_forgetting, 0 <= max_forgetting <= 1),
    ):
        if not fits:
            raise ValueError(f"{name} is out of range: got {value!r}")
    place = choose_device(device) if device else next(model.parameters()).device
    old = copy.deepcopy(model).to(place).eval()
    taught = _teach(copy.deepcopy(old), taught_digits, data.train, steps, learning_rate, seed, on_step)

    right_before = _right(old, data.validation)
    least = right_before - max_forgetting * len(data.validation)
    for share in BLENDS:
        blend = _blend(old, taught, share)
        right = _right(blend, data.validation)
        if right >= least:
            return blend
    before, after = right_before / len(data.validation), right / len(data.validation)
    warnings.warn(
        f"the old weights were kept: a quarter of what was taught would already bring MNIST from {before:.2%} to "
        f"{after:.2%} read right (validation images), and it may fall by {max_forgetting:.2%} at most; check the "
        "labels of the digits, or teach with a lower learning rate",
        ForgettingWarning,
        stacklevel=2,
    )
    return old


def _teach(
    model: nn.Module,
    digits: Split,
    mnist: Split,
    steps: int,
    learning_rate: float,
    seed: int,
    on_step: Callable[[int, float], None] | None,
) -> nn.Module:
    """Train the model in place; in evaluation mode, so that batch normalisation keeps MNIST's means and variances."""
    place = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * schedule_factor("cosine", step / steps)
        mine = torch.randperm(len(digits), generator=generator)[:MOST_DIGITS]
        theirs = torch.randint(len(mnist), (MNIST_IMAGES,), generator=generator)
        images = to_input(torch.cat([digits.images[mine], mnist.images[theirs]])).to(place)
        labels = torch.cat([digits.labels[mine], mnist.labels[theirs]]).to(place)
        loss = fill_gradients(model, augment(images, generator, AUGMENTATION), labels)
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, loss)
    return model


@torch.no_grad()
def _blend(old: nn.Module, taught: nn.Module, share: float) -> nn.Module:
    """A model whose weights lie the given share of the way from the old to the taught ones."""
    blend = copy.deepcopy(taught)
    if share < 1:
        for weight, before in zip(blend.parameters(), old.parameters(), strict=True):
            weight.lerp_(before, 1 - share)
    return blend


def _right(model: nn.Module, split: Split) -> int:
    return int((predict(model, split.images).argmax(1) == split.labels).sum())


def _as_split(digits: Any) -> Split:
    labels = torch.as_tensor(digits.labels)
    if not labels.dtype.is_floating_point and labels.dtype != torch.bool:
        labels = labels.to(torch.int64)  # NumPy's are often of another width
    split = Split(torch.as_tensor(digits.images).cpu(), labels.cpu(), "the digits to teach")
    if not len(split):
        raise ValueError("there are no digits to teach: draw some first; three of each do well")
    return split


# ---- before and after


@dataclasses.dataclass(frozen=True)
class AdaptationReport:
    """How a model reads before and after it was taught: digits that it was not taught, and MNIST's test images.

    `print` shows it as a table.
    """

    digits_before: Evaluation | None  # None where no digit was kept apart
    digits_after: Evaluation | None
    mnist_before: Evaluation
    mnist_after: Evaluation

    def __str__(self) -> str:
        lines = [f"{'':26}{'before':>28}{'after':>28}"]
        for name, before, after in (
            ("my digits, not taught", self.digits_before, self.digits_after),
            ("MNIST test", self.mnist_before, self.mnist_after),
        ):
            if before is None or after is None:
                lines.append(f"{name:26}none kept apart yet: the third drawing of a digit will be")
            else:
                lines.append(f"{name:26}{_figures(before):>28}{_figures(after):>28}")
        return "\n".join(lines)


def compare(before: nn.Module, after: nn.Module, held_out: Any, test: Split) -> AdaptationReport:
    """Read the digits that were not used for teaching, and MNIST's test images, with both models.

    Args:
        before, after: the model given to `adapt`, and the one it returned.
        held_out: like `digits` of `adapt`, but others, such as the second part of `MyDigits.split()`; may be empty.
        test: `data.test`.

    Raises:
        ValueError: for images or labels of another kind.
    """
    kept = _as_split(held_out) if len(held_out.labels) else None
    mine = [None if kept is None else evaluate(model, kept) for model in (before, after)]
    return AdaptationReport(mine[0], mine[1], evaluate(before, test), evaluate(after, test))


def _figures(evaluation: Evaluation) -> str:
    low, high = evaluation.interval
    return f"{evaluation.accuracy:.1%} ({evaluation.correct:,} of {len(evaluation.labels):,}; {low:.1%} to {high:.1%})"


def taught_path(path: str | Path, folder: str | Path | None = None) -> Path:
    """A free name beside the original's, `model.safetensors` -> `model.my-hand.safetensors`, then `.my-hand-2` and on.

    Args:
        path: the model that was taught, or where one that ships with the package comes from.
        folder: another folder than the original's.
    """
    path = Path(path)
    stem = path.stem.partition(".my-hand")[0]
    place = path.parent if folder is None else Path(folder)
    number = 1
    while True:
        ending = "" if number == 1 else f"-{number}"
        proposal = place / f"{stem}.my-hand{ending}.safetensors"
        if not proposal.exists():
            return proposal
        number += 1
