"""Records of training runs."""

import copy
import dataclasses
import json
import math
from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_nb.plots import smooth
from mnist_nb.training import EpochRecord, Hyperparameters, TrainingRun

MAX_POINTS = 600
"""The maximum number of points of a loss curve: about two per pixel of its width."""

SMOOTHING = 16
"""The number of points in the moving average of a loss curve."""

MAX_NAME = 40
"""The maximum number of characters of a run's name."""


class State(Enum):
    """The state of a session or a run."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclasses.dataclass(eq=False, repr=False)
class RunRecord:
    """The record of a training run: settings, curves and weights."""

    number: int  # from 1, permanent: it determines the colour and the dashes
    name: str
    hyperparameters: Hyperparameters
    model: nn.Module  # a copy on the CPU, after the last epoch or when the run was stopped
    batches_per_epoch: int
    first_epoch: int  # epochs of earlier runs with these weights
    epoch: int  # finished epochs, including those
    records: Sequence[EpochRecord] = ()
    batch_losses: Sequence[float] = ()  # one for each step
    learning_rate_changes: Sequence[tuple[int, float]] = ()  # (step of the run, new rate)
    seconds: float = 0.0  # of training, without pauses
    source: str = "a new network"  # the source of its initial weights
    state: State = State.IDLE
    summary: str = ""  # how it ended
    unfinished: TrainingRun | None = None  # the run itself, while it can be resumed
    _curve: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.empty((0, 2)))
    _curve_steps: int = 0  # steps in `_curve`

    def __repr__(self) -> str:
        accuracy = "not measured yet" if self.best_accuracy is None else f"{self.best_accuracy:.1%}"
        return f"<{self.name}: {self.state.value}, best validation accuracy {accuracy}>"

    def update(self, run: TrainingRun) -> None:
        """Copy the run's weights and history."""
        self.model = copy.deepcopy(run.model).cpu().eval()
        self.model.zero_grad()
        self.epoch = run.epoch
        self.records = tuple(run.records)
        self.batch_losses = run.batch_losses
        self.learning_rate_changes = tuple(run.learning_rate_changes)

    def rename(self, name: str) -> None:
        """Rename the run, with at most 40 characters. An empty name is ignored."""
        self.name = " ".join(name.split())[:MAX_NAME] or self.name

    @property
    def learning_rate(self) -> float:
        """The rate after its last change."""
        if self.learning_rate_changes:
            return self.learning_rate_changes[-1][1]
        return self.hyperparameters.learning_rate

    @property
    def loss_curve(self) -> NDArray[np.float64]:
        """The smoothed training loss `[point, (epochs done, nats)]`, at most `MAX_POINTS` points.

        If there are many steps, each point is the mean of 2, 4, 8 or more of them.
        """
        steps = len(self.batch_losses)
        if steps != self._curve_steps:
            self._curve = self._compute_loss_curve(steps)
            self._curve_steps = steps
        return self._curve

    def _compute_loss_curve(self, steps: int) -> NDArray[np.float64]:
        block = 2 ** math.ceil(math.log2(max(steps / MAX_POINTS, 1)))
        points = steps // block
        losses = np.asarray(self.batch_losses[: block * points], dtype=np.float64)
        means = losses.reshape(points, block).mean(axis=1)
        steps_done = block * np.arange(1, points + 1)
        epochs = self.first_epoch + steps_done / self.batches_per_epoch
        return np.column_stack([epochs, smooth(means, SMOOTHING)])

    @property
    def weights(self) -> dict[str, Tensor]:
        """The tensors of the model by name."""
        return dict(self.model.state_dict())

    @property
    def best_accuracy(self) -> float | None:
        """The highest validation accuracy after an epoch, in [0, 1]."""
        return max((record.validation_accuracy for record in self.records), default=None)

    @property
    def final_loss(self) -> float | None:
        """The mean training loss of the last epoch in nats; before the first, of all batches."""
        if self.records:
            return self.records[-1].mean_loss
        return float(np.mean(self.batch_losses)) if len(self.batch_losses) else None

    def metadata(self) -> dict[str, str]:
        """Return the metadata for a checkpoint of these weights."""
        metadata = {
            "hyperparameters": json.dumps(dataclasses.asdict(self.hyperparameters)),
            "epoch": str(self.epoch),
        }
        if self.records:
            metadata["validation_accuracy"] = f"{self.records[-1].validation_accuracy:.4f}"
        return metadata
