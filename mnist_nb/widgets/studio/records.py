"""What is kept of each training run, and the sentence that says how it ended."""

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

GUESSING = math.log(10)
"""The loss, in nats, of giving each digit the same probability."""

MAX_POINTS = 600
"""Points of a loss curve: about two for each pixel of its width."""

SMOOTHING = 16
"""Points that the mean of a smoothed point is taken over."""


class State(Enum):
    """Where a session stands. Only `RUNNING` has a thread."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


@dataclasses.dataclass(eq=False, repr=False)
class RunRecord:
    """What is kept of a run: enough to draw it, to compare it and to take its weights up again."""

    name: str
    hyperparameters: Hyperparameters
    model: (
        nn.Module
    )  # a copy on the CPU, as it was after the last epoch or when the run was stopped
    batches_per_epoch: int
    first_epoch: int  # epochs that earlier runs had given these weights
    epoch: int  # epochs finished, those included
    records: Sequence[EpochRecord] = ()
    batch_losses: Sequence[float] = ()  # one for each step
    learning_rate_changes: Sequence[tuple[int, float]] = ()  # (step of the run, new rate)
    seconds: float = 0.0  # of training, without pauses
    source: str = "a new network"  # what its first weights were
    state: State = State.IDLE
    summary: str = ""
    unfinished: TrainingRun | None = None  # the run itself, for as long as it can be resumed
    _drawn: tuple[int, NDArray[np.float64]] = (
        0,
        np.empty((0, 2)),
    )  # steps, and the loss curve as it was after them

    def __repr__(self) -> str:
        accuracy = "not measured yet" if self.best_accuracy is None else f"{self.best_accuracy:.1%}"
        return f"<{self.name}: {self.state.value}, best validation accuracy {accuracy}>"

    def update(self, run: TrainingRun) -> None:
        """Keep what the run has learnt by now."""
        self.model = copy.deepcopy(run.model).cpu().eval()
        self.model.zero_grad()
        self.epoch, self.records, self.batch_losses = (
            run.epoch,
            tuple(run.records),
            run.batch_losses,
        )
        self.learning_rate_changes = tuple(run.learning_rate_changes)

    def rename(self, name: str) -> None:
        """Give it another name, of at most 40 characters; an empty one changes nothing."""
        self.name = " ".join(name.split())[:40] or self.name

    @property
    def loss_curve(self) -> NDArray[np.float64]:
        """`[n, 2]`: epochs done, and the smoothed loss in nats; of many batches, a point is the
        mean of a block."""
        steps = len(self.batch_losses)
        if steps != self._drawn[0]:
            block = 2 ** math.ceil(math.log2(max(steps / MAX_POINTS, 1)))
            ends = np.arange(block, steps + 1, block)
            means = np.reshape(self.batch_losses[: block * len(ends)], (-1, block)).mean(1)
            epochs = self.first_epoch + ends / self.batches_per_epoch
            self._drawn = steps, np.stack([epochs, smooth(means, SMOOTHING)], axis=1)
        return self._drawn[1]

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
        """Mean training loss of the last epoch, in nats; before the first epoch's end, of the
        batches so far."""
        if self.records:
            return self.records[-1].mean_loss
        return float(np.mean(self.batch_losses)) if len(self.batch_losses) else None

    def metadata(self) -> dict[str, str]:
        """What a checkpoint of these weights says about them."""
        metadata = {
            "hyperparameters": json.dumps(dataclasses.asdict(self.hyperparameters)),
            "epoch": str(self.epoch),
        }
        if self.records:
            metadata["validation_accuracy"] = f"{self.records[-1].validation_accuracy:.4f}"
        return metadata


def summary(kept: RunRecord, run: TrainingRun, runs: Sequence[RunRecord]) -> str:
    """How a run ended, what it reached, and what to try next, in one line."""
    if not run.finished:
        return f"Stopped at {run.position}; Resume goes on from exactly there."
    last, epochs = kept.records[-1], kept.hyperparameters.epochs
    others = [other.best_accuracy or 0.0 for other in runs if other is not kept]
    best = ", the best so far" if others and (kept.best_accuracy or 0.0) > max(others) else ""
    return (
        f"Finished {epochs} epoch{'s' * (epochs != 1)} in {kept.seconds:.0f} s: it reads "
        f"{last.validation_accuracy:.1%} of the validation images right{best}. {_advice(kept.records)}"
    ).strip()


def _advice(records: Sequence[EpochRecord]) -> str:
    last = records[-1]
    if last.validation_accuracy < 0.3:
        if max(record.max_loss for record in records) > 2 * GUESSING:
            return "That is hardly better than guessing, and the loss leapt: try a lower learning rate, from the start."
        return "That is hardly better than guessing: try a higher learning rate or more epochs."
    if len(records) < 2:
        return ""
    own, others = last.mean_loss, last.validation_loss
    if others > 2.5 * own:
        return (
            f"It has learnt its own images nearly by heart (loss {own:.2g} on them, {others:.2g} on others): more "
            "epochs would hardly help; augmentation might."
        )
    if others > 1.1 * min(record.validation_loss for record in records):
        return "Its steps are too long to settle: try a lower learning rate, or a schedule that lowers it."
    gained = last.validation_accuracy - records[-2].validation_accuracy
    if gained > 0.01 or others < 0.95 * records[(len(records) - 1) // 2].validation_loss:
        return "The loss was still falling: more epochs would help."
    return "The loss has levelled off."
