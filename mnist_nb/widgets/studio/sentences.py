"""The studio's sentences about runs: position, result, and advice."""

import dataclasses
import math
from collections.abc import Sequence

from mnist_nb.training import EpochRecord, Hyperparameters, TrainingRun
from mnist_nb.training.learning_rate import schedule_factor
from mnist_nb.widgets.studio.records import RunRecord, State

GUESSING = math.log(10)
"""The loss, in nats, if every digit has the same probability."""

SHOWN_CHANGES = 3
"""The maximum number of learning rate changes in a run's row and code; the last are shown."""

_STATES = {State.RUNNING: "running", State.STOPPED: "stopped", State.FAILED: "failed"}


def describe_epochs(count: int) -> str:
    """Return "1 epoch" or "2 epochs"."""
    return "1 epoch" if count == 1 else f"{count} epochs"


def describe_position(run: TrainingRun, seconds_left: float | None) -> str:
    """Return the epoch, the batch, the learning rate and the time left of a run."""
    last_epoch = run.first_epoch + run.hyperparameters.epochs
    if run.finished:
        return f"epoch {last_epoch} of {last_epoch}"
    factor = schedule_factor(run.hyperparameters.schedule, run.steps_done / run.steps_total)
    parts = [
        f"epoch {run.epoch + 1} of {last_epoch}",
        f"batch {run.batch + 1:,} of {run.batches_per_epoch:,}",
        f"rate {run.learning_rate * factor:.2g}",
    ]
    if seconds_left is not None and seconds_left < 90:
        parts.append(f"{seconds_left:.0f} s left")
    elif seconds_left is not None:
        parts.append(f"{seconds_left / 60:.0f} min left")
    return " · ".join(parts)


def describe_settings(record: RunRecord) -> str:
    """Return one line with a run's start, learning rates, epochs and state."""
    source = f"from {record.source}"
    if record.first_epoch:
        source += f" after {describe_epochs(record.first_epoch)}"
    changed_rates = [rate for _, rate in record.learning_rate_changes[-SHOWN_CHANGES:]]
    rates = [f"{rate:g}" for rate in (record.hyperparameters.learning_rate, *changed_rates)]
    parts = [
        source,
        f"learning rate {' → '.join(rates)}",
        describe_epochs(record.hyperparameters.epochs),
    ]
    if record.state in _STATES:
        parts.append(_STATES[record.state])
    return ", ".join(parts)


def code_of(record: RunRecord) -> str:
    """Return a run's settings as code, with a comment about changes of its learning rate."""
    changes = record.learning_rate_changes
    if not changes:
        return code_of_settings(record.hyperparameters)
    named = [f"{rate!r} from step {step:,}" for step, rate in changes[-SHOWN_CHANGES:]]
    if len(changes) > SHOWN_CHANGES:
        named.insert(0, "...")
    return f"{code_of_settings(record.hyperparameters)}  # then learning_rate {', '.join(named)}"


def describe_ignored(shown: Hyperparameters, kept: Hyperparameters) -> str:
    """Return a sentence about settings that a resumed run ignores; "" if there are none."""
    unchanged: list[str] = []
    for field in dataclasses.fields(kept):
        value = getattr(kept, field.name)
        if value != getattr(shown, field.name):
            unchanged.append(f"{field.metadata['label']} stays {value}")
    if not unchanged:
        return ""
    return f"A resumed run keeps its settings: {', '.join(unchanged)}. Press Train for others."


def describe_ending(record: RunRecord, run: TrainingRun, runs: Sequence[RunRecord]) -> str:
    """Return one line with a run's result, its accuracy, and advice.

    Args:
        record: the record of the run.
        run: the run itself, finished or stopped.
        runs: the runs to compare it with.
    """
    if not run.finished:
        return f"Stopped at {run.position}. Resume continues from exactly there."
    length = describe_epochs(record.hyperparameters.epochs)
    accuracy = record.records[-1].validation_accuracy
    best = ", the best so far" if _is_best(record, runs) else ""
    ending = (
        f"Finished {length} in {record.seconds:.0f} s: it reads {accuracy:.1%} of the validation "
        f"images right{best}."
    )
    return f"{ending} {_advise(record.records)}".strip()


def _is_best(record: RunRecord, runs: Sequence[RunRecord]) -> bool:
    others = [other.best_accuracy or 0.0 for other in runs if other is not record]
    return bool(others) and (record.best_accuracy or 0.0) > max(others)


def _advise(records: Sequence[EpochRecord]) -> str:
    last = records[-1]
    if last.validation_accuracy < 0.3:
        if max(record.max_loss for record in records) > 2 * GUESSING:
            return (
                "That is hardly better than guessing, and the loss jumped: try a lower learning "
                "rate, from the start."
            )
        return "That is hardly better than guessing: try a higher learning rate or more epochs."
    if len(records) < 2:
        return ""
    training_loss, validation_loss = last.mean_loss, last.validation_loss
    if validation_loss > 2.5 * training_loss:
        return (
            f"It has learnt its own images nearly by heart (loss {training_loss:.2g} on them, "
            f"{validation_loss:.2g} on others): more epochs would hardly help; augmentation might."
        )
    if validation_loss > 1.1 * min(record.validation_loss for record in records):
        return (
            "Its steps are too long to settle: try a lower learning rate, or a schedule that "
            "lowers it."
        )
    gained = last.validation_accuracy - records[-2].validation_accuracy
    halfway = records[(len(records) - 1) // 2]
    if gained > 0.01 or validation_loss < 0.95 * halfway.validation_loss:
        return "The loss was still falling: more epochs would help."
    return "The loss has levelled off."


def code_of_settings(settings: Hyperparameters) -> str:
    """Return the settings as code: `Hyperparameters(epochs=3)`."""
    arguments = [f"{name}={getattr(settings, name)!r}" for name in settings.changed]
    return f"Hyperparameters({', '.join(arguments)})"
