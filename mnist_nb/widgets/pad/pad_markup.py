"""How the drawing pad looks: its style sheet, and what is read as a piece of HTML. Numbers in, text
out."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image, ImageDraw

from mnist_nb.data import SIDE
from mnist_nb.evaluation import Evaluation
from mnist_nb.handwriting.adaptation import AdaptationReport
from mnist_nb.handwriting.my_digits import SavedDigit
from mnist_nb.handwriting.numbers import Number
from mnist_nb.handwriting.pictures import PictureSteps
from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.widgets.markup import image_tag, message, picture_tag, probability_bars
from mnist_nb.widgets.prediction import Prediction, how_sure, with_article

_BLANK = np.zeros((SIDE, SIDE), np.uint8)


def reading(image: Pixels | None, guess: Prediction | None) -> str:
    """What is read, in words and in ten bars, beside the image as the network sees it."""
    about = "what the network sees: 28 by 28 pixels"
    seen = _figure(
        image_tag(_BLANK if image is None else image, about, scale=5), "as the network sees it"
    )
    words = "Draw a digit: zero to nine." if image is None else "Nobody can read it yet."
    bars = '<div class="pad-none">How sure the network is of each digit will stand here.</div>'
    if guess is not None:
        words = guess.sentence
        bars = probability_bars(guess.probabilities, words)
    refused = " refused" if guess is not None and guess.refused else ""
    return f'{_words(words)}<div class="pad-reading{refused}">{bars}{seen}</div>'


def number(read: Number) -> str:
    """A whole number in words, and the image of each of its digits with what is read in it."""
    if not read.digits:
        return _words("Write a number, in one line or several.")
    sure = (
        " (“?” stands where I see no digit)"
        if "?" in read.text
        else f", {how_sure(read.confidence)}"
    )
    images = [
        (
            digit.image,
            "?" if digit.text == "?" else f"{digit.text}, {100 * digit.probabilities.max():.0f} %",
        )
        for digit in read.digits
    ]
    return _words(f"I read {read.text.replace(chr(10), ' / ')}{sure}.") + thumbnails(images)


def note(text: str) -> str:
    """A line of explanation."""
    return f'<div class="pad-small">{escape(text)}</div>'


def request(asked: int | None, counts: Sequence[int], there: int, wanted: int) -> str:
    """Which digit to draw next, if one is asked for, and how many of the wanted ones are there;
    `counts` of each."""
    kind, words = "pad-small", "✓ All thirty digits are there. Now teach it your hand, or add more."
    if asked is not None:
        turn = ("first", "second", "third")[counts[asked]]
        kind, words = (
            "pad-words",
            f"Please draw {with_article(asked)} <small>(the {turn} of three)</small>",
        )
    elif there < wanted:
        words = (
            "Thirty digits, three of each, teach a network your hand. It takes under two minutes."
        )
    return f'<div class="{kind}" role="status">{words}</div><div>{progress_bar(there / wanted)}{there} of {wanted}</div>'


def progress_bar(share: float) -> str:
    """How much of something is done."""
    return f'<div class="pad-track"><div style="width:{share:.0%}"></div></div>'


def thumbnails(pictures: Sequence[tuple[Pixels, str]], chosen: int = -1, first: int = 1) -> str:
    """Small pictures, each with a line under it and its number as a tooltip, numbered from
    `first`."""
    figures = [
        _figure(
            image_tag(picture, text, scale=2),
            text,
            f'title="digit number {at}"' + " class=chosen" * (at == chosen),
        )
        for at, (picture, text) in enumerate(pictures, first)
    ]
    return f'<div class="pad-thumbs">{"".join(figures)}</div>'


def picture_steps(steps: PictureSteps) -> str:
    """What was done with a picture: the digit in a frame, the ink found, and the image that the
    network sees."""
    picture = Image.fromarray(steps.picture.clip(0, 255).astype(np.uint8)).convert("RGB")
    left, top, right, bottom = steps.box
    line = max(1, round(max(picture.size) / 150))
    frame = (left - line, top - line, right + line - 1, bottom + line - 1)
    ImageDraw.Draw(picture).rectangle(frame, outline="#D55E00", width=line)
    shown = {
        "your picture, the digit in a frame": picture,
        "the ink found in it": Image.fromarray((255 * (1 - steps.ink)).astype(np.uint8)),
        "prepared: 28 by 28 pixels": Image.fromarray(255 - steps.image),
    }
    figures = [
        _figure(picture_tag(one, text, 168 / max(one.size)), text) for text, one in shown.items()
    ]
    return f'<div class="pad-thumbs">{"".join(figures)}</div>'


def score(evaluation: Evaluation, digits: Sequence[SavedDigit]) -> str:
    """How many of the reader's digits were read: all, and those kept apart; what was confused, and
    each mistake."""
    total, right = len(digits), evaluation.is_correct.tolist()
    text = f"It reads {evaluation.n_correct} of your {total} digits ({100 * evaluation.accuracy:.0f} %)"
    if apart := [is_right for is_right, digit in zip(right, digits, strict=True) if digit.held_out]:
        text += f", and {sum(apart)} of the {len(apart)} that are never taught"
    if evaluation.n_correct == total:
        return message(f"✓ {text}.")
    read = zip(digits, evaluation.predictions.tolist(), strict=True)
    mistakes = [
        (digit.image, f"{digit.label}, read {guess}")
        for digit, guess in read
        if digit.label != guess
    ][:20]
    pairs = [
        f"{with_article(label)} as {with_article(guess)} ({count}×)"
        for label, guess, count in evaluation.confused_pairs(6)
    ]
    words = message(f"{text}. Mistakes: {'; '.join(pairs)}.")
    return f'{words}<div class="pad-score">{_confusion(evaluation)}{thumbnails(mistakes)}</div>'


def _confusion(evaluation: Evaluation) -> str:
    """The confusion matrix as a table: a row for each label, a column for each guess, mistakes in
    bold frames."""
    rows = {}
    for label, counts in enumerate(evaluation.confusion.tolist()):
        signs = [str(count or "·") for count in counts]
        rows[str(label)] = [
            sign if guess == label or sign == "·" else f'<b class="mistake">{sign}</b>'
            for guess, sign in enumerate(signs)
        ]
    return _table(map(str, range(10)), rows, "drawn (rows) and read (columns)")


def outcome(report: AdaptationReport, words: str, *, changed: bool) -> str:
    """Before and after teaching as a table, and a sentence that says what was done; `changed`
    whether anything was."""
    rows = {
        "your digits that were not taught": _change(report.digits_before, report.digits_after),
        "MNIST's test images": _change(report.mnist_before, report.mnist_after),
    }
    table = _table(["before", "after", ""], rows)
    return f'<div class="pad-outcome">{table}</div>{message(f"✓ {words}" if changed else words, is_error=not changed)}'


def _change(before: Evaluation | None, after: Evaluation | None) -> list[str]:
    if before is None or after is None:
        return ["none kept apart yet"] * 2
    step = 100 * (after.accuracy - before.accuracy)
    figures = [
        f"{100 * one.accuracy:.1f} % ({one.n_correct:,} of {len(one.labels):,})"
        for one in (before, after)
    ]
    return [*figures, f"{'▲' if step > 0 else '▼' if step < 0 else '='} {abs(step):.2f} points"]


def _words(text: str) -> str:
    return f'<p class="pad-words" role="status" aria-live="polite">{escape(text)}</p>'


def _figure(image: str, text: str, attributes: str = "") -> str:
    return f"<figure {attributes}>{image}<figcaption>{escape(text)}</figcaption></figure>"


def _table(columns: Iterable[str], rows: Mapping[str, Iterable[str]], caption: str = "") -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = ""
    for name, cells in rows.items():
        body += (
            f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        )
    return f"<table><caption>{caption}</caption><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
