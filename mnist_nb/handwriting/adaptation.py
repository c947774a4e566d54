"""Teaching a model one person's hand from a few drawings, without letting it forget everybody
else's."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.data import CLASSES, Mnist, Split
from mnist_nb.data.arguments import Between, Seed, Share, check_arguments
from mnist_nb.evaluation import Evaluation, evaluate
from mnist_nb.handwriting.augmentation import ELASTIC
from mnist_nb.models import Cnn, Mlp, choose_device, one_thread, predict, to_input
from mnist_nb.training.learning_rate import schedule_factor
from mnist_nb.training.optimizers import Adam

DIGITS_PER_STEP = 96  # of the reader's, each several times, and each time moved in another way
MAX_OF_ONE = 4
MNIST_PER_STEP = 64
UNSURE_PER_STEP = (
    16  # of these, from the tenth that the model was least sure of, where forgetting begins
)
USES = 4  # of each moved image, for moving it and convolving it takes nearly all of the time
SHARES = tuple(
    share / 20 for share in range(20, 0, -1)
)  # of the way from the old weights to the taught ones


class ForgettingWarning(UserWarning):
    """What was taught would have cost too much of what was known; the old weights were returned."""


@check_arguments
def adapt(
    model: nn.Module,
    digits: Any,
    data: Mnist,
    *,
    steps: Annotated[int, Between(1, 100_000)] = 150,
    learning_rate: Annotated[float, Between(1e-6, 10)] = 0.002,
    max_forgetting: Share = 0.005,
    seed: Seed = 0,
    device: str | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """A new model that has learnt these digits as well; the one given stays as it is.

    The fully connected layers learn; convolutions and their normalisation stay, for what a stroke
    looks like is known. Each step takes some of the digits and some images of MNIST, all moved a
    little. What is wanted of MNIST's is what the model said of them before (Z. Li and D. Hoiem,
    "Learning without Forgetting", 2016).

    What it costs is measured on MNIST's validation images. Where the share of them read right falls
    by more than `max_forgetting`, a margin for other images included, the weights go only as far
    from the old to the taught ones as that allows (M. Wortsman et al., "Robust fine-tuning of
    zero-shot models", 2022); if even the first twentieth costs too much, the old weights are
    returned with a warning.

    Args:
        model: an `Mlp` or `Cnn`, from `build_model`, `load_checkpoint` or `load_pretrained`.
        digits: anything with `.images` uint8 `[N, 28, 28]` and `.labels` `[N]`, tensors or arrays:
            `MyDigits`, a `Split`. Three drawings of each digit do well.
        data: from `load_mnist`.
        steps: batches to learn from, 1 to 100,000.
        learning_rate: of Adam at the start, 1e-6 to 10; it falls to 0 along a cosine.
        max_forgetting: how far the share of MNIST read right may fall, in [0, 1].
        seed: the same seed gives the same model; PyTorch's own generator is not used.
        device: "cpu", "cuda" or "mps"; None stays where the model is.
        on_step: called after every step with the steps done and the batch's loss. What it raises
            ends the teaching.

    Returns:
        The taught model in evaluation mode, on the device.

    Raises:
        ValueError: for no digits, images or labels of another kind, or a number out of its range.
        TypeError: for a model of another kind.
    """
    if not isinstance(model, Mlp | Cnn):
        raise TypeError(
            f"expected an Mlp or a Cnn, such as build_model makes, got {type(model).__name__}"
        )
    taught_digits = _as_split(digits)
    for split, use in (
        (data.train, "are learnt again"),
        (data.validation, "show what is forgotten"),
    ):
        if not len(split):
            raise ValueError(f"the {split.name} split is empty, but must hold images: they {use}")
    predict(model, data.validation.images[:1])  # what the model cannot do is said here
    place = choose_device(device) if device else next(model.parameters()).device
    taught = copy.deepcopy(model).to(place).eval()
    head = _head(taught)
    old = copy.deepcopy(head.state_dict())
    validation = _features(taught, to_input(data.validation.images.to(place)))
    was_right = _is_right(head, validation, data.validation.labels)
    generator = torch.Generator().manual_seed(seed)
    optimizer = Adam(head.parameters())
    with one_thread():
        for step, (features, wanted) in enumerate(
            _batches(taught, taught_digits, data.train, steps, generator)
        ):
            head.zero_grad()
            loss = functional.cross_entropy(head(features), wanted)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step(learning_rate * schedule_factor("cosine", step / steps))
            if on_step is not None:
                on_step(step + 1, loss.item())

    new = copy.deepcopy(head.state_dict())
    for share in SHARES:
        head.load_state_dict({name: torch.lerp(old[name], new[name], share) for name in old})
        is_right = _is_right(head, validation, data.validation.labels)
        if _keeps(was_right, is_right, max_forgetting):
            return taught
    head.load_state_dict(old)
    before, after = (float(right.nan_to_num().mean()) for right in (was_right, is_right))
    warnings.warn(
        f"the old weights were kept: a twentieth of what was taught would already bring MNIST from {before:.2%} to "
        f"{after:.2%} read right (validation images), and it may fall by {max_forgetting:.2%} at most; check the "
        "labels of the digits, or teach with a lower learning rate",
        ForgettingWarning,
        stacklevel=3,  # past check_arguments
    )
    return taught


def _head(model: Mlp | Cnn) -> nn.Sequential:
    """The model's fully connected layers, still its own, with a ReLU before each: features are
    never below 0."""
    return nn.Sequential(*(part for layer in model.linear_layers for part in (nn.ReLU(), layer)))


@torch.no_grad()
def _features(model: Mlp | Cnn, images: Tensor) -> Tensor:
    """What arrives at the fully connected layers, `[N, inputs]`; in pieces that fit a processor's
    cache."""
    return torch.cat([model.features(piece) for piece in torch.split(images, 100)])


def _batches(
    model: Mlp | Cnn, digits: Split, mnist: Split, steps: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each step what arrives at the head, `[batch, inputs]`, and the probabilities wanted,
    `[batch, 10]`."""
    pools, head, place = [], _head(model), next(model.parameters()).device
    for split, count in (
        (digits, min(DIGITS_PER_STEP, MAX_OF_ONE * len(digits))),
        (mnist, MNIST_PER_STEP),
    ):
        total = max(count, count * steps // USES)
        drawn = torch.randint(len(mnist), (total,), generator=generator)
        if split is digits:
            drawn = torch.arange(total) % len(digits)  # each as often as the others
        features = _features(model, ELASTIC(to_input(split.images[drawn].to(place)), generator))
        with torch.no_grad():
            wanted = functional.softmax(head(features), dim=1)
        if split is digits:
            wanted = functional.one_hot(split.labels[drawn].to(place), CLASSES).float()
        pools.append((features, wanted, count))
    (mine, mine_wanted, count), (theirs, theirs_wanted, _) = pools
    unsure = theirs_wanted.amax(1).argsort()[: max(1, len(theirs) // 10)].cpu()
    for _ in range(steps):
        some = torch.randint(len(mine), (count,), generator=generator)
        others = torch.randint(
            len(theirs), (MNIST_PER_STEP - UNSURE_PER_STEP,), generator=generator
        )
        doubtful = unsure[torch.randint(len(unsure), (UNSURE_PER_STEP,), generator=generator)]
        others = torch.cat([others, doubtful])
        yield (
            torch.cat([mine[some], theirs[others]]),
            torch.cat([mine_wanted[some], theirs_wanted[others]]),
        )


@torch.no_grad()
def _is_right(head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """1 for each image that is read right, else 0, float64 `[N]`; NaN for all if an answer is no
    number."""
    logits = head(features)
    right: Tensor = (logits.argmax(1).cpu() == labels).double()
    return right if bool(logits.isfinite().all()) else right * math.nan


def _keeps(before: Tensor, after: Tensor, max_forgetting: float) -> bool:
    """Whether the share read right has surely not fallen further: two standard errors are added to
    what was measured.

    At most half of what is allowed, though, or a few hundred validation images would forbid
    everything.
    """
    lost = before - after  # of each image: -1 where it was won
    error = math.sqrt(lost.abs().sum()) / len(lost)  # of two answers to the same images
    return bool(lost.mean() + min(2 * error, max_forgetting / 2) <= max_forgetting)


def _as_split(digits: Any) -> Split:
    try:
        images, labels = (torch.as_tensor(part).cpu() for part in (digits.images, digits.labels))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"digits must have .images and .labels, tensors or arrays, as a Split has: {error}"
        ) from error
    if not labels.dtype.is_floating_point and labels.dtype != torch.bool:
        labels = labels.to(torch.int64)  # NumPy's are often of another width
    split = Split(images, labels, "the digits to teach")
    if not len(split):
        raise ValueError("there are no digits to teach: draw some first; three of each do well")
    return split


# ---- before and after


class AdaptationReport(NamedTuple):
    """How a model reads before and after it was taught: digits that it was not taught, and MNIST's
    test images.

    `print` shows it as a table.
    """

    digits_before: Evaluation | None  # None where no digit was kept apart
    digits_after: Evaluation | None
    mnist_before: Evaluation
    mnist_after: Evaluation

    def __str__(self) -> str:
        lines = [f"{'':22}{'before':>46}{'after':>46}"]
        if self.digits_before is None or self.digits_after is None:
            lines.append(
                "my digits, not taught none kept apart yet: the third drawing of a digit will be"
            )
        else:
            lines.append(
                f"my digits, not taught {_figures(self.digits_before)}{_figures(self.digits_after)}"
            )
        return "\n".join(
            [*lines, f"{'MNIST test':22}{_figures(self.mnist_before)}{_figures(self.mnist_after)}"]
        )


@check_arguments
def compare_before_after(
    before: nn.Module, after: nn.Module, held_out: Any, test: Split
) -> AdaptationReport:
    """Read the digits that were not used for teaching, and MNIST's test images, with both models.

    Args:
        before, after: the model given to `adapt`, and the one it returned.
        held_out: like `digits` of `adapt`, but others, such as the second part of
            `MyDigits.split()`; may be empty.
        test: `data.test`.

    Raises:
        ValueError: for images or labels of another kind.
    """
    kept = None if hasattr(held_out, "labels") and not len(held_out.labels) else _as_split(held_out)
    mine = [None if kept is None else evaluate(model, kept) for model in (before, after)]
    return AdaptationReport(mine[0], mine[1], evaluate(before, test), evaluate(after, test))


def _figures(evaluation: Evaluation) -> str:
    (low, high), total = evaluation.interval, len(evaluation.labels)
    text = f"{evaluation.accuracy:.1%} ({evaluation.n_correct:,} of {total:,}; {low:.1%} to {high:.1%})"
    return f"{text:>46}"
