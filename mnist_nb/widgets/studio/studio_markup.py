"""How the studio looks: its style sheet, and what it says and shows as pieces of HTML. Numbers in,
text out."""

from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.training import TrainingRun
from mnist_nb.widgets.markup import image_tag, probability_bars
from mnist_nb.widgets.prediction import Prediction
from mnist_nb.widgets.studio.chart import style_of
from mnist_nb.widgets.studio.records import RunRecord, State
from mnist_nb.widgets.studio.session import TrainingSession


def progress(session: TrainingSession) -> str:
    """The bar, and under it the epoch, the batch, the rate and the time left."""
    run = session.run
    done, where = (run.steps_done / run.steps_total, _where(run, session)) if run else (0, "")
    return (
        f'<progress class="studio-done" aria-label="training" value="{done:.4f}"></progress>'
        f'<div class="studio-where">{where}</div>'
    )


def _where(run: TrainingRun, session: TrainingSession) -> str:
    last_epoch = run.first_epoch + run.hyperparameters.epochs
    if run.finished:
        return f"epoch {last_epoch} of {last_epoch}"
    parts = [
        f"epoch {run.epoch + 1} of {last_epoch}",
        f"batch {run.batch + 1:,} of {run.batches_per_epoch:,}",
    ]
    parts.append(f"rate {run.scheduled_learning_rate:.2g}")
    if (left := session.seconds_left) is not None:
        parts.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left")
    return " · ".join(parts)


def sentences(session: TrainingSession, notice: str) -> str:
    """What the run does or how it ended, what went wrong beside it, and what the last click led
    to."""
    parts = [
        (session.sentence, session.state is State.FAILED),
        (session.warning, True),
        (notice, True),
    ]
    signs = {True: ("<p class=wrong>⚠ ", "</p>"), False: ("<p>", "</p>")}
    said = "".join(escape(text).join(signs[wrong]) for text, wrong in parts if text)
    said = said or "Choose settings and press Train."
    return f'<div class="studio-say" role="status" aria-live="polite">{said}</div>'


def pinned(image: ArrayLike | None, caption: str, probabilities: NDArray[np.float32] | None) -> str:
    """The pinned digit beside its ten probabilities."""
    if image is None:
        return "No digit is pinned."
    if probabilities is None:
        words, bars = "Nobody has learnt to read it yet.", ""
    else:
        words = Prediction(int(probabilities.argmax()), probabilities).sentence
        bars = probability_bars(probabilities, words)
    return (
        f'<div class="studio-pinned"><div>{image_tag(image, caption, 3)}<p class="caption">{escape(caption)}</p></div>'
        f"<div><p>{escape(words)}</p>{bars}</div></div>"
    )


def mark(number: int) -> str:
    """A run's number and a short piece of its line."""
    colour, dashes = style_of(number)
    return (
        f'<span class="studio-number">{number + 1} <svg width="34" height="10" aria-hidden="true"><line x1="1" x2="33" '
        f'y1="5" y2="5" stroke-width="2.5" stroke-dasharray="{dashes}" style="stroke:{colour}"/></svg></span>'
    )


def cells(kept: RunRecord) -> str:
    """A run's settings, in words and as code to copy, and its figures, as a row of the table."""
    accuracy = "–" if kept.best_accuracy is None else f"{kept.best_accuracy:.2%}".replace("%", " %")
    figures = {
        "best on validation": accuracy,
        "last loss": "–" if kept.final_loss is None else f"{kept.final_loss:.4f}",
        "time": f"{kept.seconds:.1f} s" if kept.seconds else "–",
    }
    told = "".join(
        f'<span class="figure"><small>{name}</small> {value}</span>'
        for name, value in figures.items()
    )
    return (
        f'<div class="studio-cells"><span>{escape(settings_in_words(kept))}</span>{told}</div>'
        f'<input class="studio-code" readonly onfocus="this.select()" value="{escape(kept.hyperparameters.code)}" '
        f'aria-label="{escape(kept.name)}: its settings, to copy into a cell">'
    )


def settings_in_words(kept: RunRecord) -> str:
    """What it started from, the learning rate and its changes, the epochs, and whether it was
    broken off."""
    rates = [
        kept.hyperparameters.learning_rate,
        *(rate for _, rate in kept.learning_rate_changes[-3:]),
    ]
    parts = [f"from {kept.source}" + f" after {kept.first_epoch} epochs" * bool(kept.first_epoch)]
    parts += [
        f"learning rate {' → '.join(f'{rate:g}' for rate in rates)}",
        f"{kept.hyperparameters.epochs} epochs",
    ]
    state = {State.STOPPED: "stopped", State.FAILED: "broken off", State.RUNNING: "running"}.get(
        kept.state
    )
    return ", ".join([*parts, state] if state else parts)
