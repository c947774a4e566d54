"""The reader's own digits as the panels watch them: which are kept, and which to draw next."""

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
    """The reader's digits at some time."""

    kept: tuple[SavedDigit, ...] = ()  # oldest first
    wanted: int | None = None  # the digit to draw next, if the pad asks for one

    @property
    def counts(self) -> list[int]:
        """How many of each digit are kept, 0 to 9."""
        labels = [digit.label for digit in self.kept]
        return [labels.count(digit) for digit in range(10)]

    @property
    def collected(self) -> int:
        """How many of the wanted thirty are kept."""
        return sum(min(count, PER_DIGIT) for count in self.counts)


class DigitCollection(HasTraits):
    """The reader's digits, and which one the pad asks for.

    Args:
        path: of their file.

    Attributes:
        snapshot: replaced after each change; observe it.
    """

    snapshot = Instance(Snapshot, ())

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._path = Path(
            path
        ).absolute()  # a notebook may change its folder before the first digit
        self._is_asking = False
        self._last_kept: dict[int, bytes] = {}  # id -> image, of the drawings kept last

    @cached_property
    def digits(self) -> MyDigits:
        """The file of digits.

        Raises:
            DigitsError: if the file cannot be read; it is not changed.
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
            DigitsError: if there are none, or the file cannot be read.
        """
        if not len(self.digits):
            raise DigitsError("There are no digits of yours yet: collect some, or import a file.")
        return self.digits

    def refresh(self) -> None:
        """Publish the digits as they are now; asking ends once all are there."""
        wanted = self.digits.next_to_draw(PER_DIGIT) if self._is_asking else None
        self._is_asking = wanted is not None
        self.snapshot = Snapshot(tuple(self.digits), wanted)

    def toggle_asking(self) -> None:
        """Begin to ask for digits, or stop."""
        self._is_asking = not self._is_asking
        self.refresh()

    def keep(self, drawings: Sequence[Drawn], labels: Sequence[int]) -> None:
        """Keep drawings as these digits; the ones kept last only get new labels."""
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
        """Delete the drawings kept last, and return how many there were."""
        ids = self._last_kept.keys() & set(self.digits.ids)
        for id in ids:
            self.digits.delete(id)
        self._last_kept = {}  # only now: if the file cannot be written, they can be deleted later
        self.refresh()
        return len(ids)

    def _relabel_last_kept(self, labels: Sequence[int]) -> dict[int, int]:
        """Relabel those that are still there, and return place -> id."""
        existing = set(self.digits.ids)
        ids = {}
        for place, id in enumerate(self._last_kept):
            if id in existing:
                self.digits.relabel(id, labels[place])
                ids[place] = id
        return ids


def _image_of(drawing: Drawn) -> Pixels:
    return drawing.to_mnist() if isinstance(drawing, Sketch) else drawing
