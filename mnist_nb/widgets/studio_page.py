"""How the studio looks: its style sheet, and what it says and shows as pieces of HTML. Numbers in, text out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_nb.training import Hyperparameters, TrainingRun
from mnist_nb.widgets.chart import sample
from mnist_nb.widgets.kept_runs import KeptRun, State
from mnist_nb.widgets.pad_state import Guess
from mnist_nb.widgets.pictures import image_tag, probability_bars
from mnist_nb.widgets.session import TrainingSession

# JupyterLab's own colours, light or dark, each with a fallback for pages that have none.
STYLE = """<style>
.mnist-studio { --accent: #0072B2; --text: var(--jp-ui-font-color1, #212121); --soft: var(--jp-ui-font-color2, #616161);
  --line: var(--jp-border-color2, #d0d0d0); color: var(--text); max-width: 1100px; padding: 14px 18px;
  border: 1px solid var(--line); border-radius: 8px; background: var(--jp-layout-color1, #fff);
  font-family: var(--jp-ui-font-family, system-ui, sans-serif); font-size: 13px; overflow: visible; }
[data-jp-theme-light="false"] .mnist-studio { --accent: #56B4E9; }
.mnist-studio .widget-html, .mnist-studio .widget-html-content { line-height: 1.4; height: auto; overflow: visible; }
.mnist-studio button:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.mnist-studio .widget-label { color: var(--text); }
.mnist-studio .studio-hint { color: var(--soft); font-size: 11px; line-height: 1.3; margin: -1px 0 3px 110px;
  max-width: 225px; }
.mnist-studio .studio-say { min-height: 2.8em; }
.mnist-studio .studio-say p { margin: 0 0 2px; }
.mnist-studio .studio-say .wrong { border-left: 3px solid #D55E00; padding-left: 8px; }
.mnist-studio .studio-track { height: 10px; border-radius: 5px; background: var(--jp-layout-color2, #eee);
  overflow: hidden; margin: 5px 0; }
.mnist-studio .studio-done { height: 100%; background: var(--accent); }
.mnist-studio .studio-where { color: var(--soft); font-variant-numeric: tabular-nums; min-height: 1.4em; }
.mnist-studio .studio-pinned { display: flex; gap: 20px; align-items: flex-start; }
.mnist-studio .studio-pinned p { margin: 0 0 6px; font-size: 15px; }
.mnist-studio .studio-pinned .caption { color: var(--soft); font-size: 12px; margin-top: 4px; text-align: center; }
.mnist-studio .studio-title { font-weight: 600; }
.mnist-studio .studio-cells { display: grid; grid-template-columns: minmax(0, 1fr) 76px 64px 58px; gap: 10px;
  font-variant-numeric: tabular-nums; align-items: center; padding: 0 8px; }
.mnist-studio .studio-cells .figure { text-align: right; }
.mnist-studio .studio-heads { color: var(--soft); font-size: 12px; }
.mnist-studio .studio-row { border-top: 1px solid var(--line); align-items: center; padding: 2px 0; }
.mnist-studio .studio-number { white-space: nowrap; font-weight: 700; }
</style>"""


def progress(session: TrainingSession) -> str:
    """The bar, and under it the epoch, the batch, the rate and the time left."""
    run = session.run
    share = 0.0 if run is None or not run.steps_total else 100 * run.steps_done / run.steps_total
    where = "" if run is None else _where(run, session)
    return (
        f'<div class="studio-track" role="progressbar" aria-label="training" aria-valuenow="{share:.0f}" '
        f'aria-valuemin="0" aria-valuemax="100"><div class="studio-done" style="width:{share:.1f}%"></div></div>'
        f'<div class="studio-where">{where}</div>'
    )


def _where(run: TrainingRun, session: TrainingSession) -> str:
    last_epoch = run.first_epoch + run.hyperparameters.epochs
    if run.finished:
        return f"epoch {last_epoch} of {last_epoch}"
    parts = [f"epoch {run.epoch + 1} of {last_epoch}", f"batch {run.batch:,} of {run.batches_per_epoch:,}"]
    parts.append(f"rate {run.scheduled_learning_rate:.2g}")
    if (left := session.seconds_left) is not None:
        parts.append(f"{_duration(left)} left")
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def sentences(session: TrainingSession, notice: str) -> str:
    """What the run does or how it ended, what went wrong beside it, and what the last click led to."""
    parts = [(session.sentence, session.state is State.FAILED), (session.problem, True), (notice, True)]
    said = "".join(
        f"<p{' class=wrong' if wrong else ''}>{'⚠ ' if wrong else ''}{escape(text)}</p>"
        for text, wrong in parts
        if text
    )
    return (
        f'<div class="studio-say" role="status" aria-live="polite">{said or "Choose settings and press Train."}</div>'
    )


def pinned(image: ArrayLike | None, caption: str, probabilities: NDArray[np.float32] | None) -> str:
    """The pinned digit beside its ten probabilities."""
    if image is None:
        return "No digit is pinned."
    if probabilities is None:
        words, bars = "Nobody has learnt to read it yet.", ""
    else:
        words = Guess(int(probabilities.argmax()), probabilities).in_words
        bars = probability_bars(probabilities, words)
    return (
        f'<div class="studio-pinned"><div>{image_tag(image, caption)}<div class="caption">{escape(caption)}</div></div>'
        f"<div><p>{escape(words)}</p>{bars}</div></div>"
    )


HEADS = (
    '<div class="studio-cells studio-heads"><span>settings</span><span class="figure">best valid. acc.</span>'
    '<span class="figure">last loss</span><span class="figure">time</span></div>'
)


def mark(number: int) -> str:
    """A run's number and a piece of its line."""
    return f'<span class="studio-number">{number + 1} {sample(number)}</span>'


def cells(kept: KeptRun) -> str:
    """A run's settings and figures, as a row of the table."""
    accuracy = "–" if kept.best_accuracy is None else f"{kept.best_accuracy:.2%}".replace("%", " %")
    seconds = f"{kept.seconds:.1f} s" if kept.seconds else "–"
    loss = "–" if kept.final_loss is None else f"{kept.final_loss:.4f}"
    all_settings = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(kept.hyperparameters).items())
    return (
        f'<div class="studio-cells"><span title="{escape(all_settings)}">{escape(settings_in_words(kept))}</span>'
        f'<span class="figure">{accuracy}</span><span class="figure">{loss}</span>'
        f'<span class="figure">{seconds}</span></div>'
    )


def settings_in_words(kept: KeptRun) -> str:
    """The learning rate and its changes, the epochs, and what is not as by default."""
    rates = [f"{rate:g}" for rate in (kept.hyperparameters.learning_rate, *_rates(kept.learning_rate_changes))]
    parts = [f"learning rate {' → '.join(rates)}", f"{kept.hyperparameters.epochs} epochs"]
    if kept.first_epoch:
        parts.append(f"after {kept.first_epoch} before")
    for field in dataclasses.fields(Hyperparameters):
        value = getattr(kept.hyperparameters, field.name)
        if field.name not in ("learning_rate", "epochs") and value != field.default:
            parts.append(str(value) if "choices" in field.metadata else f"{field.name.replace('_', ' ')} {value:g}")
    if kept.state in (State.STOPPED, State.FAILED, State.RUNNING):
        parts.append({"failed": "broken off"}.get(kept.state.value, kept.state.value))
    return ", ".join(parts)


def _rates(changes: Sequence[tuple[int, float]], most: int = 3) -> list[float]:
    return [rate for _, rate in changes][-most:]
