"""How the drawing pad looks: its style sheet, and what is read as a piece of HTML. Numbers in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from torch import Tensor

from mnist_nb.adaptation import AdaptationReport
from mnist_nb.evaluation import Evaluation
from mnist_nb.preparation import SIDE, Pixels
from mnist_nb.widgets.pad_state import Guess, with_article
from mnist_nb.widgets.pictures import image_tag, probability_bars

# JupyterLab's own colours, light or dark, each with a fallback for pages that have none; the digits keep black on
# white or white on black in both, as paper and as MNIST. Okabe and Ito's blue marks the guess, beside a bold digit
# and an arrow.
STYLE = """<style>
.mnist-pad { --accent: #0072B2; --text: var(--jp-ui-font-color1, #212121); --soft: var(--jp-ui-font-color2, #616161);
  --line: var(--jp-border-color2, #c8c8c8); color: var(--text); max-width: 780px; padding: 14px 18px;
  border: 1px solid var(--line); border-radius: 8px; background: var(--jp-layout-color1, #fff);
  font-family: var(--jp-ui-font-family, system-ui, sans-serif); font-size: 13px; line-height: 1.45; overflow: visible; }
[data-jp-theme-light="false"] .mnist-pad { --accent: #56B4E9; }
.mnist-pad .widget-html, .mnist-pad .widget-html-content { line-height: 1.45; height: auto; }
.mnist-pad canvas { border: 1px solid var(--line); border-radius: 6px; cursor: crosshair; touch-action: none;
  box-sizing: content-box; margin-bottom: 4px; }
.mnist-pad canvas:focus-visible, .mnist-pad button:focus-visible { outline: 2px solid var(--accent);
  outline-offset: -2px; }
.mnist-pad .widget-toggle-buttons .widget-toggle-button { width: 138px; }
.mnist-pad .pad-words { font-size: 21px; line-height: 30px; min-height: 30px; margin: 0 0 8px; }
.mnist-pad .pad-reading { display: flex; gap: 22px; align-items: flex-start; }
.mnist-pad .pad-none { box-sizing: border-box; width: 264px; height: 180px; padding: 60px 30px; color: var(--soft);
  text-align: center; border: 1px dashed var(--line); border-radius: 6px; }
.mnist-pad figure { margin: 0; text-align: center; color: var(--soft); font-size: 12px; }
.mnist-pad figure img { display: block; margin-bottom: 4px !important; }
.mnist-pad .pad-say { min-height: 1.45em; color: var(--soft); }
.mnist-pad .pad-say.wrong { color: var(--text); border-left: 3px solid #D55E00; padding-left: 8px; }
.mnist-pad .pad-small { color: var(--soft); font-size: 12px; }
.mnist-pad .pad-label { width: 84px; }
.mnist-pad .pad-thumbs { display: flex; flex-wrap: wrap; gap: 4px; }
.mnist-pad .pad-thumbs figure { border: 2px solid transparent; border-radius: 6px; }
.mnist-pad .pad-thumbs figure.chosen { border-color: var(--accent); color: var(--text); font-weight: 700; }
.mnist-pad .pad-score { display: flex; gap: 18px; align-items: flex-start; margin-top: 6px; }
.mnist-pad table { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums; margin: 4px 0; }
.mnist-pad td, .mnist-pad th { padding: 2px 7px; text-align: right; border: 0; }
.mnist-pad caption { color: var(--soft); }
.mnist-pad td.mistake { outline: 1.5px solid #D55E00; font-weight: 700; }
.mnist-pad .pad-track { display: inline-block; width: 300px; height: 12px; border-radius: 3px; margin: 6px 10px 4px 0;
  background: var(--jp-layout-color2, #eee); vertical-align: middle; }
.mnist-pad .pad-track div { height: 100%; border-radius: 3px; background: var(--accent); }
.mnist-pad .jupyter-button { padding: 0 8px; }
.mnist-pad .pad-digit { padding: 0; }
.mnist-pad .pad-outcome td, .mnist-pad .pad-outcome th { padding: 3px 14px 3px 0; text-align: left; }
.mnist-pad .widget-tab { margin: 4px 0 0; }
</style>"""
_BLANK = np.zeros((SIDE, SIDE), np.uint8)


def reading(image: Pixels | None, guess: Guess | None, nobody: str = "") -> str:
    """What is read, in words and in ten bars, beside the image as the network sees it.

    Args:
        nobody: a sentence that says why there is an image but no guess.
    """
    nothing = "Draw a digit: zero to nine." if image is None else nobody
    words = nothing if guess is None else guess.in_words
    about = "How sure the network is of each digit will stand here."
    bars = f'<div class="pad-none">{about}</div>' if guess is None else probability_bars(guess.probabilities, words)
    seen = image_tag(_BLANK if image is None else image, "what the network sees: 28 by 28 pixels", scale=5)
    return (
        f'<p class="pad-words" role="status" aria-live="polite">{escape(words)}</p><div class="pad-reading">'
        f"{bars}<figure>{seen}<figcaption>as the network sees it</figcaption></figure></div>"
    )


def note(text: str) -> str:
    """A line of explanation."""
    return f'<div class="pad-small">{escape(text)}</div>'


def request(asked: tuple[int, str] | None, there: int, wanted: int) -> str:
    """What to draw next, (digit, "first"), if anything is asked for, and how many of the wanted digits are there."""
    if asked is not None:
        words = f"Please draw {with_article(asked[0])} <small>(the {asked[1]} of three)</small>"
    elif there < wanted:
        words = "Thirty digits, three of each, teach a network your hand. It takes under two minutes."
    else:
        words = "✓ All thirty digits are there."
    bar = f'<div class="pad-track"><div style="width:{100 * there / wanted:.0f}%"></div></div>'
    return (
        f'<div class="{"pad-words" if asked else "pad-small"}" role="status">{words}</div>'
        f"<div>{bar}{there} of {wanted}</div>"
    )


def thumbnails(pictures: Sequence[tuple[Pixels, str]], chosen: int = -1, first: int = 1) -> str:
    """Small pictures, each with a line under it and its number as a tooltip, numbered from `first`."""
    tags = [
        f'<figure class="{"chosen" if at == chosen else ""}" title="digit number {first + at}">'
        f"{image_tag(picture, text, scale=2)}<figcaption>{escape(text)}</figcaption></figure>"
        for at, (picture, text) in enumerate(pictures)
    ]
    return f'<div class="pad-thumbs">{"".join(tags)}</div>'


def score(evaluation: Evaluation, images: Pixels, held_out: Tensor) -> str:
    """How many of the reader's digits were read: all, and those kept apart; what was confused, and each mistake."""
    total, right = len(evaluation.labels), evaluation.is_right
    text = f"It reads {evaluation.correct} of your {total} digits ({100 * evaluation.accuracy:.0f} %)"
    if apart := int(held_out.sum()):
        text += f", and {int(right[held_out].sum())} of the {apart} that are never taught"
    if evaluation.correct == total:
        return sentence(f"✓ {text}.")
    wrong = (~right).nonzero().flatten().tolist()[:20]
    mistakes = [(images[at], f"{int(evaluation.labels[at])}, read {int(evaluation.guesses[at])}") for at in wrong]
    pairs = [
        f"{with_article(label)} as {with_article(guess)} ({count}×)"
        for label, guess, count in evaluation.confused_pairs(6)
    ]
    words = sentence(f"{text}. Mistakes: {'; '.join(pairs)}.")
    return f'{words}<div class="pad-score">{_confusion(evaluation)}{thumbnails(mistakes)}</div>'


def _confusion(evaluation: Evaluation) -> str:
    """The confusion matrix as a table: a row for each label, a column for each guess, mistakes in bold frames."""
    rows = ""
    for label, counts in enumerate(evaluation.confusion.tolist()):
        cells = [
            f'<td class="{"" if label == guess or not count else "mistake"}">{count or "·"}</td>'
            for guess, count in enumerate(counts)
        ]
        rows += f'<tr><th scope="row">{label}</th>{"".join(cells)}</tr>'
    head = "".join(f'<th scope="col">{guess}</th>' for guess in range(10))
    return (
        "<table><caption>drawn (rows) and read (columns)</caption>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def sentence(text: str, *, wrong: bool = False) -> str:
    """A line of the panel that says what was done, or what went wrong."""
    sign = "⚠ " if wrong else ""
    return f'<div class="pad-say{" wrong" if wrong else ""}" role="status">{sign}{escape(text)}</div>'


def outcome(report: AdaptationReport, words: str, *, changed: bool) -> str:
    """Before and after teaching as a table, and a sentence that says what was done; `changed` whether anything was."""
    rows = ""
    for name, before, after in (
        ("your digits that were not taught", report.digits_before, report.digits_after),
        ("MNIST's test images", report.mnist_before, report.mnist_after),
    ):
        figures = [_figure(before), _figure(after)]
        if before is not None and after is not None:
            step = 100 * (after.accuracy - before.accuracy)
            figures.append(f"{'▲' if step > 0 else '▼' if step < 0 else '='} {abs(step):.2f} points")
        rows += f'<tr><th scope="row">{name}</th>{"".join(f"<td>{figure}</td>" for figure in figures)}</tr>'
    head = '<tr><th></th><th scope="col">before</th><th scope="col">after</th><th></th></tr>'
    table = f'<table class="pad-outcome"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return table + sentence(f"✓ {words}" if changed else words, wrong=not changed)


def _figure(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "none kept apart yet"
    return f"{evaluation.accuracy:.1%} ({evaluation.correct:,} of {len(evaluation.labels):,})".replace("%", " %")
