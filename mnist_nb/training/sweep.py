"""A sweep: several networks trained side by side, with settings of their own, in one pass over the images for all."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from mnist_nb.data import CLASSES, Mnist
from mnist_nb.models import build_model, loss_and_accuracy, to_input
from mnist_nb.training.augmentation import augment
from mnist_nb.training.hyperparameters import Hyperparameters
from mnist_nb.training.run import DIVERGENCE_LOSS, EpochRecord, epoch_order, generator_of, schedule_factor

MAY_DIFFER = ("learning_rate", "momentum", "schedule")


@dataclasses.dataclass
class Member:
    """One network of a sweep, and what became of it."""

    hyperparameters: Hyperparameters
    model: nn.Module
    records: list[EpochRecord]  # of the epochs before it diverged, if it did
    diverged: bool = False  # then the model has the weights that its last epoch began with


def sweep(
    data: Mnist, settings: Sequence[Hyperparameters], *, on_epoch: Callable[[int], None] | None = None
) -> list[Member]:
    """Train a network for each of the settings, all at once, on the CPU.

    All begin with the same weights, those of `build_model("mlp", seed=seed)`, and see the same batches in the same
    order, so that each ends where a `TrainingRun` of its own would, up to the last digits of floating-point
    arithmetic. The networks are stacked: what a step does, it does to all of a stack in one call. There is a stack
    for each of PyTorch's threads, and threads meet only after an epoch, which is cheap; after a product it is not.

    Args:
        data: its training split is learnt, its validation split measured after each epoch.
        settings: they may differ in learning rate, momentum and schedule; the optimiser is "sgd".
        on_epoch: called after each epoch with the number of epochs done.

    Raises:
        ValueError: for no settings, or some that cannot be trained side by side.
    """
    common = _check(settings)
    members = [Member(each, build_model(seed=common.seed), []) for each in settings]
    threads = torch.get_num_threads()
    count = min(threads, len(members))
    stacks = [_Stack(members[first::count]) for first in range(count)]
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for epoch in range(common.epochs):
                list(pool.map(lambda stack, epoch=epoch: _train(stack, data, epoch), stacks))
                if on_epoch is not None:
                    on_epoch(epoch + 1)
    finally:
        torch.set_num_threads(threads)  # also what threads yet to come begin with
    return members


def _train(stack: _Stack, data: Mnist, epoch: int) -> None:
    """One epoch, counted from 0, of the networks of a stack."""
    started = time.perf_counter()
    good = stack.parameters.clone()
    common = stack.members[0].hyperparameters
    steps = math.ceil(len(data.train) / common.batch_size)
    sizes: list[int] = []
    losses: list[list[float]] = []
    for images, labels in _batches(data, common, epoch):
        progress = (epoch + len(sizes) / steps) / common.epochs
        sizes.append(len(labels))
        losses.append(stack.fill_gradients(images, labels))
        rates = []
        for place, (member, loss) in enumerate(zip(stack.members, losses[-1], strict=True)):
            if not loss < DIVERGENCE_LOSS and not member.diverged:  # NaN included
                member.diverged = True
                stack.parameters[place] = good[place]
                stack.velocities[place] = 0
            factor = schedule_factor(member.hyperparameters.schedule, progress)
            rates.append(0.0 if member.diverged else member.hyperparameters.learning_rate * factor)
        stack.step(rates)
    stack.unstack()
    for place, member in enumerate(stack.members):
        if not member.diverged:
            own = np.array(losses)[:, place]
            validation = loss_and_accuracy(member.model, data.validation.images, data.validation.labels)
            mean, seconds = np.average(own, weights=sizes), time.perf_counter() - started
            record = EpochRecord(epoch + 1, float(mean), own.min(), own.max(), *validation, rates[place], seconds)
            member.records.append(record)


def _check(settings: Sequence[Hyperparameters]) -> Hyperparameters:
    if not settings:
        raise ValueError("a sweep needs at least one set of hyperparameters")
    first = settings[0]
    for field in dataclasses.fields(Hyperparameters):
        values = {getattr(each, field.name) for each in settings}
        if field.name not in MAY_DIFFER and len(values) > 1:
            raise ValueError(
                f"the settings of a sweep share their batches, so {field.name} must be the same in all, got "
                f"{', '.join(map(str, sorted(values)))}; only {', '.join(MAY_DIFFER)} may differ"
            )
    if first.network != "mlp" or first.optimizer != "sgd":
        raise ValueError(
            f'a sweep trains the network "mlp" with the optimizer "sgd", got {first.network!r} and {first.optimizer!r}'
        )
    return first


def _batches(data: Mnist, settings: Hyperparameters, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of an epoch, images as `to_input` gives them; those that a `TrainingRun` takes."""
    order = epoch_order(settings.seed, epoch, len(data.train))
    for batch, rows in enumerate(torch.split(order, settings.batch_size)):
        images, labels = to_input(data.train.images.index_select(0, rows)), data.train.labels.index_select(0, rows)
        if settings.augmentation != "none":
            generator = generator_of(settings.seed, epoch, 1 + batch)
            images = augment(images, generator, settings.augmentation, labels)
        yield images, labels


class _Stack:
    """The parameters of K networks of one shape, `[K, numbers]`, and their velocities.

    The gradients are those of `backpropagation.ManualBackprop`, with one dimension more: each product is a `baddbmm`.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        models, momenta = zip(*((member.model, member.hyperparameters.momentum) for member in members), strict=True)
        self.parameters = torch.stack([nn.utils.parameters_to_vector(model.parameters()).detach() for model in models])
        self.velocities = torch.zeros_like(self.parameters)
        self._shapes = [parameter.shape for parameter in models[0].parameters()]
        self._momenta = torch.tensor(momenta)[:, None]
        self._same_momentum = momenta[0] if len(set(momenta)) == 1 else None
        self._weights = self._views(self.parameters)
        self._gradients = self._views(self.velocities)
        self._identity = torch.eye(CLASSES)

    def _views(self, numbers: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of each layer the weights `[K, units, inputs]` and the biases `[K, units, 1]`."""
        views, begin = [], 0
        for shape in self._shapes:
            part = numbers[:, begin : begin + shape.numel()]
            views.append(part.view(-1, *shape, *([1] if len(shape) == 1 else [])))
            begin += shape.numel()
        return list(zip(views[::2], views[1::2], strict=True))

    @torch.inference_mode()
    def fill_gradients(self, images: Tensor, labels: Tensor) -> list[float]:
        """velocity <- momentum * velocity + gradient, for all; returns the mean loss of each on this batch."""
        keep = self._same_momentum
        if keep is None:  # one product adds to all its results the same share of what they held
            self.velocities.mul_(self._momenta)
            keep = 1.0
        count, members = len(labels), len(self.parameters)
        inputs = [images.flatten(1).t().expand(members, -1, -1)]
        for weight, bias in self._weights:
            inputs.append(torch.baddbmm(bias, weight, inputs[-1]))
            if len(inputs) <= len(self._weights):
                inputs[-1].relu_()
        log_probabilities = inputs.pop().log_softmax(1)
        one_hot = self._identity.index_select(1, labels)
        losses: list[float] = (log_probabilities * one_hot).sum((1, 2)).div_(-count).tolist()

        delta = log_probabilities.exp_().sub_(one_hot)
        for (weight, _), (by_weight, by_bias), below in zip(
            reversed(self._weights), reversed(self._gradients), reversed(inputs), strict=True
        ):
            torch.baddbmm(by_weight, delta, below.transpose(1, 2), beta=keep, alpha=1 / count, out=by_weight)
            by_bias.mul_(keep).add_(delta.sum(2, keepdim=True), alpha=1 / count)
            if below is not inputs[0]:
                delta = torch.bmm(weight.transpose(1, 2), delta).mul_(below.sign_())  # what fired is 1, the rest 0
        return losses

    def step(self, rates: Sequence[float]) -> None:
        """Move each network against its velocity, at its own rate."""
        self.parameters.addcmul_(self.velocities, torch.tensor(rates)[:, None], value=-1)

    def unstack(self) -> None:
        """Give the networks their weights."""
        for member, numbers in zip(self.members, self.parameters, strict=True):
            nn.utils.vector_to_parameters(numbers.clone(), member.model.parameters())
