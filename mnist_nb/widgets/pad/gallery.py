"""The gallery of your digits: browse, relabel, delete, export, import, and test."""

from functools import partial
from pathlib import Path
from typing import Any

from ipywidgets import HTML, BoundedIntText, Dropdown, HBox, Text, VBox

from mnist_nb.evaluation import Evaluation
from mnist_nb.handwriting.my_digits import DigitsError, SavedDigit
from mnist_nb.widgets.common import labelled, make_button, make_upload, on_change
from mnist_nb.widgets.pad import pad_markup
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.prediction import describe_digit_count, with_article

PAGE = 40  # digits shown at once


class Gallery(VBox):  # type: ignore[misc]
    """The panel that shows and changes your digits."""

    def __init__(self, state: PadState) -> None:
        self._state = state
        self._collection = state.collection
        self._pictures = HTML()
        self._score = HTML()
        self._number = labelled(BoundedIntText, "Digit number", "170px", 1, min=1, max=1)
        on_change(state.attempt, self._number, self._show)
        self._label = labelled(Dropdown, "is a", "110px", options=range(10))
        tooltip = "The file to export to, or to import"
        self._file = labelled(Text, "File", "300px", "my_digits.zip", tooltip=tooltip)
        new = partial(make_button, state.attempt)
        changes = [
            new(
                "Relabel", "Change this digit's label to the chosen one", self._relabel, icon="tag"
            ),
            new("Delete", "Delete this digit", self._delete, icon="trash"),
            new("Undo delete", "Restore the digit deleted last", self._restore, icon="undo"),
            new("Show it on the pad", "Show this digit on the pad", self._lay),
        ]
        tooltip = "Write the digits as PNG files and CSV"
        export = new("Export", tooltip, self._export, icon="download")
        tooltip = "Add the digits of this file or folder"
        import_file = new("Import", tooltip, self._import_path, icon="upload")
        files = (".safetensors,.zip", "Import from this computer")
        upload = make_upload(state.attempt, *files, self._import_upload)
        tooltip = "Delete the digits that the last import added"
        undo_import = new("Undo import", tooltip, self._undo_import, icon="undo")
        tooltip = "How many of my digits does the network read?"
        score = new("Test on my digits", tooltip, self.score, icon="check")
        super().__init__(
            [
                self._pictures,
                HBox([self._number, self._label, *changes]),
                HBox([self._file, export, import_file, upload, undo_import]),
                HBox([score]),
                self._score,
            ]
        )
        self._collection.observe(self._show, "snapshot")
        self._show()

    def score(self) -> Evaluation:
        """Show accuracy, confusions and mistakes of the current network, and return them.

        Raises:
            ValueError: if there is no network or no digit.
        """
        evaluation = self._state.score_digits()
        self._score.value = pad_markup.score(evaluation, self._collection.kept)
        return evaluation

    def _show(self, _: Any = None) -> None:
        digits = self._collection.kept
        self._number.max = max(1, len(digits))
        if not digits:
            self._pictures.value = pad_markup.note("You have no digits yet.")
            return
        chosen = self._number.value - 1
        first = chosen // PAGE * PAGE
        pictures = [(digit.image, str(digit.label)) for digit in digits[first : first + PAGE]]
        self._pictures.value = pad_markup.thumbnails(pictures, chosen + 1, first + 1)
        self._label.value = digits[chosen].label

    def _chosen(self) -> SavedDigit:
        """Return the digit that is shown as chosen. Then update the display."""
        digits = self._collection.existing_digits()
        shown = self._collection.kept or tuple(digits)  # a cell may have added the first digits
        number: int = self._number.value
        chosen = shown[number - 1]
        digits.reload()
        self._collection.refresh()
        return chosen

    def _relabel(self) -> None:
        label = self._label.value
        self._collection.digits.relabel(self._chosen().id, label)
        self._changed(f"Digit {self._number.value} is {with_article(label)} now.")

    def _delete(self) -> None:
        digit = self._chosen()
        self._collection.digits.delete(digit.id)
        name = with_article(digit.label).capitalize()
        self._changed(f"{name} is deleted. Undo delete restores it.")

    def _restore(self) -> None:
        if self._collection.digits.undo_delete() is None:
            self._state.show_message("There is no deleted digit to restore.")
            return
        self._changed("The digit is restored, as the newest.")
        self._number.value = len(self._collection.digits)

    def _lay(self) -> None:
        digit = self._chosen()
        sketch = self._collection.digits.sketch(digit.id)
        if sketch is None:
            self._state.drawing.pick(digit.image)
        else:
            self._state.drawing.copy_from(sketch)

    def _export(self) -> None:
        digits = self._collection.existing_digits()
        path = digits.export(self._path())
        count = describe_digit_count(len(digits))
        self._state.show_message(f"Exported to {path}: {count} as PNG files, and labels.csv.")

    def _import_path(self) -> None:
        self._import(self._path())

    def _import_upload(self, name: str, content: bytes) -> None:
        self._import(content, name)

    def _import(self, source: Path | bytes, name: str = "") -> None:
        count = self._collection.digits.import_(source, name=name)
        added = f"Added: {describe_digit_count(count)}."
        self._changed(added if count else "No digit was imported: you have all of them already.")

    def _undo_import(self) -> None:
        count = self._collection.digits.undo_import()
        deleted = f"Deleted: {describe_digit_count(count)}."
        self._changed(deleted if count else "There is no import to undo.")

    def _path(self) -> Path:
        name = self._file.value.strip()
        if not name:
            raise DigitsError("Name a file first, such as my_digits.zip.")
        return Path(name).expanduser()

    def _changed(self, text: str) -> None:
        self._collection.refresh()
        self._state.show_message(text)
