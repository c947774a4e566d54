"""Training: a run that goes one batch at a time and can be stopped and resumed exactly."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mnist_nb.data import Mnist, check_arguments
from mnist_nb.errors import MnistNbError
from mnist_nb.handwriting.negatives import make_negatives, rejection_gradients
from mnist_nb.handwriting.refusal import has_learnt_to_refuse
from mnist_nb.models import (
    Network,
    build_model,
    choose_device,
    loss_and_accuracy,
    predict,
    to_input,
)
from mnist_nb.models.runtime import defer_interrupts, explain_out_of_memory, one_thread
from mnist_nb.training.augmentation import augment
from mnist_nb.training.backpropagation import choose_gradient_fn
from mnist_nb.training.hyperparameters import Hyperparameters
from mnist_nb.training.optimizers import Adam, Optimizer, Sgd
from mnist_nb.training.plain import generator_of, permutation


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """What one epoch of training did. Losses are mean cross-entropies per image, in nats."""

    epoch: int  # counted from 1
    mean_loss: float  # over the epoch's batches, each weighted by its images, as they were met
    min_loss: float  # of one batch
    max_loss: float
    validation_loss: float
    validation_accuracy: float  # in [0, 1]
    learning_rate: float  # of the epoch's last step
    seconds: float  # spent on the epoch, without pauses


DIVERGENCE_LOSS = 100.0
"""A batch's mean loss in nats above which a run has diverged. Guessing blindly costs ln 10 = 2.3; a
network that gives the right digits e^-100 has been thrown so far that its units stay dead, even
where the numbers stay finite."""


class TrainingDivergedError(MnistNbError, ArithmeticError):
    """The loss exploded, or became NaN or infinite. The model has been given back its last good
    weights."""


class TrainingRun:
    """One run of training, which goes batch by batch and can be stopped anywhere and resumed
    exactly.

    Nothing random is carried from batch to batch: the order of an epoch and the augmentation of a
    batch are drawn from generators seeded by (seed, epoch, batch). So a position in the run is two
    numbers, and a run that was stopped and resumed ends with the weights, bit for bit, of one that
    was not, on the same machine with the same number of threads.

    Args:
        model: trained in place, and moved to the device.
        data: its training split is learnt, its validation split measured after each epoch.
        hyperparameters: the settings; the model given is trained, whatever
            `hyperparameters.network` says.
        device: "cpu", "cuda" or "mps"; None chooses.

    Raises:
        ValueError: for a training or validation split without an image.
    """

    @check_arguments
    def __init__(
        self,
        model: nn.Module,
        data: Mnist,
        hyperparameters: Hyperparameters,
        *,
        device: str | None = None,
    ) -> None:
        for split in (data.train, data.validation):  # its contents were checked where it was made
            if len(split) == 0:
                raise ValueError(
                    f"the {split.name} split is empty: training needs at least one image in it"
                )
        self.device = choose_device(device)
        if hyperparameters.augmentation == "handwriting" and isinstance(model, Network):
            model.add_reject(hyperparameters.seed)
        self.model = model.to(self.device)
        self._learns_to_refuse = has_learnt_to_refuse(model)
        self.data = data
        self.hyperparameters = hyperparameters
        self.learning_rate_changes: list[tuple[int, float]] = []  # (step of the run, new rate)
        self.records: list[EpochRecord] = []
        self.batch_losses: list[float] = []  # of every step since the run began
        self.first_epoch = 0  # epochs that earlier runs had given these weights
        self.epoch = 0  # epochs finished, those included
        self.batch = 0  # batches done of the epoch under way
        self.diverged = False
        self.optimizer = _make_optimizer(model, hyperparameters)
        self._fill_gradients = choose_gradient_fn(model, self.device)
        self._images = data.train.images.to(self.device)
        self._labels = data.train.labels.to(self.device)
        self.batches_per_epoch = math.ceil(
            len(self._labels) / hyperparameters.batch_size
        )  # the last may be smaller
        self.steps_total = (
            hyperparameters.epochs * self.batches_per_epoch
        )  # from the run's begin to its end
        self._seconds = 0.0
        self._order: tuple[int, Tensor] | None = None  # an epoch and its order
        self._stop = threading.Event()
        self._last_good = copy.deepcopy(self.model.state_dict())

    # ---- where the run stands

    @property
    def steps_done(self) -> int:
        """Steps taken since the run began."""
        return (self.epoch - self.first_epoch) * self.batches_per_epoch + self.batch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch - self.first_epoch >= self.hyperparameters.epochs

    @property
    def position(self) -> str:
        """The next batch in words: "epoch 2, batch 17 of 860"."""
        return f"epoch {self.epoch + 1}, batch {self.batch + 1} of {self.batches_per_epoch}"

    # ---- the learning rate

    @property
    def learning_rate(self) -> float:
        """The rate that the schedule scales. Setting it, even in mid-run, becomes part of the run's
        history."""
        return (
            self.learning_rate_changes[-1][1]
            if self.learning_rate_changes
            else self.hyperparameters.learning_rate
        )

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        checked = dataclasses.replace(self.hyperparameters, learning_rate=rate).learning_rate
        self.learning_rate_changes.append((self.steps_done, checked))

    @property
    def scheduled_learning_rate(self) -> float:
        """The rate of the next step."""
        return self._learning_rate_of(self.steps_done)

    def _learning_rate_of(self, step: int) -> float:
        rates = [rate for since, rate in self.learning_rate_changes if since <= step]
        factor = schedule_factor(self.hyperparameters.schedule, step / self.steps_total)
        return (rates[-1] if rates else self.hyperparameters.learning_rate) * factor

    # ---- going on

    def step(self) -> float:
        """Take one step, on the next batch, and return that batch's mean loss.

        Raises:
            TrainingDivergedError: if the loss is NaN, infinite or above `DIVERGENCE_LOSS`; the
                weights that the epoch began with are back in place then.
            MemoryError: if the memory does not suffice; the message says what to do.
        """
        with self._conditions():
            return self._step()

    def _step(self) -> float:
        started = time.perf_counter()
        settings = self.hyperparameters
        rows = self.epoch_order()[
            self.batch * settings.batch_size : (self.batch + 1) * settings.batch_size
        ]
        images = originals = to_input(
            self._images.index_select(0, rows)
        )  # twenty times as fast as self._images[rows]
        labels = self._labels.index_select(0, rows)
        if settings.augmentation != "none" or self._learns_to_refuse:
            generator = generator_of(settings.seed, self.epoch, 1 + self.batch, self.device)
            images = augment(originals, generator, settings.augmentation, labels)
        if not self.model.training:
            self.model.train()
        self.optimizer.prepare()
        loss = self._fill_gradients(images, labels, self.optimizer.momentum)
        if not loss < DIVERGENCE_LOSS:  # NaN included
            self._diverge(loss)
        if self._learns_to_refuse:
            strange = augment(
                make_negatives(originals, labels, generator), generator, settings.augmentation
            )
            rejection_gradients(
                self.model, images[: len(strange)], strange, self.optimizer.momentum
            )
        self.optimizer.step(self.scheduled_learning_rate)
        self.batch_losses.append(loss)
        self.batch += 1
        self._seconds += time.perf_counter() - started
        return loss

    def epochs(
        self, on_batch: Callable[[TrainingRun], None] | None = None
    ) -> Iterator[EpochRecord]:
        """Train to the end, or to a call of `stop`, yielding a record after each epoch.

        An interrupt falls between two steps, never into one: called again, it goes on from exactly
            there.

        Args:
            on_batch: called with this run after every step, in the thread that trains.
        """
        self._stop.clear()
        while not self.finished and not self.diverged:
            with defer_interrupts() as interrupt_now, self._conditions():
                while self.batch < self.batches_per_epoch:
                    if self._stop.is_set():
                        return
                    self._step()
                    if on_batch is not None:
                        on_batch(self)
                    interrupt_now()
                record = self._close_epoch()
            yield record

    def stop(self) -> None:
        """Ask the run to stop after the batch it is on; safe from any thread and from a signal
        handler."""
        self._stop.set()

    def train_more(self) -> None:
        """Let a finished run go on for another `epochs` epochs; the schedule begins anew, the
        optimiser goes on."""
        self.first_epoch, self.batch = self.epoch, 0
        self.batch_losses, self.learning_rate_changes = [], []

    def epoch_order(self) -> Tensor:
        """The order of this epoch's training images, int64 `[N]`: a permutation that the seed and
        the epoch decide."""
        if self._order is None or self._order[0] != self.epoch:
            order = permutation(self.hyperparameters.seed, self.epoch, len(self._labels))
            self._order = (self.epoch, order.to(self.device))
        return self._order[1]

    # ---- what resuming needs

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a resumed run needs besides the weights: tensors, and values that JSON holds
        exactly."""
        tensors = {
            f"optimizer.{name}": tensor for name, tensor in self.optimizer.state_dict().items()
        }
        tensors["batch_losses"] = torch.tensor(self.batch_losses, dtype=torch.float64)
        values = {
            "hyperparameters": dataclasses.asdict(self.hyperparameters),
            "first_epoch": self.first_epoch,
            "epoch": self.epoch,
            "batch": self.batch,
            "images": len(self._labels),
            "seconds": self._seconds,
            "learning_rate_changes": self.learning_rate_changes,
            "records": [dataclasses.asdict(record) for record in self.records],
        }
        return tensors, values

    def load_state_dict(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Take up the state that `state_dict` gave. The model must hold the weights that belong to
        it.

        Raises:
            ValueError: for a state of another model, optimiser or number of training images.
        """
        if values["images"] != len(self._labels):
            raise ValueError(
                f"the state is of a run on {values['images']} images, the data has {len(self._labels)}"
            )
        self.optimizer.load_state_dict(
            {
                key.removeprefix("optimizer."): each
                for key, each in tensors.items()
                if key.startswith("optimizer.")
            }
        )
        self.first_epoch, self.epoch, self.batch = (
            values["first_epoch"],
            values["epoch"],
            values["batch"],
        )
        self.learning_rate_changes = [
            (step, rate) for step, rate in values["learning_rate_changes"]
        ]
        self.records = [EpochRecord(**record) for record in values["records"]]
        self.batch_losses = tensors["batch_losses"].tolist()
        self._seconds = values["seconds"]
        self._last_good = copy.deepcopy(self.model.state_dict())

    # ---- inside

    @contextlib.contextmanager
    def _conditions(self) -> Iterator[None]:
        """What steps are taken under: one thread where more do not help, and words for a full
        memory."""
        size = self.hyperparameters.batch_size
        small = (
            self.device.type == "cpu" and getattr(self.model, "name", "") == "mlp" and size <= 512
        )
        with one_thread() if small else contextlib.nullcontext(), explain_out_of_memory(size):
            yield

    def _close_epoch(self) -> EpochRecord:
        started = time.perf_counter()
        losses = np.array(self.batch_losses[-self.batches_per_epoch :])
        sizes = np.full(len(losses), self.hyperparameters.batch_size)
        sizes[-1] = len(self._labels) - sizes[:-1].sum()
        validation = self.data.validation
        with (
            one_thread()
        ):  # a second one gains little here, and on a busy machine costs ten times the time
            validation_loss, validation_accuracy = loss_and_accuracy(
                self.model, validation.images, validation.labels
            )
        record = EpochRecord(
            epoch=self.epoch + 1,
            mean_loss=float((losses * sizes).sum() / sizes.sum()),
            min_loss=float(losses.min()),
            max_loss=float(losses.max()),
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            learning_rate=self._learning_rate_of(self.steps_done - 1),
            seconds=self._seconds + time.perf_counter() - started,
        )
        self.records.append(record)
        self.epoch, self.batch, self._seconds = self.epoch + 1, 0, 0.0
        self._last_good = copy.deepcopy(self.model.state_dict())
        return record

    def _diverge(self, loss: float) -> None:
        self.diverged = True
        self.model.load_state_dict(self._last_good)
        became = "NaN" if math.isnan(loss) else "infinite"
        what = f"exploded to {loss:.2g}" if math.isfinite(loss) else f"became {became}"
        raise TrainingDivergedError(
            f"the loss {what} in epoch {self.epoch + 1}, batch {self.batch + 1}: each step overshot further than the "
            f"one before, so the learning rate {self.learning_rate:g} is too high for these settings; "
            f"try {self.learning_rate / 10:g}. The weights that this epoch began with are kept."
        )


@check_arguments
def train(
    model: nn.Module,
    data: Mnist,
    hyperparameters: Hyperparameters | None = None,
    *,
    device: str | None = None,
    on_batch: Callable[[TrainingRun], None] | None = None,
) -> Iterator[EpochRecord]:
    """Train the model in place and yield a record after each epoch; prints nothing.

    Args:
        model: from `build_model` or `load_checkpoint`.
        data: from `load_mnist`.
        hyperparameters: the settings; the defaults if None.
        device: "cpu", "cuda" or "mps"; None chooses.
        on_batch: called with the `TrainingRun` after every step.

    Raises:
        ValueError: for a training or validation split without an image, or a model that gives no
            logits for images.
        TrainingDivergedError: if the loss explodes, or becomes NaN or infinite.
    """
    run = TrainingRun(model, data, hyperparameters or Hyperparameters(), device=device)
    predict(run.model, data.train.images[:1])  # what the model cannot do is said here
    yield from run.epochs(on_batch)


@check_arguments
def sweep(data: Mnist, settings: Sequence[Hyperparameters]) -> list[TrainingRun]:
    """Train a new network for each of the settings, one after the other on the CPU; the runs, in
    the same order.

    A run whose loss explodes is kept as it is then: `diverged`, with its last good weights.
    """
    runs = [
        TrainingRun(build_model(each.network, seed=each.seed), data, each, device="cpu")
        for each in settings
    ]
    for run in runs:
        with contextlib.suppress(TrainingDivergedError):
            list(run.epochs())
    return runs


def schedule_factor(schedule: str, progress: float) -> float:
    """What the learning rate is multiplied by, in [0, 1], at a progress in [0, 1] through the run.

    "one-cycle" rises from 1/25 to 1 over the first quarter and falls to nearly 0, both along a
    cosine (L. N. Smith, "Super-Convergence", 2018); "cosine" falls from 1 to 0 (I. Loshchilov and
    F. Hutter, "SGDR", 2017).
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    rise, start = 0.25, 1 / 25
    if progress < rise:
        return start + (1 - start) * (1 - math.cos(math.pi * progress / rise)) / 2
    return (1 + math.cos(math.pi * (progress - rise) / (1 - rise))) / 2


def _make_optimizer(model: nn.Module, settings: Hyperparameters) -> Optimizer:
    if settings.optimizer == "sgd":
        return Sgd(model.parameters(), settings.momentum)
    return Adam(model.parameters(), decay=0.01 if settings.optimizer == "adamw" else 0.0)
