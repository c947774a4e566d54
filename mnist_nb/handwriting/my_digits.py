"""The reader's own digits: drawings with their labels, kept in one file."""

import contextlib
import reprlib
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from mnist_nb.data import CLASSES, SIDE, Split
from mnist_nb.files import explain_os_error, regular_file
from mnist_nb.handwriting.digit_files import (
    DigitsError,
    SavedDigit,
    export_digits,
    import_digits,
    read_digits,
    write_digits,
)
from mnist_nb.handwriting.sketch import Sketch

__all__ = ["HELD_OUT_EVERY", "DigitsError", "MyDigits", "SavedDigit"]

HELD_OUT_EVERY = 3
"""Every third drawing of each digit is held out, so that what was taught can be scored on
others."""

DRAWING_ORDER = (3, 8, 0, 5, 1, 9, 6, 2, 7, 4)  # shuffled: one counts from 0 to 9 without thinking
LOCK_TIMEOUT = 10.0  # seconds to wait for another kernel's write, which takes milliseconds
ID_BITS = 53  # enough that no id is drawn twice, and that every language holds it exactly

FileVersion = tuple[int, int, int]  # inode, time of the last change, size


class MyDigits:
    """The reader's own digits, kept in a file that every change is written to at once.

    A change reads the file again first, under a lock, so kernels that share it lose nothing of each
    other's. Another kernel's changes show after the next change or `reload`.

    Args:
        path: a safetensors file; it is created when the first digit is added.

    Raises:
        DigitsError: if the file cannot be read or is no file of digits. It is left as it is.
    """

    def __init__(self, path: str | Path = "my_digits.safetensors") -> None:
        self.path = Path(path).absolute()  # a notebook may change its folder later
        self._digits: tuple[SavedDigit, ...] = ()
        self._version: FileVersion | None = None
        self._deleted: list[SavedDigit] = []
        self._imports: list[list[int]] = []  # the ids that each import added
        self.reload()

    # ---- looking

    def reload(self) -> None:
        """Read the file again if another program has changed it.

        Raises:
            DigitsError: if it cannot be read any more; the digits known before are kept.
        """
        with explain_os_error(self.path, "read", DigitsError):
            version = _file_version(self.path)  # first: a file replaced meanwhile is read again
        if version == self._version:
            return
        self._digits = () if version is None else read_digits(self.path, str(self.path))
        self._version = version

    def __len__(self) -> int:
        return len(self._digits)

    def __iter__(self) -> Iterator[SavedDigit]:
        return iter(self._digits)

    @property
    def ids(self) -> list[int]:
        """What identifies each digit, oldest first, in the order of `images` and `labels`."""
        return [digit.id for digit in self]

    @property
    def images(self) -> Tensor:
        """Uint8 `[N, 28, 28]`, as the network sees them."""
        return _to_split(self).images

    @property
    def labels(self) -> Tensor:
        """Int64 `[N]`, 0 to 9."""
        return _to_split(self).labels

    def sketch(self, digit_id: int) -> Sketch | None:
        """Return the drawing that this digit was made from; None if it was added as an image.

        Raises:
            DigitsError: if there is no such digit.
        """
        strokes = self._digits[_position(self._digits, digit_id)].strokes
        return None if strokes is None else Sketch.from_arrays(**strokes)

    def counts(self) -> list[int]:
        """How many there are of each digit, 0 to 9."""
        totals = Counter(digit.label for digit in self)
        return [totals[label] for label in range(CLASSES)]

    def next_to_draw(self, per_digit: int = 3) -> int | None:
        """The digit to draw next: the one drawn least, the first of these in a shuffled order; None
        if there are `per_digit` of each."""
        counts = self.counts()
        least_drawn = min(DRAWING_ORDER, key=counts.__getitem__)
        return least_drawn if counts[least_drawn] < per_digit else None

    def split(self) -> tuple[Split, Split]:
        """Split the digits into those to teach, and every third drawing of each digit, held out to
        score what was taught.

        A digit's role is decided when it is added and never changes, so no digit is first taught
        and later scored.
        """
        teaching = [digit for digit in self if not digit.held_out]
        held_out = [digit for digit in self if digit.held_out]
        return _to_split(teaching), _to_split(held_out, "my digits, held out")

    # ---- changing

    def add(self, drawing: Any, label: int) -> int:
        """Add a drawing and return its id.

        Args:
            drawing: a `Sketch`, kept with its strokes, or an image uint8 `[28, 28]`, tensor or
                array.
            label: the digit that it shows, 0 to 9.

        Raises:
            DigitsError: for another label or image, too many digits, or a file that cannot be
                written.
            EmptySketchError: if a sketch has no ink.
        """
        return self.add_all([drawing], [label])[0]

    def add_all(self, drawings: Iterable[Any], labels: Iterable[int]) -> list[int]:
        """Add several drawings as `add` does, one label each, and return their ids.

        Either all are added or, after an error, none.
        """
        pairs = zip(drawings, labels, strict=True)
        return self._add([_new_digit(drawing, label) for drawing, label in pairs])

    def relabel(self, digit_id: int, label: int) -> None:
        """Change which digit it shows, 0 to 9.

        Raises:
            DigitsError: for another label, if there is no such digit, or the file cannot be
                written.
        """
        with self._changing() as digits:
            position = _position(digits, digit_id)
            digits[position] = replace(digits[position], label=label)

    def delete(self, digit_id: int) -> None:
        """Delete the digit; `undo_delete` brings it back.

        Raises:
            DigitsError: if there is no such digit, or the file cannot be written.
        """
        with self._changing() as digits:
            deleted = digits.pop(_position(digits, digit_id))
        self._deleted.append(deleted)

    def undo_delete(self) -> int | None:
        """Bring back the digit deleted last, as the newest, and return its id; None if there is
        none.

        Raises:
            DigitsError: if the file cannot be written.
        """
        if not self._deleted:
            return None
        deleted = self._deleted[-1]
        with self._changing() as digits:
            if deleted.id not in [digit.id for digit in digits]:
                digits.append(deleted)
        self._deleted.pop()
        return deleted.id

    def import_(self, source: str | Path | bytes, *, name: str = "") -> int:
        """Add the digits of another such file, or of a folder or zip made by `export`, and return
        how many were new.

        An image is not added a second time. Either all are added or, after an error, none.
        `undo_import` takes them out again.

        Args:
            source: its path, or the content of a file.
            name: what errors call it; defaults to its path.

        Raises:
            DigitsError: if it is none of these, or holds anything that is not a digit, or more than
                5,000 digits.
        """
        content = source if isinstance(source, bytes) else Path(source)
        added = self._add(import_digits(content, name or str(source)), only_new=True)
        if added:
            self._imports.append(added)
        return len(added)

    def undo_import(self) -> int:
        """Delete the digits that the last import added, and return how many were still there.

        Raises:
            DigitsError: if the file cannot be written.
        """
        if not self._imports:
            return 0
        imported = set(self._imports[-1])
        with self._changing() as digits:
            others = [digit for digit in digits if digit.id not in imported]
            count = len(digits) - len(others)
            digits[:] = others
        self._imports.pop()
        return count

    def export(self, path: str | Path) -> Path:
        """Write each digit as a 28x28 PNG file, and `labels.csv` with the columns file and label;
        return the path.

        Args:
            path: a folder that does not exist yet, or a new name that ends in .zip.

        Raises:
            DigitsError: if something is at the path already, or it cannot be written.
        """
        export_digits(Path(path), self)
        return Path(path)

    def _add(self, new: Iterable[SavedDigit], *, only_new: bool = False) -> list[int]:
        """Append digits, each with an id and a role of its own, and return the ids."""
        added = []
        with self._changing() as digits:
            known_images = {digit.image.tobytes() for digit in digits}
            totals = Counter(digit.label for digit in digits)
            held_out_totals = Counter(digit.label for digit in digits if digit.held_out)
            for digit in new:
                content = digit.image.tobytes()
                if only_new and content in known_images:
                    continue
                known_images.add(content)
                totals[digit.label] += 1
                held_out = totals[digit.label] // HELD_OUT_EVERY > held_out_totals[digit.label]
                held_out_totals[digit.label] += held_out
                added.append(replace(digit, id=secrets.randbits(ID_BITS), held_out=held_out))
            digits += added
        return [digit.id for digit in added]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[SavedDigit]]:
        """Lock the file and give its present digits as a list; what is made of the list is written
        at the end.

        Raises:
            DigitsError: if the file cannot be read or written, and then nothing has changed.
        """
        with explain_os_error(self.path, "written", DigitsError), self._locked():
            self.reload()
            digits = list(self._digits)
            yield digits
            if digits != list(self._digits):
                write_digits(self.path, digits)
                self._digits = tuple(digits)
                self._version = _file_version(self.path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        target = regular_file(self.path)  # follows links, so two names of one file share one lock
        lock = FileLock(target.with_name(f".{target.name}.lock"))
        try:
            lock.acquire(LOCK_TIMEOUT)
        except Timeout as error:
            raise DigitsError(
                f"{self.path} has been locked by another program for {LOCK_TIMEOUT:g} seconds: "
                "close the other notebook that uses it and try again"
            ) from error
        try:
            yield
        finally:
            lock.release()


def _file_version(path: Path) -> FileVersion | None:
    """What changes whenever the file is replaced; None if there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _new_digit(drawing: Any, label: int) -> SavedDigit:
    """Make a digit that is not in a file yet."""
    if isinstance(drawing, Sketch):
        strokes = drawing.to_arrays()
        try:
            Sketch.from_arrays(**strokes)
        except ValueError as error:
            raise DigitsError(f"a file cannot keep this drawing: {error}") from error
        return SavedDigit(drawing.to_mnist(), label, strokes)
    image = drawing.numpy(force=True) if isinstance(drawing, Tensor) else drawing
    return SavedDigit(image, label)


def _position(digits: Sequence[SavedDigit], digit_id: int) -> int:
    for position, digit in enumerate(digits):
        if isinstance(digit_id, int | np.integer) and digit.id == digit_id:
            return position
    raise DigitsError(
        f"there is no digit with the id {reprlib.repr(digit_id)}: it may have been deleted in "
        "another notebook"
    )


def _to_split(digits: Iterable[SavedDigit], name: str = "my digits") -> Split:
    digits = tuple(digits)
    images = np.array([digit.image for digit in digits], np.uint8).reshape(-1, SIDE, SIDE)
    labels = torch.tensor([digit.label for digit in digits], dtype=torch.int64)
    return Split(torch.from_numpy(images), labels, name)
