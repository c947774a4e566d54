"""The drawing pad's HTML, as functions that return text. Imports no widget."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image, ImageDraw

from mnist_nb.data import SIDE
from mnist_nb.evaluation import Evaluation
from mnist_nb.handwriting.adaptation import AdaptationReport
from mnist_nb.handwriting.my_digits import SavedDigit
from mnist_nb.handwriting.numbers import Number, ReadDigit
from mnist_nb.handwriting.pictures import PictureSteps
from mnist_nb.handwriting.pieces import Box
from mnist_nb.handwriting.preprocessing import Floats, Pixels
from mnist_nb.widgets.markup import image_tag, message, picture_tag, probability_bars
from mnist_nb.widgets.pad.collection import PER_DIGIT, WANTED
from mnist_nb.widgets.prediction import (
    Prediction,
    number_sentence,
    percent,
    photo_sentence,
    with_article,
)

STEP_SIDE = 168
"""The longer side of each picture of a photo's preparation, in pixels."""

NUMBER_SIDE = 330
"""The same for a photo of a number, of which two fit next to each other."""

WIDE_NUMBER_SIDE = 676
"""The same for one that is at least three times as wide as high: one is below the other."""

MOST_MISTAKES = 20
"""The maximum number of misread digits shown."""

MOST_PAIRS = 6
"""The maximum number of confused pairs named."""

_BLANK = np.zeros((SIDE, SIDE), np.uint8)
_FRAME = "#D55E00"


def reading(image: Pixels | None, prediction: Prediction | None) -> str:
    """Return the reading as a sentence and ten bars, and the image as the network sees it."""
    alt = "what the network sees: 28 by 28 pixels"
    seen = image_tag(_BLANK if image is None else image, alt, scale=5)
    figure = _figure(seen, "as the network sees it")
    kind = "pad-reading"
    if prediction is None:
        words = (
            "Draw a digit: zero to nine."
            if image is None
            else "There is no network yet: choose one above the pad."
        )
        text = "The probability of each digit will be shown here."
        bars = f'<div class="pad-none">{text}</div>'
    else:
        words = prediction.sentence
        bars = probability_bars(prediction.probabilities, words)
        if prediction.refused:
            kind = "pad-reading refused"
    return f'{_words(words)}<div class="{kind}">{bars}{figure}</div>'


def busy_notice(number: int) -> str:
    """Return the notice that `paper.js` shows unless the kernel replaces it by a new number."""
    return (
        f'<div class="pad-busy" data-number="{number}" role="status" hidden>The kernel does not '
        "answer. Strokes are drawn once it has finished other cells; if it was restarted, run the "
        "pad's cell again.</div>"
    )


def number(read: Number, problem: str = "") -> str:
    """Return a whole number as a sentence, and the image of each digit with its reading.

    Args:
        read: what was read.
        problem: why nothing was, if so.
    """
    if not read.digits:
        words = _as_sentence(problem) if problem else "Write a number, in one line or several."
        return _words(words)
    images = [(digit.image, _caption(digit)) for digit in read.digits]
    return _words(number_sentence(read)) + thumbnails(images)


def number_steps(picture: Floats, ink: Floats, read: Number, problem: str) -> str:
    """Return how a number was found: the digits in frames, the ink, and a sentence.

    Args:
        picture: grey values `[H, W]`.
        ink: `[H, W]`.
        read: what was read.
        problem: why nothing was, if so.
    """
    boxes = [digit.box for digit in read.digits]
    caption = "your picture, each digit in a frame" if boxes else "your picture"
    pictures = {caption: _framed(picture, boxes), "the ink found in it": _ink_picture(ink)}
    words = _as_sentence(problem) if problem else photo_sentence(read)
    height, width = picture.shape
    side = WIDE_NUMBER_SIDE if width >= 3 * height else NUMBER_SIDE
    return _words(words) + _step_figures(pictures, side)


def _as_sentence(problem: str) -> str:
    """Return the text of an error with a capital letter and a full stop."""
    return f"{problem[0].upper()}{problem[1:]}."


def _caption(digit: ReadDigit) -> str:
    if digit.text == "?":
        return "?"
    return f"{digit.text}, {percent(float(digit.probabilities.max()))}"


def note(text: str) -> str:
    """Return a line of explanation."""
    return f'<div class="pad-small">{escape(text)}</div>'


def request(wanted: int | None, counts: Sequence[int]) -> str:
    """Return the digit to draw next, if one is wanted, and the progress.

    Args:
        counts: the numbers of saved drawings of the digits 0 to 9.
    """
    collected = sum(min(count, PER_DIGIT) for count in counts)
    kind = "pad-small"
    if wanted is not None:
        turn = ("first", "second", "third")[counts[wanted]]
        kind = "pad-words"
        words = f"Please draw {with_article(wanted)} <small>(the {turn} of three)</small>"
    elif collected < WANTED:
        words = (
            "Thirty digits, three of each, teach the network your handwriting. That takes two "
            "minutes."
        )
    else:
        words = "✓ All thirty digits are there. Now teach it your handwriting, or add more."
    bar = progress_bar(collected / WANTED)
    return f'<div class="{kind}" role="status">{words}</div><div>{bar}{collected} of {WANTED}</div>'


def progress_bar(share: float) -> str:
    """Return a progress bar."""
    return f'<div class="pad-track"><div style="width:{share:.0%}"></div></div>'


def thumbnails(pictures: Sequence[tuple[Pixels, str]], chosen: int = -1, first: int = 1) -> str:
    """Return small pictures, each with a caption and its number as a tooltip.

    Args:
        chosen: the number of the picture with a frame.
        first: the number of the first picture.
    """
    figures = []
    for number, (picture, caption) in enumerate(pictures, first):
        attributes = f'title="digit number {number}"'
        if number == chosen:
            attributes += " class=chosen"
        figures.append(_figure(image_tag(picture, caption, scale=2), caption, attributes))
    return f'<div class="pad-thumbs">{"".join(figures)}</div>'


def picture_steps(steps: PictureSteps) -> str:
    """Return the preparation of a picture: the digit in a frame, the ink, the network's image."""
    pictures = {
        "your picture, the digit in a frame": _framed(steps.picture, [steps.box]),
        "the ink found in it": _ink_picture(steps.ink),
        "prepared: 28 by 28 pixels": Image.fromarray(255 - steps.image),
    }
    return _step_figures(pictures, STEP_SIDE)


def _step_figures(pictures: Mapping[str, Image.Image], side: int) -> str:
    """Pictures by caption, side by side, the longer side of each `side` pixels."""
    figures = []
    for caption, picture in pictures.items():
        scale = side / max(picture.size)
        figures.append(_figure(picture_tag(picture, caption, scale), caption))
    return f'<div class="pad-thumbs">{"".join(figures)}</div>'


def _ink_picture(ink: Floats) -> Image.Image:
    return Image.fromarray((255 * (1 - ink)).astype(np.uint8))


def _framed(picture: Floats, boxes: Iterable[Box]) -> Image.Image:
    """The picture with a frame around each digit."""
    grey = picture.clip(0, 255).astype(np.uint8)
    framed = Image.fromarray(grey).convert("RGB")
    pen = ImageDraw.Draw(framed)
    line = max(1, round(max(framed.size) / 150))  # its width in pixels
    for left, top, right, bottom in boxes:
        frame = (left - line, top - line, right + line - 1, bottom + line - 1)
        pen.rectangle(frame, outline=_FRAME, width=line)
    return framed


def score(evaluation: Evaluation, digits: Sequence[SavedDigit]) -> str:
    """Return the accuracy on your digits, the confused pairs, and each mistake."""
    text = _score_sentence(evaluation, digits)
    if evaluation.n_correct == len(digits):
        return message(f"✓ {text}.")
    mistakes = []
    for digit, guess in zip(digits, evaluation.predictions.tolist(), strict=True):
        if digit.label != guess:
            mistakes.append((digit.image, f"{digit.label}, read {guess}"))
    pairs = []
    for label, guess, count in evaluation.confused_pairs(MOST_PAIRS):
        pairs.append(f"{with_article(label)} as {with_article(guess)} ({count}×)")
    words = message(f"{text}. Mistakes: {'; '.join(pairs)}.")
    pictures = thumbnails(mistakes[:MOST_MISTAKES])
    return f'{words}<div class="pad-score">{_confusion(evaluation)}{pictures}</div>'


def _score_sentence(evaluation: Evaluation, digits: Sequence[SavedDigit]) -> str:
    percent = f"{100 * evaluation.accuracy:.0f} %"
    text = f"It reads {evaluation.n_correct} of your {len(digits)} digits ({percent})"
    held_out = np.array([digit.held_out for digit in digits])
    if held_out.any():
        correct = evaluation.is_correct.numpy()[held_out]
        text += f", and {correct.sum()} of the {len(correct)} that are held out"
    return text


def _confusion(evaluation: Evaluation) -> str:
    """Return the confusion matrix as a table, with a row per label and a column per guess."""
    rows = {}
    for label, counts in enumerate(evaluation.confusion.tolist()):
        cells = []
        for guess, count in enumerate(counts):
            text = str(count) if count else "·"
            is_mistake = count and guess != label
            cells.append(f'<b class="mistake">{text}</b>' if is_mistake else text)
        rows[str(label)] = cells
    columns = [str(digit) for digit in range(10)]
    return _table(columns, rows, "drawn (rows) and read (columns)")


def outcome(report: AdaptationReport, text: str, *, has_changed: bool) -> str:
    """Return a table of accuracies before and after teaching, and a sentence about the result.

    Args:
        has_changed: whether the network was changed.
    """
    rows = {
        "your digits that were not taught": _change(report.digits_before, report.digits_after),
        "MNIST's test images": _change(report.mnist_before, report.mnist_after),
    }
    table = _table(["before", "after", ""], rows)
    words = f"✓ {text}" if has_changed else text
    return f'<div class="pad-outcome">{table}</div>{message(words, is_error=not has_changed)}'


def _change(before: Evaluation | None, after: Evaluation | None) -> list[str]:
    """Return both accuracies, and their difference in percentage points."""
    if before is None or after is None:
        return ["none held out yet"] * 2
    points = 100 * (after.accuracy - before.accuracy)
    sign = "="
    if points > 0:
        sign = "▲"
    elif points < 0:
        sign = "▼"
    return [_accuracy(before), _accuracy(after), f"{sign} {abs(points):.2f} points"]


def _accuracy(evaluation: Evaluation) -> str:
    counts = f"{evaluation.n_correct:,} of {len(evaluation.labels):,}"
    return f"{100 * evaluation.accuracy:.1f} % ({counts})"


def _words(text: str) -> str:
    return f'<p class="pad-words" role="status" aria-live="polite">{escape(text)}</p>'


def _figure(image: str, text: str, attributes: str = "") -> str:
    return f"<figure {attributes}>{image}<figcaption>{escape(text)}</figcaption></figure>"


def _table(columns: Iterable[str], rows: Mapping[str, Iterable[str]], caption: str = "") -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = []
    for name, cells in rows.items():
        tags = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr><th scope="row">{name}</th>{tags}</tr>')
    return (
        f"<table><caption>{caption}</caption><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )
