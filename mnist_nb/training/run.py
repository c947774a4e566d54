"""A training run, which advances batch by batch and can be stopped and resumed exactly."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import operator
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mnist_nb.data import Mnist
from mnist_nb.errors import MnistNbError, check_range
from mnist_nb.files import without_prefix
from mnist_nb.models import Network, choose_device, loss_and_accuracy, one_thread, predict, to_input
from mnist_nb.models.runtime import defer_interrupts
from mnist_nb.plugins import AUGMENTATIONS, find_plugin
from mnist_nb.training.augmentation import NONE, Augmentation, Batch
from mnist_nb.training.gradients import choose_gradient_fn
from mnist_nb.training.hyperparameters import Hyperparameters
from mnist_nb.training.learning_rate import LearningRate
from mnist_nb.training.optimizers import Adam, Sgd
from mnist_nb.training.plain import generator_of, permutation

DIVERGENCE_LOSS = 100.0
"""A batch's mean loss in nats above which a run has diverged. Random guessing gives ln 10 = 2.3. A
network that gives the correct digit a probability of e^-100 never recovers: its units are dead."""

SMALL_BATCH = 512
"""Up to this batch size, one thread is as fast as several for a fully connected network."""


class TrainingDivergedError(MnistNbError, ArithmeticError):
    """The loss exploded, or became NaN or infinite. The last good weights are restored."""


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """The result of one epoch. Losses are mean cross-entropies per image, in nats."""

    epoch: int  # counted from 1
    mean_loss: float  # over the epoch's images, each measured at its training step
    min_loss: float  # of one batch
    max_loss: float
    validation_loss: float
    validation_accuracy: float  # in [0, 1]
    learning_rate: float  # of the epoch's last step
    seconds: float  # spent on the epoch, without pauses


class TrainingRun:
    """A training run that can be stopped at any batch and resumed exactly.

    No random state is carried from batch to batch: the order of an epoch, and the augmentation and
    dropout of a batch, are drawn from generators seeded by (seed, epoch, batch). So two numbers
    describe a position in the run. A run that was stopped and resumed ends with bit-identical
    weights on the same machine with the same number of threads.

    Args:
        model: the network, trained in place and moved to the device.
        data: the training split is used to train, the validation split to measure each epoch.
        hyperparameters: the settings. `network` is ignored: the given model is trained.
        device: "cpu", "cuda" or "mps"; None chooses the fastest available.

    Attributes:
        records: one record for each finished epoch.
        batch_losses: the mean loss of every step since the run began, in nats.
        first_epoch: the number of epochs of earlier runs with this model.
        epoch: the number of finished epochs, including those.
        batch: the number of finished batches in the current epoch.
        diverged: whether the loss exploded.

    Raises:
        ValueError: if the training or validation split is empty.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Mnist,
        hyperparameters: Hyperparameters,
        *,
        device: str | None = None,
    ) -> None:
        for split in (data.train, data.validation):
            if len(split) == 0:
                raise ValueError(f"the {split.name} split must not be empty")
        self.device = choose_device(device)
        self.data = data
        self.hyperparameters = hyperparameters
        self._augmentation: Augmentation = find_plugin(AUGMENTATIONS, hyperparameters.augmentation)
        self._augmentation.prepare_model(model, hyperparameters.seed)
        self.model = model.to(self.device)
        self.optimizer = _make_optimizer(model, hyperparameters)
        self._fill_gradients = choose_gradient_fn(model, self.device)
        network = model if isinstance(model, Network) else None
        self._is_fully_connected = network is not None and network.is_fully_connected
        self._heads = list(network.auxiliary_heads.values()) if network else []
        # Such steps need no generator, which saves a tenth of their time.
        self._is_deterministic = (
            self._is_fully_connected and self._augmentation is NONE and not self._heads
        )
        self._images = data.train.images.to(self.device)
        self._labels = data.train.labels.to(self.device)
        self.records: list[EpochRecord] = []
        self.batch_losses: list[float] = []
        self.first_epoch = 0
        self.epoch = 0
        self.batch = 0
        self.diverged = False
        self.batches_per_epoch = math.ceil(len(self._labels) / hyperparameters.batch_size)
        self.steps_total = hyperparameters.epochs * self.batches_per_epoch
        self._rate = self._new_rate()
        self._seconds = 0.0
        self._order: tuple[int, Tensor] | None = None  # an epoch and the order of its images
        self._stop = threading.Event()
        self._last_good = copy.deepcopy(self.model.state_dict())

    # ---- position

    @property
    def steps_done(self) -> int:
        """The number of steps since the run began."""
        return (self.epoch - self.first_epoch) * self.batches_per_epoch + self.batch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch - self.first_epoch >= self.hyperparameters.epochs

    @property
    def position(self) -> str:
        """The next batch as text: "epoch 2, batch 17 of 860"."""
        return f"epoch {self.epoch + 1}, batch {self.batch + 1} of {self.batches_per_epoch}"

    # ---- the learning rate

    @property
    def learning_rate(self) -> float:
        """The rate that the schedule scales. It can be set from any thread, even during the run.

        The next step uses the new rate, and the change is added to the run's history.
        """
        return self._rate.base

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        checked = dataclasses.replace(self.hyperparameters, learning_rate=rate)
        self._rate.base = checked.learning_rate

    @property
    def learning_rate_changes(self) -> list[tuple[int, float]]:
        """The changes of the rate: (step of the run, counted from 0; rate from then on)."""
        return list(self._rate.changes)

    # ---- training

    def step(self) -> float:
        """Train on the next batch and return its mean loss.

        Raises:
            TrainingDivergedError: if the loss is NaN, infinite or above `DIVERGENCE_LOSS`. The
                weights from the start of the epoch are restored.
        """
        with self._threads():
            return self._step()

    def epochs(
        self, on_batch: Callable[[TrainingRun], None] | None = None
    ) -> Iterator[EpochRecord]:
        """Train until the end or a call of `stop`, and yield a record after each epoch.

        An interrupt (Ctrl-C) takes effect between two steps. Another call continues exactly from
        there.

        Args:
            on_batch: called with this run after every step, in the thread that trains.
        """
        self._stop.clear()
        while not self.finished and not self.diverged:
            with defer_interrupts() as interrupt_now, self._threads():
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
        """Stop after the current batch. Can be called from any thread or a signal handler."""
        self._stop.set()

    def train_more(self) -> None:
        """Extend a finished run by another `epochs` epochs; the schedule starts again."""
        self.first_epoch = self.epoch
        self.batch = 0
        self.batch_losses = []
        self._rate = self._new_rate()

    def epoch_order(self) -> Tensor:
        """Return the order of the training images in this epoch, int64 `[N]`."""
        if self._order is None or self._order[0] != self.epoch:
            order = permutation(self.hyperparameters.seed, self.epoch, len(self._labels))
            self._order = (self.epoch, order.to(self.device))
        return self._order[1]

    # ---- state

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the state needed to resume, without the weights: tensors, and values for JSON."""
        tensors = {
            f"optimizer.{name}": tensor for name, tensor in self.optimizer.state_dict().items()
        }
        tensors["batch_losses"] = torch.tensor(self.batch_losses, dtype=torch.float64)
        changes = torch.tensor(self.learning_rate_changes, dtype=torch.float64)
        tensors["learning_rate_changes"] = changes.reshape(-1, 2)
        values = {
            "hyperparameters": dataclasses.asdict(self.hyperparameters),
            "first_epoch": self.first_epoch,
            "epoch": self.epoch,
            "batch": self.batch,
            "images": len(self._labels),
            "seconds": self._seconds,
            "learning_rate": self.learning_rate,
            "records": [dataclasses.asdict(record) for record in self.records],
        }
        return tensors, values

    def load_state_dict(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`. The model must have the weights of the same moment.

        Raises:
            ValueError, KeyError, TypeError: if the state does not fit the model, the settings or
                the number of training images. The run cannot be used afterwards.
        """
        self._check_position(values)
        self.optimizer.load_state_dict(without_prefix(tensors, "optimizer."))
        self.first_epoch = values["first_epoch"]
        self.epoch = values["epoch"]
        self.batch = values["batch"]
        for step, rate in _numbers_in(tensors, "learning_rate_changes", columns=2):
            check_range("the step of a change", step, 0, self.steps_done)
            check_range("the rate of a change", rate, 0, 10)
            self._rate.changes.append((int(step), rate))
        self.learning_rate = values["learning_rate"]
        self.records = [_checked_record(record) for record in values["records"]]
        self.batch_losses = _numbers_in(tensors, "batch_losses")
        check_range("losses", len(self.batch_losses), self.steps_done, self.steps_done)
        check_range("seconds", values["seconds"], 0, 1e9)
        self._seconds = float(values["seconds"])
        self._last_good = copy.deepcopy(self.model.state_dict())

    def _check_position(self, values: Mapping[str, Any]) -> None:
        for name in ("first_epoch", "epoch", "batch"):
            check_range(name, operator.index(values[name]), 0, 10**9)
        check_range("batch", values["batch"], 0, self.batches_per_epoch)
        epochs = values["epoch"] - values["first_epoch"]
        steps = epochs * self.batches_per_epoch + values["batch"]
        check_range("steps", steps, 0, self.steps_total)

    # ---- inside

    def _new_rate(self) -> LearningRate:
        settings = self.hyperparameters
        return LearningRate(settings.learning_rate, settings.schedule, self.steps_total)

    def _step(self) -> float:
        started = time.perf_counter()
        batch = self._next_batch()
        if not self.model.training:
            self.model.train()
        keep = self.optimizer.prepare()
        loss = self._fill_layer_gradients(batch, keep)
        if not loss < DIVERGENCE_LOSS:  # NaN included
            self._diverge(loss)
        for head in self._heads:
            head.fill_gradients(self.model, batch, keep)
        self.optimizer.step(self._rate.use(self.steps_done))
        self.batch_losses.append(loss)
        self.batch += 1
        self._seconds += time.perf_counter() - started
        return loss

    def _next_batch(self) -> Batch:
        settings = self.hyperparameters
        start = self.batch * settings.batch_size
        rows = self.epoch_order()[start : start + settings.batch_size]
        # index_select is twenty times as fast as self._images[rows]
        originals = to_input(self._images.index_select(0, rows))
        labels = self._labels.index_select(0, rows)
        if self._is_deterministic:
            return Batch(originals, originals, labels, self._augmentation, None)
        generator = generator_of(settings.seed, self.epoch, 1 + self.batch, self.device)
        images = self._augmentation(originals, generator, labels)
        return Batch(originals, images, labels, self._augmentation, generator)

    def _fill_layer_gradients(self, batch: Batch, keep: float) -> float:
        """Compute the gradients of the layers, with dropout seeded by the batch."""
        if batch.generator is None or self._is_fully_connected:
            return self._fill_gradients(batch.images, batch.labels, keep)
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(batch.generator.initial_seed() + 1)
            return self._fill_gradients(batch.images, batch.labels, keep)

    def _threads(self) -> contextlib.AbstractContextManager[None]:
        """Return a context with one thread if more do not help."""
        is_small = self._is_fully_connected and self.hyperparameters.batch_size <= SMALL_BATCH
        return one_thread() if is_small else contextlib.nullcontext()

    def _close_epoch(self) -> EpochRecord:
        started = time.perf_counter()
        losses = np.array(self.batch_losses[-self.batches_per_epoch :])
        sizes = np.full(len(losses), self.hyperparameters.batch_size)
        sizes[-1] = len(self._labels) - sizes[:-1].sum()
        validation = self.data.validation
        with one_thread():  # a second one helps little, and is ten times slower on a busy machine
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
            learning_rate=self._rate.at(self.steps_done - 1),
            seconds=self._seconds + time.perf_counter() - started,
        )
        self.records.append(record)
        self.epoch += 1
        self.batch = 0
        self._seconds = 0.0
        self._last_good = copy.deepcopy(self.model.state_dict())
        return record

    def _diverge(self, loss: float) -> None:
        """Restore the last good weights and raise an error with advice."""
        self.diverged = True
        self.model.load_state_dict(self._last_good)
        event = "became NaN" if math.isnan(loss) else f"exploded to {loss:.2g}"
        raise TrainingDivergedError(
            f"the loss {event} in epoch {self.epoch + 1}, batch {self.batch + 1}: each step "
            "overshot further than the one before, so the learning rate "
            f"{self.learning_rate:g} is too high for these settings; try "
            f"{self.learning_rate / 10:g}. The weights from the start of this epoch are kept."
        )


def train(
    model: nn.Module,
    data: Mnist,
    hyperparameters: Hyperparameters | None = None,
    *,
    device: str | None = None,
    on_batch: Callable[[TrainingRun], None] | None = None,
) -> Iterator[EpochRecord]:
    """Train the model in place and yield a record after each epoch. Print nothing.

    Args:
        model: from `build_model` or `load_checkpoint`.
        data: from `load_mnist`.
        hyperparameters: the settings; the defaults if None.
        device: "cpu", "cuda" or "mps"; None chooses the fastest available.
        on_batch: called with the `TrainingRun` after every step.

    Raises:
        ValueError: if the training or validation split is empty, or the model returns no logits
            `[N, 10]`.
        TrainingDivergedError: if the loss explodes, or becomes NaN or infinite.
    """
    run = TrainingRun(model, data, hyperparameters or Hyperparameters(), device=device)
    predict(run.model, data.train.images[:1])  # raises if the model returns no logits
    yield from run.epochs(on_batch)


def _numbers_in(tensors: Mapping[str, Tensor], name: str, columns: int = 0) -> list[Any]:
    """Return a tensor of the state as a list of finite numbers, or of lists with `columns` each."""
    tensor = tensors[name]
    shape = [len(tensor), columns] if columns else [len(tensor)]
    if tensor.dtype != torch.float64 or list(tensor.shape) != shape:
        raise ValueError(f"{name} must be float64 {shape}, got {tensor.dtype} {list(tensor.shape)}")
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name} contains NaN or infinity")
    return tensor.tolist()


def _checked_record(values: Mapping[str, Any]) -> EpochRecord:
    """Make a record from these values, after checking their ranges."""
    record = EpochRecord(**values)
    for name, value in vars(record).items():
        check_range(name, value, 0, 1e9)
    check_range("validation_accuracy", record.validation_accuracy, 0, 1)
    return record


def _make_optimizer(model: nn.Module, settings: Hyperparameters) -> Sgd | Adam:
    if settings.optimizer == "sgd":
        return Sgd(model.parameters(), settings.momentum)
    return Adam(model.parameters(), decay=0.01 if settings.optimizer == "adamw" else 0.0)
