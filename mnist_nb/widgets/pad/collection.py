"""Your own digits as observable state: the saved digits, and the one to draw next."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from traitlets import HasTraits, Instance

from mnist_nb.handwriting.my_digits import DigitsError, MyDigits, SavedDigit
from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.sketch import Sketch

PER_DIGIT = 3
WANTED = 10 * PER_DIGIT

Drawn = Sketch | Pixels


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Your digits at one moment."""

    kept: tuple[SavedDigit, ...] = ()  # oldest first
    wanted: int | None = None  # the digit to draw next, if the pad asks for one

    @property
    def counts(self) -> list[int]:
        """The number of saved drawings of each digit, 0 to 9."""
        labels = [digit.label for digit in self.kept]
        return [labels.count(digit) for digit in range(10)]

    @property
    def collected(self) -> int:
        """The number of the thirty requested digits that are saved."""
        return sum(min(count, PER_DIGIT) for count in self.counts)


class DigitCollection(HasTraits):
    """Your digits, and the digit that the pad asks for.

    Args:
        path: the file of the digits.

    Attributes:
        snapshot: the current digits, replaced after each change; observe it.
    """

    snapshot = Instance(Snapshot, ())

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._path = Path(
            path
        ).absolute()  # a notebook may change its working folder before the first digit
        self._is_asking = False
        self._last_kept: dict[int, bytes] = {}  # id -> image, of the drawings saved last

    @cached_property
    def digits(self) -> MyDigits:
        """The file of digits.

        Raises:
            DigitsError: if the file cannot be read. It is not changed.
        """
        return MyDigits(self._path)

    @property
    def kept(self) -> tuple[SavedDigit, ...]:
        """The digits, oldest first."""
        return self.snapshot.kept

    @property
    def wanted(self) -> int | None:
        """The digit to draw next, 0 to 9; None unless the pad asks for one."""
        return self.snapshot.wanted

    def existing_digits(self) -> MyDigits:
        """Return the file of digits.

        Raises:
            DigitsError: if there are no digits, or the file cannot be read.
        """
        if not len(self.digits):
            raise DigitsError("You have no digits yet: collect some, or import a file.")
        return self.digits

    def refresh(self) -> None:
        """Publish the current digits. Stop asking when all thirty are there."""
        wanted = self.digits.next_to_draw(PER_DIGIT) if self._is_asking else None
        self._is_asking = wanted is not None
        self.snapshot = Snapshot(tuple(self.digits), wanted)

    def toggle_asking(self) -> None:
        """Start or stop asking for digits."""
        self._is_asking = not self._is_asking
        self.refresh()

    def keep(self, drawings: Sequence[Drawn], labels: Sequence[int]) -> None:
        """Save drawings with these labels. Drawings that were saved last only get new labels."""
        self.digits.reload()  # those saved last may be gone: then they are saved again
        images = [_image_of(drawing).tobytes() for drawing in drawings]
        is_repeated = images == list(self._last_kept.values())
        ids = self._relabel_last_kept(labels) if is_repeated else {}
        new = [place for place in range(len(images)) if place not in ids]
        if new:
            new_drawings = [drawings[place] for place in new]
            new_labels = [labels[place] for place in new]
            new_ids = self.digits.add_all(new_drawings, new_labels)
            ids.update(zip(new, new_ids, strict=True))
        self._last_kept = {ids[place]: image for place, image in enumerate(images)}
        self.refresh()

    def delete_last_kept(self) -> int:
        """Delete the drawings saved last, and return their number."""
        ids = self._last_kept.keys() & set(self.digits.ids)
        for id in ids:
            self.digits.delete(id)
        self._last_kept = {}  # if the file cannot be written, they can be deleted later
        self.refresh()
        return len(ids)

    def _relabel_last_kept(self, labels: Sequence[int]) -> dict[int, int]:
        """Relabel the drawings that still exist, and return position -> id."""
        existing = set(self.digits.ids)
        ids = {}
        for place, id in enumerate(self._last_kept):
            if id in existing:
                self.digits.relabel(id, labels[place])
                ids[place] = id
        return ids


def _image_of(drawing: Drawn) -> Pixels:
    return drawing.to_mnist() if isinstance(drawing, Sketch) else drawing
