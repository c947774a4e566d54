"""What is kept of each training run, and the sentence that says how it ended."""

import dataclasses
import functools
import json
import math
from collections.abc import Sequence
from enum import Enum

import numpy as np
from torch import Tensor, nn

from mnist_nb.training import EpochRecord, Hyperparameters, TrainingRun
from mnist_nb.widgets.studio.chart import LossCurve

GUESSING = math.log(10)
"""The loss, in nats, of giving each digit the same probability."""


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
    model: nn.Module  # a copy on the CPU, as it was after the last epoch or when the run was stopped
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

    def __repr__(self) -> str:
        accuracy = "not measured yet" if self.best_accuracy is None else f"{self.best_accuracy:.1%}"
        return f"<{self.name}: {self.state.value}, best validation accuracy {accuracy}>"

    @functools.cached_property
    def line(self) -> LossCurve:
        """The losses as they are drawn."""
        return LossCurve(self.first_epoch, self.batches_per_epoch)

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
        """Mean training loss of the last epoch, in nats; before the first epoch's end, of the batches so far."""
        if self.records:
            return self.records[-1].mean_loss
        return float(np.mean(self.batch_losses)) if len(self.batch_losses) else None

    def metadata(self) -> dict[str, str]:
        """What a checkpoint of these weights says about them."""
        metadata = {"hyperparameters": json.dumps(dataclasses.asdict(self.hyperparameters)), "epoch": str(self.epoch)}
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
