"""The reader's own digits: drawings with their labels in one file, of which nothing is ever
lost."""

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

from mnist_nb.data import SIDE, Split, check_arguments
from mnist_nb.files import Signature, explain_refusal, regular_file, signature, signature_of
from mnist_nb.handwriting import digit_files as files
from mnist_nb.handwriting.digit_files import Digit, DigitsError
from mnist_nb.handwriting.sketch import Sketch

__all__ = ["HELD_OUT_EVERY", "Digit", "DigitsError", "MyDigits"]

HELD_OUT_EVERY = 3
"""Of each digit's drawings every third is kept apart, so that what was taught can be scored on
others."""

_ORDER = (
    3,
    8,
    0,
    5,
    1,
    9,
    6,
    2,
    7,
    4,
)  # shuffled once: who counts from 0 to 9 draws without thinking
_PATIENCE = (
    10.0  # seconds to wait for another kernel that writes the same file; a write takes milliseconds
)


class MyDigits:
    """The reader's own digits, kept in a file that every change is written to at once.

    A change reads the file again first, under a lock: kernels that share it lose nothing of each
    other's. What another kernel did is seen after the next change or `reload`.

    Args:
        path: a safetensors file; it is made when the first digit is added.

    Raises:
        DigitsError: if the file cannot be read or is not one of digits. It is left as it is.
    """

    @check_arguments
    def __init__(self, path: str | Path = "my_digits.safetensors") -> None:
        self.path = Path(path)
        self._digits: tuple[Digit, ...] = ()
        self._signature: Signature | None = None
        self._deleted: list[Digit] = []
        self.reload()

    # ---- looking

    def reload(self) -> None:
        """Read the file again if another program has changed it.

        Raises:
            DigitsError: if it cannot be read any more; what was known before is kept.
        """
        found = None
        with (
            explain_refusal(self.path, "read", DigitsError),
            contextlib.suppress(FileNotFoundError),
        ):
            found = signature(
                self.path.stat()
            )  # before reading: a file replaced in between is read once more
        if found != self._signature:
            self._digits = files.read_digits(self.path, str(self.path)) if found else ()
            self._signature = found

    def __len__(self) -> int:
        return len(self._digits)

    def __iter__(self) -> Iterator[Digit]:
        return iter(self._digits)

    @property
    def ids(self) -> list[int]:
        """The name of each digit, oldest first, in the order of `images` and `labels`."""
        return [digit.id for digit in self]

    @property
    def images(self) -> Tensor:
        """Uint8 `[N, 28, 28]`, as the network sees them."""
        return _to_split(self).images

    @property
    def labels(self) -> Tensor:
        """Int64 `[N]`, 0 to 9."""
        return _to_split(self).labels

    def sketch(self, id: int) -> Sketch | None:
        """The drawing that this digit was made from, or None for an image that was not drawn on the
        pad.

        Raises:
            DigitsError: if there is no such digit.
        """
        strokes = self._digits[_position(self._digits, id)].strokes
        return Sketch.from_arrays(**strokes) if strokes is not None else None

    def counts(self) -> list[int]:
        """How many there are of each digit, 0 to 9."""
        return (
            np.bincount([digit.label for digit in self], minlength=10).tolist()
            if len(self)
            else [0] * 10
        )

    @check_arguments
    def next_to_draw(self, per_digit: int = 3) -> int | None:
        """The digit to ask for: the one drawn least, in a fixed shuffled order; None once all are
        there."""
        counts = self.counts()
        wanted = min(_ORDER, key=counts.__getitem__)  # the first of the least
        return wanted if counts[wanted] < per_digit else None

    def split(self) -> tuple[Split, Split]:
        """The digits to teach, and those kept apart to score what was taught: every third drawing
        of each digit.

        Which is decided when a digit is added and never changes, so that none is first taught and
        later scored.
        """
        held_out = [digit for digit in self if digit.held_out]
        return _to_split(digit for digit in self if not digit.held_out), _to_split(
            held_out, "my digits, held out"
        )

    # ---- changing

    def add(self, drawing: Any, label: int) -> int:
        """Keep a drawing and return its id.

        Args:
            drawing: a `Sketch`, kept with its strokes, or an image uint8 `[28, 28]`, tensor or
                array.
            label: the digit that it shows, 0 to 9.

        Raises:
            DigitsError: for another label, another image, too many digits, or a file that cannot be
                written.
            EmptySketchError: for a sketch without ink.
        """
        return self.add_all([drawing], [label])[0]

    def add_all(self, drawings: Iterable[Any], labels: Iterable[int]) -> list[int]:
        """Keep several drawings as `add` does, one label each, and return their ids: all or, after
        an error, none."""
        return self._add(
            [_new(drawing, label) for drawing, label in zip(drawings, labels, strict=True)]
        )

    def relabel(self, id: int, label: int) -> None:
        """Say what the digit really shows, 0 to 9.

        Raises:
            DigitsError: for another label, if there is no such digit, or the file cannot be
                written.
        """
        with self._changing() as digits:
            position = _position(digits, id)
            digits[position] = replace(digits[position], label=label)

    def delete(self, id: int) -> None:
        """Take the digit out; `undo_delete` brings it back.

        Raises:
            DigitsError: if there is no such digit, or the file cannot be written.
        """
        with self._changing() as digits:
            deleted = digits.pop(_position(digits, id))
        self._deleted.append(deleted)

    def undo_delete(self) -> int | None:
        """Bring back what `delete` took last, as the newest digit, and return its id; None if there
        is nothing.

        Raises:
            DigitsError: if the file cannot be written.
        """
        if not self._deleted:
            return None
        with self._changing() as digits:
            if self._deleted[-1].id not in {digit.id for digit in digits}:
                digits.append(self._deleted[-1])
        return self._deleted.pop().id

    @check_arguments
    def import_(self, source: str | Path | bytes, *, name: str = "") -> int:
        """Add the digits of another such file, or of a folder or zip that `export` made; return how
        many were new.

        An image that is here already is not added again. Either all are added or, after an error,
        none.

        Args:
            source: its path, or the content of a file.
            name: what errors call it; its path if empty.

        Raises:
            DigitsError: if it is none of these, or holds anything that is not a digit, or too many.
        """
        found = files.import_digits(
            source if isinstance(source, bytes) else Path(source), name or str(source)
        )
        return len(self._add(found, skip_known=True))

    @check_arguments
    def export(self, path: str | Path) -> Path:
        """Write each digit as a 28x28 PNG file, and `labels.csv` with the columns file and label;
        return the path.

        Args:
            path: a folder that does not exist yet, or a new name that ends in .zip.

        Raises:
            DigitsError: if something is there already, or it cannot be written.
        """
        files.export_digits(Path(path), self)
        return Path(path)

    def _add(self, new: Iterable[Digit], *, skip_known: bool = False) -> list[int]:
        """Append digits, each with an id and a role of its own, and return the ids."""
        with self._changing() as digits:
            before = len(digits)
            known = {digit.image.tobytes() for digit in digits} if skip_known else set()
            drawn = Counter(digit.label for digit in digits)
            apart = Counter(digit.label for digit in digits if digit.held_out)
            for digit in new:
                if digit.image.tobytes() in known:
                    continue
                drawn[digit.label] += 1
                held_out = drawn[digit.label] // HELD_OUT_EVERY > apart[digit.label]
                apart[digit.label] += held_out
                id = secrets.randbits(
                    53
                )  # of so many that none comes twice, and that every language holds exactly
                digits.append(replace(digit, id=id, held_out=held_out))
        return [digit.id for digit in digits[before:]]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Digit]]:
        """The digits as they are in the file by now, under a lock; what is made of them takes their
        place at the end.

        Raises:
            DigitsError: if the file cannot be read or written, and nothing has changed then.
        """
        with explain_refusal(self.path, "written", DigitsError):
            target = regular_file(
                self.path
            )  # through links, so that two names of one file share one lock
            try:
                with FileLock(target.with_name(f".{target.name}.lock"), _PATIENCE):
                    self.reload()
                    digits = list(self._digits)
                    yield digits
                    if digits != list(self._digits):
                        files.write_digits(self.path, digits)
                        self._digits, self._signature = tuple(digits), signature_of(self.path)
            except Timeout as error:
                raise DigitsError(
                    f"{self.path} has been locked by another program for {_PATIENCE:g} seconds: "
                    "close the other notebook that uses it and try again"
                ) from error


def _new(drawing: Any, label: int) -> Digit:
    """A digit that is not in a file yet."""
    if isinstance(drawing, Sketch):
        image, arrays = drawing.to_mnist(), drawing.to_arrays()
        try:
            Sketch.from_arrays(**arrays)
        except ValueError as error:
            raise DigitsError(f"a file cannot keep this drawing: {error}") from error
        return Digit(image, label, arrays)
    return Digit(drawing.numpy(force=True) if isinstance(drawing, Tensor) else drawing, label)


def _position(digits: Sequence[Digit], id: int) -> int:
    for position, digit in enumerate(digits):
        if isinstance(id, int | np.integer) and digit.id == id:
            return position
    raise DigitsError(
        f"there is no digit with the id {reprlib.repr(id)}: it may have been deleted in another notebook"
    )


def _to_split(digits: Iterable[Digit], name: str = "my digits") -> Split:
    digits = tuple(digits)
    images = np.array([digit.image for digit in digits], np.uint8).reshape(-1, SIDE, SIDE)
    return Split(
        torch.from_numpy(images),
        torch.tensor([digit.label for digit in digits], dtype=torch.int64),
        name,
    )
