"""Your own digits: drawings with their labels, in one file."""

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
"""Every third drawing of each digit is held out, to measure the result of teaching."""

DRAWING_ORDER = (3, 8, 0, 5, 1, 9, 6, 2, 7, 4)  # shuffled, so that nobody just counts from 0 to 9
LOCK_TIMEOUT = 10.0  # seconds to wait for another kernel's write, which takes milliseconds
ID_BITS = 53  # enough to avoid duplicate ids, and exact in every programming language

FileVersion = tuple[int, int, int]  # inode, time of the last change, size


class MyDigits:
    """Your own digits, in a file to which every change is saved immediately.

    Each change first reads the file again, under a lock, so kernels that share it lose no digit.
    Changes of another kernel are visible after the next change or `reload`.

    Args:
        path: a safetensors file; it is created when the first digit is added.

    Raises:
        DigitsError: if the file cannot be read or is not a file of digits. It is not changed.
    """

    def __init__(self, path: str | Path = "my_digits.safetensors") -> None:
        self.path = Path(path).absolute()  # a notebook may change its working folder later
        self._digits: tuple[SavedDigit, ...] = ()
        self._version: FileVersion | None = None
        self._deleted: list[SavedDigit] = []
        self._imports: list[list[int]] = []  # the ids added by each import
        self.reload()

    # ---- reading

    def reload(self) -> None:
        """Read the file again if another program has changed it.

        Raises:
            DigitsError: if it can no longer be read. The digits known before are kept.
        """
        with explain_os_error(self.path, "read", DigitsError):
            version = _file_version(
                self.path
            )  # before reading: a file replaced meanwhile is read again
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
        """The id of each digit, oldest first, in the order of `images` and `labels`."""
        return [digit.id for digit in self]

    @property
    def images(self) -> Tensor:
        """The images as the network sees them, uint8 `[N, 28, 28]`."""
        return _to_split(self).images

    @property
    def labels(self) -> Tensor:
        """The labels, 0 to 9, int64 `[N]`."""
        return _to_split(self).labels

    def sketch(self, digit_id: int) -> Sketch | None:
        """Return the drawing that this digit was made from; None if it was added as an image.

        Raises:
            DigitsError: if there is no such digit.
        """
        strokes = self._digits[_position(self._digits, digit_id)].strokes
        return None if strokes is None else Sketch.from_arrays(**strokes)

    def counts(self) -> list[int]:
        """The number of drawings of each digit, 0 to 9."""
        totals = Counter(digit.label for digit in self)
        return [totals[label] for label in range(CLASSES)]

    def next_to_draw(self, per_digit: int = 3) -> int | None:
        """Return the digit with the fewest drawings; None if there are `per_digit` of each.

        Digits with equally many follow a shuffled order.
        """
        counts = self.counts()
        least_drawn = min(DRAWING_ORDER, key=counts.__getitem__)
        return least_drawn if counts[least_drawn] < per_digit else None

    def split(self) -> tuple[Split, Split]:
        """Split the digits into those to teach and every third drawing of each digit, held out.

        A digit's role is decided when it is added and never changes, so no digit is first taught
        and later used to measure the result.
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
            DigitsError: if the label or image is invalid, there are too many digits, or the file
                cannot be written.
            EmptySketchError: if a sketch has no ink.
        """
        return self.add_all([drawing], [label])[0]

    def add_all(self, drawings: Iterable[Any], labels: Iterable[int]) -> list[int]:
        """Add several drawings, with one label each, and return their ids.

        After an error none is added.
        """
        pairs = zip(drawings, labels, strict=True)
        return self._add([_new_digit(drawing, label) for drawing, label in pairs])

    def relabel(self, digit_id: int, label: int) -> None:
        """Change the label of a digit to another one from 0 to 9.

        Raises:
            DigitsError: if the label is invalid, no digit has this id, or the file cannot be
                written.
        """
        with self._changing() as digits:
            position = _position(digits, digit_id)
            digits[position] = replace(digits[position], label=label)

    def delete(self, digit_id: int) -> None:
        """Delete a digit. `undo_delete` restores it.

        Raises:
            DigitsError: if there is no such digit, or the file cannot be written.
        """
        with self._changing() as digits:
            deleted = digits.pop(_position(digits, digit_id))
        self._deleted.append(deleted)

    def undo_delete(self) -> int | None:
        """Restore the digit deleted last, as the newest, and return its id; None if there is none.

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
        """Import the digits of another file, or of a folder or zip made by `export`.

        Images that exist already are skipped. After an error no digit is added. `undo_import`
        removes the imported digits.

        Args:
            source: the path, or the content of a file.
            name: its name in error messages; defaults to its path.

        Returns:
            The number of digits added.

        Raises:
            DigitsError: if it is none of these, or contains more than 5,000 digits or anything
                else.
        """
        content = source if isinstance(source, bytes) else Path(source)
        added = self._add(import_digits(content, name or str(source)), only_new=True)
        if added:
            self._imports.append(added)
        return len(added)

    def undo_import(self) -> int:
        """Delete the digits that the last import added, and return their number.

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
        """Export each digit as a 28x28 PNG file, with `labels.csv` (columns file and label).

        Args:
            path: a new folder, or a new file that ends in .zip.

        Returns:
            The path.

        Raises:
            DigitsError: if the path exists already or cannot be written.
        """
        export_digits(Path(path), self)
        return Path(path)

    def _add(self, new: Iterable[SavedDigit], *, only_new: bool = False) -> list[int]:
        """Append digits, each with its own id and role, and return the ids."""
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
        """Lock the file, yield its current digits as a list, and save the list at the end.

        Raises:
            DigitsError: if the file cannot be read or written. Nothing has changed then.
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
        target = regular_file(self.path)  # resolves links: two names of one file share a lock
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
    """An identifier that changes when the file is replaced; None if there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _new_digit(drawing: Any, label: int) -> SavedDigit:
    """Make a new digit that is not in the file yet."""
    if isinstance(drawing, Sketch):
        strokes = drawing.to_arrays()
        try:
            Sketch.from_arrays(**strokes)
        except ValueError as error:
            raise DigitsError(f"this drawing cannot be saved: {error}") from error
        return SavedDigit(drawing.to_mnist(), label, strokes)
    image = drawing.numpy(force=True) if isinstance(drawing, Tensor) else drawing
    return SavedDigit(image, label)


def _position(digits: Sequence[SavedDigit], digit_id: int) -> int:
    for position, digit in enumerate(digits):
        if isinstance(digit_id, int | np.integer) and digit.id == digit_id:
            return position
    raise DigitsError(
        f"there is no digit with the id {reprlib.repr(digit_id)} in the file: it was deleted in "
        "another notebook, or the file was removed. Draw it again, or import a copy of the file"
    )


def _to_split(digits: Iterable[SavedDigit], name: str = "my digits") -> Split:
    digits = tuple(digits)
    images = np.array([digit.image for digit in digits], np.uint8).reshape(-1, SIDE, SIDE)
    labels = torch.tensor([digit.label for digit in digits], dtype=torch.int64)
    return Split(torch.from_numpy(images), labels, name)
