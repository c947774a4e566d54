"""Teaching a model one person's hand from a few drawings, without letting it forget everybody else's."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.augmentation import augment
from mnist_nb.data import Mnist, Split
from mnist_nb.evaluation import Evaluation, evaluate
from mnist_nb.models import CLASSES, Cnn, Mlp, choose_device, to_input
from mnist_nb.training import schedule_factor

DIGITS_PER_STEP = 96  # of the reader's
MNIST_PER_STEP = 64
AUGMENTATION = "affine"
USES = 4  # of an image that went through convolutions, which take nearly all of the time
SHARES = tuple(share / 20 for share in range(20, 0, -1))  # of the way from the old weights to the taught ones


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

    The fully connected layers learn; convolutions and their normalisation stay, for what a stroke looks like is known.
    Each step takes some of the digits and some images of MNIST, all moved a little. What is wanted for MNIST's is half
    their label and half what the model said before (Z. Li and D. Hoiem, "Learning without Forgetting", 2016).

    What it costs is measured on MNIST's validation images. Where they are read worse by more than `max_forgetting`, the
    weights go only as far from the old to the taught ones as it allows (M. Wortsman et al., "Robust fine-tuning of
    zero-shot models", 2022); if even the first twentieth costs too much, the old weights are returned with a warning.

    Args:
        model: an `Mlp` or `Cnn`, from `build_model`, `load_checkpoint` or `load_pretrained`.
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
        TypeError: for a model of another kind.
    """
    if not isinstance(model, Mlp | Cnn):
        raise TypeError(f"expected an Mlp or a Cnn, such as build_model makes, got {type(model).__name__}")
    taught_digits = _as_split(digits)
    for name, value, fits in (
        ("steps", steps, steps >= 1),
        ("learning_rate", learning_rate, 0 < learning_rate < math.inf),
        ("max_forgetting", max_forgetting, 0 <= max_forgetting <= 1),
    ):
        if not fits:
            raise ValueError(f"{name} is out of range: got {value!r}")
    place = choose_device(device) if device else next(model.parameters()).device
    taught = copy.deepcopy(model).to(place).eval()
    body, head = _body(taught), _head(taught)
    old = [weight.detach().clone() for weight in head.parameters()]
    validation = _features(body, to_input(data.validation.images.to(place)))
    right_before = _right(head, validation, data.validation.labels)
    generator = torch.Generator().manual_seed(seed)
    batches = _batches(body, head, taught_digits, data.train, steps, generator, place)
    with _one_thread():
        _teach(head, batches, steps, learning_rate, on_step)

    new = [weight.detach().clone() for weight in head.parameters()]
    least = max(right_before - max_forgetting * len(data.validation), 0)
    for share in SHARES:
        _set_weights(head, [torch.lerp(before, after, share) for before, after in zip(old, new, strict=True)])
        right = _right(head, validation, data.validation.labels)
        if right >= least:
            return taught
    _set_weights(head, old)
    before, after = right_before / len(data.validation), max(right, 0) / len(data.validation)
    warnings.warn(
        f"the old weights were kept: a twentieth of what was taught would already bring MNIST from {before:.2%} to "
        f"{after:.2%} read right (validation images), and it may fall by {max_forgetting:.2%} at most; check the "
        "labels of the digits, or teach with a lower learning rate",
        ForgettingWarning,
        stacklevel=2,
    )
    return taught


def _head(model: nn.Module) -> nn.Sequential:
    """The model's fully connected layers, which keep belonging to it, with ReLU between them."""
    layers = [layer for layer in model.children() if isinstance(layer, nn.Linear)]
    return nn.Sequential(*(part for layer in layers for part in (nn.ReLU(), layer)))


def _body(model: nn.Module) -> nn.Module:
    """The model without its fully connected layers. What comes out is never below 0, so their ReLUs change nothing."""
    body = copy.deepcopy(model)
    for name, layer in list(body.named_children()):
        if isinstance(layer, nn.Linear):
            setattr(body, name, nn.Identity())
    return body


@torch.no_grad()
def _features(body: nn.Module, images: Tensor) -> Tensor:
    """What arrives at the fully connected layers, `[N, inputs]`; in pieces that fit a processor's cache."""
    return torch.cat([body(piece) for piece in torch.split(images, 100)])


def _batches(
    body: nn.Module,
    head: nn.Module,
    digits: Split,
    mnist: Split,
    steps: int,
    generator: torch.Generator,
    place: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each step what arrives at the head, `[160, inputs]`, and the probabilities wanted of it, `[160, 10]`."""
    uses = USES if any(True for _ in body.parameters()) else 1
    pools = []
    for split, count in ((digits, DIGITS_PER_STEP), (mnist, MNIST_PER_STEP)):
        drawn = torch.arange(max(count, count * steps // uses)) % len(split)
        if split is mnist:
            drawn = torch.randint(len(split), drawn.shape, generator=generator)
        images = augment(to_input(split.images[drawn].to(place)), generator, AUGMENTATION)
        wanted = functional.one_hot(split.labels[drawn].to(place), CLASSES).float()
        pools.append((count, _features(body, images), wanted))
    with torch.no_grad():
        _, features, wanted = pools[1]
        wanted += functional.softmax(head(features), dim=1)
        wanted /= 2
    for _ in range(steps):
        picked = [torch.randint(len(wanted), (count,), generator=generator).to(place) for count, _, wanted in pools]
        yield (
            torch.cat([features[at] for at, (_, features, _) in zip(picked, pools, strict=True)]),
            torch.cat([wanted[at] for at, (_, _, wanted) in zip(picked, pools, strict=True)]),
        )


def _teach(
    head: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    steps: int,
    learning_rate: float,
    on_step: Callable[[int, float], None] | None,
) -> None:
    optimizer = torch.optim.AdamW(head.parameters(), lr=learning_rate, fused=True)
    for step, (features, wanted) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * schedule_factor("cosine", step / steps)
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(features), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, loss.item())
    optimizer.zero_grad()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread: in so small a step two wait for each other longer than they compute, on a busy machine by far."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def _set_weights(head: nn.Module, weights: list[Tensor]) -> None:
    for parameter, weight in zip(head.parameters(), weights, strict=True):
        parameter.copy_(weight)


@torch.no_grad()
def _right(head: nn.Module, features: Tensor, labels: Tensor) -> int:
    """How many are read right; -1 if an answer is no number, whatever the guesses."""
    logits = head(features)
    return int((logits.argmax(1).cpu() == labels).sum()) if bool(logits.isfinite().all()) else -1


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
