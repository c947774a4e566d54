"""How the drawing pad looks: its style sheet, and what is read as a piece of HTML. Numbers in, text out."""

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from mnist_nb.data import SIDE
from mnist_nb.drawing.pictures import PictureSteps
from mnist_nb.drawing.preprocessing import Pixels
from mnist_nb.evaluation import Evaluation
from mnist_nb.my_digits.adaptation import AdaptationReport
from mnist_nb.my_digits.reading import Number
from mnist_nb.widgets.html import image_tag, picture_tag, probability_bars
from mnist_nb.widgets.prediction import Guess, with_article

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
    refused = " refused" if guess is not None and guess.refused else ""
    return (
        f'<p class="pad-words" role="status" aria-live="polite">{escape(words)}</p><div class="pad-reading{refused}">'
        f"{bars}<figure>{seen}<figcaption>as the network sees it</figcaption></figure></div>"
    )


def number(read: Number | None) -> str:
    """A whole number in words, and the image of each of its digits with what is read in it."""
    words, images = "Write a number, in one line or several.", []
    if read is not None:
        sure = f"{read.confidence:.0%}".replace("%", " %") if read.confidence < 0.995 else "over 99 %"
        unread = " (“?” stands where I see no digit)" if "?" in read.text else f", {sure} sure"
        words = f"I read {read.text.replace(chr(10), ' / ')}{unread}."
        images = [
            (digit.image, f"{digit.text}, {digit.probabilities.max():.0%}" if digit.text != "?" else "?")
            for digit in read.digits
        ]
    return f'<p class="pad-words" role="status" aria-live="polite">{escape(words)}</p>{thumbnails(images)}'


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


def picture_steps(steps: PictureSteps) -> str:
    """What was done with a picture: the digit in a frame, the ink found, and the image that the network sees."""
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
    tags = [
        f"<figure>{picture_tag(one, text, 168 / max(one.size))}<figcaption>{text}</figcaption></figure>"
        for text, one in shown.items()
    ]
    return f'<div class="pad-thumbs">{"".join(tags)}</div>'


def score(evaluation: Evaluation, images: Pixels, held_out: Tensor) -> str:
    """How many of the reader's digits were read: all, and those kept apart; what was confused, and each mistake."""
    total, right = len(evaluation.labels), evaluation.is_correct
    text = f"It reads {evaluation.n_correct} of your {total} digits ({100 * evaluation.accuracy:.0f} %)"
    if apart := int(held_out.sum()):
        text += f", and {int(right[held_out].sum())} of the {apart} that are never taught"
    if evaluation.n_correct == total:
        return sentence(f"✓ {text}.")
    wrong = (~right).nonzero().flatten().tolist()[:20]
    mistakes = [(images[at], f"{int(evaluation.labels[at])}, read {int(evaluation.predictions[at])}") for at in wrong]
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
    return f"{evaluation.accuracy:.1%} ({evaluation.n_correct:,} of {len(evaluation.labels):,})".replace("%", " %")
