"""The reader's digits: looked through, relabelled, deleted, exported, imported, and scored."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ipywidgets import HTML, BoundedIntText, Dropdown, HBox, Text, VBox

from mnist_nb.data import Split
from mnist_nb.evaluation import Evaluation, evaluate
from mnist_nb.handwriting.my_digits import DigitsError, SavedDigit
from mnist_nb.widgets.common import (
    describe_digit_count,
    labelled,
    make_button,
    make_upload,
    on_change,
)
from mnist_nb.widgets.pad import pad_markup as pad_page
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.prediction import with_article

PAGE = 40  # digits shown at once


class Gallery(VBox):  # type: ignore[misc]
    """Shows the reader's digits and changes them.

    Args:
        pad: knows the digits, can be laid one on, and has the network that is scored.
        changed: called after a change, to have it shown everywhere.
    """

    def __init__(self, pad: Board, changed: Callable[[], None]) -> None:
        self._pad, self._refreshed = pad, changed
        self._pictures, self._score = HTML(), HTML()
        number = labelled(BoundedIntText, "Digit number", "170px", 1, min=1, max=1)
        self._number = on_change(pad.attempt, number, self.show)
        self._label = labelled(Dropdown, "is a", "110px", options=range(10))
        self._file = labelled(
            Text, "File", "300px", "my_digits.zip", tooltip="The file to export to or import"
        )
        new = partial(make_button, pad.attempt)
        change = [
            new("Relabel", "Give this digit the label that is chosen", self._relabel, icon="tag"),
            new("Delete", "Delete this digit", self._delete, icon="trash"),
            new("Bring back", "Bring back the digit deleted last", self._bring_back, icon="undo"),
            new("Lay it on the pad", "Show this digit on the pad", self._lay),
        ]
        share = [
            new("Export", "Write the digits as PNG files and CSV", self._export, icon="download"),
            new(
                "Import",
                "Add the digits of this file or folder",
                lambda: self._add("", self._named()),
                icon="upload",
            ),
            make_upload(pad.attempt, ".safetensors,.zip", "Import from this computer", self._add),
        ]
        score = new(
            "Score", "How many of my digits does the network read?", self.score, icon="check"
        )
        rows = HBox([self._number, self._label, *change]), HBox([self._file, *share])
        super().__init__([self._pictures, *rows, HBox([score]), self._score])

    def show(self) -> None:
        """Show the digits as they are now."""
        digits = list(self._pad.digits)
        self._number.max = max(1, len(digits))
        at = self._number.value - 1
        first = at // PAGE * PAGE
        page = [(digit.image, str(digit.label)) for digit in digits[first : first + PAGE]]
        self._pictures.value = pad_page.note("Nothing is kept yet.")
        if digits:
            self._pictures.value = pad_page.thumbnails(page, at + 1, first + 1)
            self._label.value = digits[at].label

    def score(self) -> Evaluation:
        """How the network that reads does on the digits; the panel shows accuracy, confusions and
        mistakes.

        Raises:
            ValueError: if there is no network, or no digit.
        """
        digits = self._pad.some_digits()
        digits.reload()
        if (model := self._pad.state.model) is None:
            raise ValueError("There is no network to score: choose one above the pad.")
        score = evaluate(model, Split(digits.images, digits.labels, "my digits"))
        self._score.value = pad_page.score(score, list(digits))
        return score

    def _digit(self) -> SavedDigit:
        digits = list(self._pad.some_digits())
        at: int = min(self._number.value, len(digits)) - 1
        return digits[at]

    def _relabel(self) -> None:
        self._pad.digits.relabel(self._digit().id, self._label.value)
        self._changed(f"Digit {self._number.value} is {with_article(self._label.value)} now.")

    def _delete(self) -> None:
        digit = self._digit()
        self._pad.digits.delete(digit.id)
        self._changed(
            f"{with_article(digit.label).capitalize()} is deleted. Bring back takes that back."
        )

    def _bring_back(self) -> None:
        if self._pad.digits.undo_delete() is None:
            self._pad.show_message("There is nothing to bring back.")
            return
        self._changed("It is back, as the newest.")
        self._number.value = len(self._pad.digits)

    def _lay(self) -> None:
        digit = self._digit()
        sketch = self._pad.digits.sketch(digit.id)
        if sketch is None:
            self._pad.pick(digit.image)
        else:
            self._pad.draw(sketch)

    def _export(self) -> None:
        path = self._pad.some_digits().export(self._named())
        self._pad.show_message(
            f"In {path} now: {describe_digit_count(len(self._pad.digits))} as PNG files, and labels.csv."
        )

    def _add(self, name: str, source: Path | bytes) -> None:
        count = self._pad.digits.import_(source, name=name)
        self._changed(
            f"Added: {describe_digit_count(count)}." if count else "No digit in there was new."
        )

    def _named(self) -> Path:
        if not self._file.value.strip():
            raise DigitsError("Name a file first, such as my_digits.zip.")
        return Path(self._file.value.strip()).expanduser()

    def _changed(self, text: str) -> None:
        self._pad.show_message(text)
        self._refreshed()
