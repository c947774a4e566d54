"""Teaching a network your handwriting from a few drawings, without forgetting other people's."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.data import CLASSES, Mnist, Split
from mnist_nb.errors import check_range
from mnist_nb.evaluation import Evaluation, evaluate
from mnist_nb.handwriting.augmentation import ELASTIC
from mnist_nb.models import Network, choose_device, one_thread, predict, to_input
from mnist_nb.models.networks import as_maps
from mnist_nb.training.learning_rate import schedule_factor
from mnist_nb.training.optimizers import Adam

DIGITS_PER_STEP = 96  # of your digits, each moved differently
MAX_COPIES_PER_STEP = 4  # of one of your digits
MNIST_PER_STEP = 64
UNSURE_PER_STEP = 16  # of these: images that the network is unsure of are forgotten first
UNSURE_SHARE = 10  # one in ten of MNIST's images counts as unsure
USES = 4  # of each moved image: moving and convolving it takes nearly all of the time
BATCH_SIZE = 100  # images whose feature maps fit a processor's cache

SHARES = tuple(share / 20 for share in range(20, 0, -1))
"""Shares of the change from old to taught weights, in the order in which they are tried."""


class ForgettingWarning(UserWarning):
    """Teaching would have cost too much accuracy on MNIST, so the old weights were returned."""


def adapt(
    model: nn.Module,
    digits: Any,
    data: Mnist,
    *,
    steps: int = 150,
    learning_rate: float = 0.002,
    max_forgetting: float = 0.005,
    seed: int = 0,
    device: str | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Return a copy of the model that has also learned these digits.

    Only the first fully connected layer and those after it are trained. Convolutions and their
    normalization are kept, because they already recognize strokes. Each step uses some of the
    digits and some images of MNIST, all moved a little. The targets of MNIST's images are the
    model's own earlier predictions (Z. Li and D. Hoiem, "Learning without Forgetting", 2016).

    Forgetting is measured on MNIST's validation images. If accuracy falls by more than
    `max_forgetting`, including a margin for other images, only a part of the change of the weights
    is kept (M. Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). If even a
    twentieth of the change costs too much, the old weights are returned with a warning.

    Args:
        model: from `build_model`, `load_checkpoint` or `load_pretrained`.
        digits: anything with `.images` uint8 `[N, 28, 28]` and `.labels` `[N]`, tensors or arrays:
            `MyDigits`, a `Split`. Three drawings of each digit are enough.
        data: from `load_mnist`.
        steps: batches to learn from, 1 to 100,000.
        learning_rate: the initial rate of Adam, 1e-6 to 10; it falls to 0 along a cosine.
        max_forgetting: the acceptable fall of accuracy on MNIST, in [0, 1].
        seed: the same seed gives the same model; PyTorch's global generator is not used.
        device: "cpu", "cuda" or "mps"; None keeps the model's device.
        on_step: called after every step with the number of finished steps and the batch's loss. An
            exception in it stops the teaching.

    Returns:
        The taught model in evaluation mode, on the device.

    Raises:
        ValueError: if there are no digits, images or labels are invalid, or a number is out of
            range.
        TypeError: if the model is not a `Network`.
    """
    check_range("steps", steps, 1, 100_000)
    check_range("learning_rate", learning_rate, 1e-6, 10)
    check_range("max_forgetting", max_forgetting, 0, 1)
    check_range("seed", seed, 0, 2**63 - 1)
    if not isinstance(model, Network):
        raise TypeError(
            f"model must be a Network, such as build_model makes, got {type(model).__name__}"
        )
    lesson = _as_split(digits)
    _check_not_empty(data.train, "they are learned again")
    _check_not_empty(data.validation, "they show what is forgotten")
    predict(model, data.validation.images[:1])  # raises if the model cannot predict

    target_device = choose_device(device) if device else next(model.parameters()).device
    taught = copy.deepcopy(model).to(target_device).eval()
    classifier = _classifier(taught)
    validation = _features(taught, _inputs(data.validation, target_device))
    labels = data.validation.labels
    old_weights = _copy_weights(classifier)
    was_correct = _correctness(classifier, validation, labels)

    generator = torch.Generator().manual_seed(seed)
    batches = _make_batches(taught, lesson, data.train, steps, generator)
    _teach(classifier, batches, steps, learning_rate, on_step)

    new_weights = _copy_weights(classifier)
    for share in SHARES:
        _set_weights(classifier, _interpolate(old_weights, new_weights, share))
        is_correct = _correctness(classifier, validation, labels)
        if _is_kept(was_correct, is_correct, max_forgetting):
            return taught
    _set_weights(classifier, old_weights)
    _warn_of_forgetting(was_correct, is_correct, max_forgetting)
    return taught


def _check_not_empty(split: Split, use: str) -> None:
    if not len(split):
        raise ValueError(f"the {split.name} split must not be empty: {use}")


def _inputs(split: Split, device: torch.device, rows: Tensor | None = None) -> Tensor:
    """Return the images of a split, or of these rows of it, as input of a network."""
    images = split.images if rows is None else split.images[rows]
    return to_input(images.to(device))


def _layers_around_classifier(network: Network) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the layers before the first fully connected one, and all others."""
    layers = list(network.layers.values())
    first = layers.index(network.linear_layers[0])
    return layers[:first], layers[first:]


def _classifier(network: Network) -> nn.Sequential:
    """Return the layers to train, which belong to the network itself."""
    return nn.Sequential(*_layers_around_classifier(network)[1])


@torch.no_grad()
def _features(network: Network, images: Tensor) -> Tensor:
    """Return the classifier's inputs for images in [0, 1], `[N, inputs]`."""
    batches = torch.split(images, BATCH_SIZE)
    body = nn.Sequential(*_layers_around_classifier(network)[0])
    return torch.cat([body(as_maps(batch)) for batch in batches])


# ---- teaching


class _Pool(NamedTuple):
    """Moved images from which batches are drawn."""

    features: Tensor  # [image, inputs] of the classifier
    targets: Tensor  # [image, digit], the probabilities to learn


def _make_digit_pool(
    network: Network, digits: Split, count: int, generator: torch.Generator
) -> _Pool:
    """Move each of your digits equally often. The targets are the labels."""
    device = next(network.parameters()).device
    rows = torch.arange(count) % len(digits)
    moved = ELASTIC(_inputs(digits, device, rows), generator)
    labels = digits.labels[rows].to(device)
    return _Pool(_features(network, moved), functional.one_hot(labels, CLASSES).float())


def _make_mnist_pool(
    network: Network, mnist: Split, count: int, generator: torch.Generator
) -> _Pool:
    """Move images of MNIST. The targets are the network's own predictions."""
    device = next(network.parameters()).device
    rows = torch.randint(len(mnist), (count,), generator=generator)
    moved = ELASTIC(_inputs(mnist, device, rows), generator)
    features = _features(network, moved)
    with torch.no_grad():
        targets = functional.softmax(_classifier(network)(features), dim=1)
    return _Pool(features, targets)


def _make_batches(
    network: Network, digits: Split, mnist: Split, steps: int, generator: torch.Generator
) -> Iterator[_Pool]:
    """Draw a batch for each step from pools of images that are moved once."""
    digits_per_step = min(DIGITS_PER_STEP, MAX_COPIES_PER_STEP * len(digits))
    digit_count = max(digits_per_step, digits_per_step * steps // USES)
    mnist_count = max(MNIST_PER_STEP, MNIST_PER_STEP * steps // USES)
    torch.randint(len(mnist), (digit_count,), generator=generator)  # unused: keeps results the same
    digit_pool = _make_digit_pool(network, digits, digit_count, generator)
    mnist_pool = _make_mnist_pool(network, mnist, mnist_count, generator)
    unsure_first = mnist_pool.targets.amax(dim=1).argsort().cpu()
    unsure = unsure_first[: max(1, mnist_count // UNSURE_SHARE)]
    any_per_step = MNIST_PER_STEP - UNSURE_PER_STEP
    for _ in range(steps):
        digit_rows = torch.randint(digit_count, (digits_per_step,), generator=generator)
        any_rows = torch.randint(mnist_count, (any_per_step,), generator=generator)
        unsure_picks = torch.randint(len(unsure), (UNSURE_PER_STEP,), generator=generator)
        mnist_rows = torch.cat([any_rows, unsure[unsure_picks]])
        features = [digit_pool.features[digit_rows], mnist_pool.features[mnist_rows]]
        targets = [digit_pool.targets[digit_rows], mnist_pool.targets[mnist_rows]]
        yield _Pool(torch.cat(features), torch.cat(targets))


def _teach(
    classifier: nn.Module,
    batches: Iterator[_Pool],
    steps: int,
    learning_rate: float,
    on_step: Callable[[int, float], None] | None,
) -> None:
    optimizer = Adam(classifier.parameters())
    with one_thread():
        for step, (features, targets) in enumerate(batches):
            classifier.zero_grad()
            loss = functional.cross_entropy(classifier(features), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step(learning_rate * schedule_factor("cosine", step / steps))
            if on_step is not None:
                on_step(step + 1, loss.item())


# ---- forgetting


def _copy_weights(classifier: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in classifier.parameters()]


def _interpolate(old: Sequence[Tensor], new: Sequence[Tensor], share: float) -> list[Tensor]:
    return [torch.lerp(start, end, share) for start, end in zip(old, new, strict=True)]


@torch.no_grad()
def _set_weights(classifier: nn.Module, weights: Sequence[Tensor]) -> None:
    for parameter, weight in zip(classifier.parameters(), weights, strict=True):
        parameter.copy_(weight)


@torch.no_grad()
def _correctness(classifier: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """Return 1 for each image that is read correctly, else 0, float64 `[N]`.

    If a logit is not finite, all are NaN.
    """
    logits = classifier(features)
    correct: Tensor = (logits.argmax(1).cpu() == labels).double()
    if not bool(logits.isfinite().all()):
        return correct * math.nan
    return correct


def _is_kept(before: Tensor, after: Tensor, max_forgetting: float) -> bool:
    """Return whether accuracy has certainly not fallen more than allowed.

    Two standard errors are added to the measured fall, but at most half of the allowed fall:
    otherwise a few hundred validation images would never be enough.
    """
    lost = before - after  # -1 for an image that was misread before
    standard_error = math.sqrt(lost.abs().sum()) / len(lost)  # of the answers to each image
    margin = min(2 * standard_error, max_forgetting / 2)
    return bool(lost.mean() + margin <= max_forgetting)


def _warn_of_forgetting(before: Tensor, after: Tensor, max_forgetting: float) -> None:
    accuracy_before = float(before.nan_to_num().mean())
    accuracy_after = float(after.nan_to_num().mean())
    warnings.warn(
        "the old weights were kept: even a twentieth of the way to the taught ones brings accuracy "
        f"on MNIST from {accuracy_before:.2%} to {accuracy_after:.2%} (validation images), and it "
        f"may fall by {max_forgetting:.2%} at most; check the labels of the digits, or use a lower "
        "learning rate",
        ForgettingWarning,
        stacklevel=3,
    )


def _as_split(digits: Any) -> Split:
    try:
        images = torch.as_tensor(digits.images).cpu()
        labels = torch.as_tensor(digits.labels).cpu()
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"digits must have .images and .labels, tensors or arrays, as a Split has: {error}"
        ) from error
    if not labels.dtype.is_floating_point and labels.dtype != torch.bool:
        labels = labels.to(torch.int64)  # NumPy's integers often have another width
    split = Split(images, labels, "the digits to teach")
    if not len(split):
        raise ValueError("there are no digits to teach: draw some first, three of each if you can")
    return split


# ---- before and after

COLUMN_WIDTHS = (22, 46)  # widths in the report: of the names, and of each column of figures


class AdaptationReport(NamedTuple):
    """The accuracy of a model before and after teaching. `print` shows it as a table.

    Attributes:
        digits_before, digits_after: on digits that were not taught; None if there are none.
        mnist_before, mnist_after: on MNIST's test images.
    """

    digits_before: Evaluation | None
    digits_after: Evaluation | None
    mnist_before: Evaluation
    mnist_after: Evaluation

    def __str__(self) -> str:
        lines = [_row("", "before", "after")]
        if self.digits_before is None or self.digits_after is None:
            lines.append(
                "my digits, not taught none kept apart yet: the third drawing of a digit will be"
            )
        else:
            figures = _figures(self.digits_before), _figures(self.digits_after)
            lines.append(_row("my digits, not taught", *figures))
        lines.append(_row("MNIST test", _figures(self.mnist_before), _figures(self.mnist_after)))
        return "\n".join(lines)


def compare_before_after(
    before: nn.Module, after: nn.Module, held_out: Any, test: Split
) -> AdaptationReport:
    """Evaluate both models on digits that were not used for teaching, and on MNIST's test images.

    Args:
        before, after: the model given to `adapt`, and the one it returned.
        held_out: digits that were not taught, such as the second part of `MyDigits.split()`. It
            can be empty.
        test: `data.test`.

    Raises:
        ValueError: if images or labels are invalid.
    """
    digits_before = digits_after = None
    is_empty = hasattr(held_out, "labels") and len(held_out.labels) == 0
    if not is_empty:
        digits = _as_split(held_out)
        digits_before, digits_after = evaluate(before, digits), evaluate(after, digits)
    return AdaptationReport(
        digits_before, digits_after, evaluate(before, test), evaluate(after, test)
    )


def _row(name: str, *figures: str) -> str:
    name_width, figure_width = COLUMN_WIDTHS
    columns = [name.ljust(name_width)]
    for figure in figures:
        columns.append(figure.rjust(figure_width))
    return "".join(columns)


def _figures(evaluation: Evaluation) -> str:
    low, high = evaluation.interval
    correct, total = evaluation.n_correct, len(evaluation.labels)
    return f"{evaluation.accuracy:.1%} ({correct:,} of {total:,}; {low:.1%} to {high:.1%})"
