"""The studio's HTML, as functions that return text."""

from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.widgets.markup import image_tag, probability_bars
from mnist_nb.widgets.prediction import Prediction
from mnist_nb.widgets.studio.chart import style_of
from mnist_nb.widgets.studio.records import RunRecord, State
from mnist_nb.widgets.studio.sentences import code_of, describe_position, describe_settings
from mnist_nb.widgets.studio.session import TrainingSession


def progress_html(session: TrainingSession) -> str:
    """Return the progress bar, with the epoch, the batch, the learning rate and the time left."""
    run = session.run
    share = run.steps_done / run.steps_total if run else 0
    position = describe_position(run, session.seconds_left) if run else ""
    return (
        f'<progress class="studio-done" aria-label="training" value="{share:.4f}"></progress>'
        f'<div class="studio-where">{position}</div>'
    )


def messages_html(session: TrainingSession, notice: str) -> str:
    """Return the state of the run, any problem, and the response to the last click."""
    has_failed = session.state is State.FAILED
    messages = [
        _message_html(session.sentence, is_error=has_failed),
        _message_html(session.warning, is_error=True),
        _message_html(notice, is_error=True),
    ]
    text = "".join(messages) or "Choose settings and press Train."
    return f'<div class="studio-say" role="status" aria-live="polite">{text}</div>'


def _message_html(text: str, *, is_error: bool) -> str:
    if not text:
        return ""
    return f"<p class=wrong>⚠ {escape(text)}</p>" if is_error else f"<p>{escape(text)}</p>"


def digit_html(image: ArrayLike | None, caption: str) -> str:
    """Return the pinned digit above its caption."""
    if image is None:
        return "No digit is pinned."
    return f'{image_tag(image, caption, 3)}<p class="caption">{escape(caption)}</p>'


def reading_html(probabilities: NDArray[np.float32] | None) -> str:
    """Return the network's reading of the pinned digit, and the ten probabilities."""
    if probabilities is None:
        return "<p>No network has been trained yet.</p>"
    sentence = Prediction(int(probabilities.argmax()), probabilities).sentence
    return f"<p>{escape(sentence)}</p>{probability_bars(probabilities, sentence)}"


def number_html(number: int) -> str:
    """Return a run's number and a short piece of its line."""
    colour, dashes = style_of(number)
    line = (
        f'<line x1="1" x2="33" y1="5" y2="5" stroke-width="2.5" stroke-dasharray="{dashes}" '
        f'style="stroke:{colour}"/>'
    )
    picture = f'<svg width="34" height="10" aria-hidden="true">{line}</svg>'
    return f'<span class="studio-number">{number} {picture}</span>'


def row_html(record: RunRecord) -> str:
    """Return a run's settings, as text and as code to copy, and its figures."""
    accuracy, loss = record.best_accuracy, record.final_loss
    figures = [
        _figure_html("best on validation", "–" if accuracy is None else f"{100 * accuracy:.2f} %"),
        _figure_html("last loss", "–" if loss is None else f"{loss:.4f}"),
        _figure_html("time", f"{record.seconds:.1f} s" if record.seconds else "–"),
    ]
    label = escape(f"{record.name}: its settings, to copy into a cell")
    return (
        f'<div class="studio-cells"><span>{escape(describe_settings(record))}</span>'
        f"{''.join(figures)}</div>"
        f'<input class="studio-code" readonly onfocus="this.select()" '
        f'value="{escape(code_of(record))}" aria-label="{label}">'
    )


def _figure_html(name: str, value: str) -> str:
    return f'<span class="figure"><small>{name}</small> {value}</span>'
