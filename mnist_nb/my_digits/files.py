"""Digits in files: the reader's own with their strokes as safetensors, and folders of PNG files to share."""

from __future__ import annotations

import contextlib
import csv
import io
import operator
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from mnist_nb.data import SIDE
from mnist_nb.files import MnistNbError, write_atomically

MAX_DIGITS = 100_000
MAX_FILE_BYTES = 2**29  # bytes: room for the most digits with their strokes

_LABELS = "labels.csv"
_MAX_PNG_BYTES = 2**16  # bytes; a 28x28 image takes a few hundred
_MAX_CSV_BYTES = 2**24

# The tensors of a file. Digits come one after another, and so do all their strokes and all the strokes' points.
_LAYOUT: dict[str, tuple[type, tuple[int, ...]]] = {
    "images": (np.uint8, (SIDE, SIDE)),  # [N, 28, 28]
    "labels": (np.int64, ()),  # [N]
    "ids": (np.int64, ()),  # [N], unique
    "held_out": (np.uint8, ()),  # [N], 1 for digits kept apart
    "strokes": (np.int64, ()),  # [N], how many strokes a digit has; 0 for an image that nobody drew here
    "size": (np.float32, ()),  # [N], its canvas in pixels; 0 where there are no strokes
    "lengths": (np.int64, ()),  # [S], how many points a stroke has
    "widths": (np.float32, ()),  # [S]
    "erase": (np.uint8, ()),  # [S]
    "points": (np.float32, (2,)),  # [P, 2]
}


class DigitsError(MnistNbError, ValueError):
    """A digit or a file of digits that cannot be used. Says which, why, and what to do."""


@dataclass(frozen=True, eq=False)
class Digit:
    """One of the reader's digits.

    Raises:
        DigitsError: for an image of another type or shape, or another label.
    """

    image: NDArray[np.uint8]  # [28, 28], bright ink on black
    label: int  # 0 to 9
    strokes: Mapping[str, NDArray[Any]] | None = None  # as `Sketch.to_arrays` gives them; None for an image
    id: int = 0  # its name for good, whatever is added or deleted around it
    held_out: bool = False  # kept apart from teaching

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", checked_label(self.label))
        if self.image.dtype != np.uint8 or self.image.shape != (SIDE, SIDE):
            raise DigitsError(
                f"a digit is a Sketch or an image of type uint8 and shape [{SIDE}, {SIDE}], not {self.image.dtype} "
                f"{list(self.image.shape)}; mnist_nb.from_image makes one from a photo or a picture of any size"
            )


def checked_label(label: Any) -> int:
    """The label as an int from 0 to 9; DigitsError if it is none."""
    with contextlib.suppress(TypeError):  # what is no whole number is refused below
        if not isinstance(label, bool) and 0 <= operator.index(label) <= 9:
            return operator.index(label)
    raise DigitsError(f"a label is one of the digits 0 to 9, not {label!r}")


@contextlib.contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn the system's refusal to have the path `what` ("read", "written") into an error that names it."""
    try:
        yield
    except OSError as error:
        raise DigitsError(
            f"{path} cannot be {what}: {error.strerror or error}; choose another place or make room"
        ) from error


# ---- one file with everything


def read_digits(path: Path) -> tuple[Digit, ...]:
    """The digits of a safetensors file.

    Raises:
        DigitsError: if it cannot be read or is not a whole and sound file of digits.
    """
    with explained(path, "read"):
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DigitsError(f"{path} is {size:,} bytes long, far more than a file of digits: wrong file?")
        content = path.read_bytes()
    try:
        return _unpacked(safetensors.numpy.load(content))
    except Exception as error:  # safetensors raises several kinds for a damaged file: all mean the same to a reader
        raise DigitsError(
            f"{path} is not a whole file of digits ({error}). It is left as it is: rename it to start a new one, "
            "or put back a copy"
        ) from error


def write_digits(path: Path, digits: Sequence[Digit]) -> None:
    """Replace the file by one with these digits, in one step.

    Raises:
        DigitsError: if they are too many; the old file is untouched.
        OSError: if it cannot be written; likewise.
    """
    if len(digits) > MAX_DIGITS:
        raise DigitsError(f"{path} would hold {len(digits):,} digits, more than {MAX_DIGITS:,}: start another file")
    drawings = [digit.strokes for digit in digits if digit.strokes is not None]
    columns: dict[str, Any] = {
        "images": [digit.image for digit in digits],
        "labels": [digit.label for digit in digits],
        "ids": [digit.id for digit in digits],
        "held_out": [digit.held_out for digit in digits],
        "strokes": [0 if digit.strokes is None else len(digit.strokes["lengths"]) for digit in digits],
        "size": [0 if digit.strokes is None else float(digit.strokes["size"]) for digit in digits],
    }
    for name in ("lengths", "widths", "erase", "points"):
        columns[name] = np.concatenate([np.asarray(drawing[name]) for drawing in drawings]) if drawings else []
    tensors: dict[str, NDArray[Any]] = {
        name: np.array(columns[name], dtype).reshape(-1, *tail) for name, (dtype, tail) in _LAYOUT.items()
    }
    try:
        _unpacked(tensors)  # never write what could not be read again
    except ValueError as error:
        raise DigitsError(f"{path} cannot keep these digits: {error}") from error
    content = safetensors.numpy.save(tensors, {"format": "mnist_nb digits", "version": "1"})
    if len(content) > MAX_FILE_BYTES:
        raise DigitsError(f"{path} would grow to {len(content):,} bytes: start another file")
    write_atomically(path, content)


def _unpacked(tensors: dict[str, NDArray[Any]]) -> tuple[Digit, ...]:
    """The digits of a file's tensors; a ValueError says what is wrong with them."""
    if set(tensors) != set(_LAYOUT):
        raise ValueError(f"its tensors are named {', '.join(sorted(tensors)[:12]) or 'nothing at all'}")
    for name, (dtype, tail) in _LAYOUT.items():
        tensor = tensors[name]
        if tensor.dtype != dtype or tensor.ndim != 1 + len(tail) or tensor.shape[1:] != tail:
            raise ValueError(f"{name} is {tensor.dtype} {list(tensor.shape)}")
    images, labels, ids, held_out, strokes, size, lengths, widths, erase, points = map(tensors.__getitem__, _LAYOUT)
    if len({*map(len, (images, labels, ids, held_out, strokes, size))}) > 1 or len(images) > MAX_DIGITS:
        raise ValueError(f"it holds {len(images):,} images, {len(labels):,} labels and {len(ids):,} ids")
    if ((labels < 0) | (labels > 9)).any():
        raise ValueError(f"its labels go from {labels.min()} to {labels.max()}")
    if len(np.unique(ids)) < len(ids):
        raise ValueError("two digits have the same id")
    drawn = strokes != 0
    if not (
        len(lengths) == len(widths) == len(erase)
        and ((strokes >= 0) & (strokes <= len(lengths))).all()  # so that the sums cannot overflow
        and ((lengths >= 1) & (lengths <= len(points))).all()
        and strokes.sum() == len(lengths)
        and lengths.sum() == len(points)
    ):
        raise ValueError("its strokes do not fit together")
    if not (np.isfinite(points).all() and _positive(widths) and _positive(size[drawn])):
        raise ValueError("its strokes hold numbers that are not finite, or widths that are not above 0")
    stroke_end = np.cumsum(strokes)
    point_end = np.concatenate([[0], np.cumsum(lengths)])
    digits = []
    for at in range(len(images)):
        start, stop = stroke_end[at] - strokes[at], stroke_end[at]
        drawing = {"points": points[point_end[start] : point_end[stop]], "size": size[at]}
        drawing |= {"lengths": lengths[start:stop], "widths": widths[start:stop], "erase": erase[start:stop]}
        kept = drawing if drawn[at] else None
        digits.append(Digit(images[at], int(labels[at]), kept, int(ids[at]), bool(held_out[at])))
    return tuple(digits)


def _positive(numbers: NDArray[Any]) -> bool:
    return bool((np.isfinite(numbers) & (numbers > 0)).all())


# ---- folders and zips of PNG files


def export_digits(path: Path, digits: Iterable[Digit]) -> None:
    """Write a 28x28 PNG file of each digit, and labels.csv, to a new folder or zip, which appears when it is whole.

    Raises:
        DigitsError: if something is at the path already, or it cannot be written.
    """
    if path.exists():
        raise DigitsError(f"{path} exists already, and an export overwrites nothing: choose another name")
    with explained(path, "written"):
        files = dict(_exported(digits))
        if path.suffix.lower() != ".zip":
            _write_folder(path, files)
            return
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        write_atomically(path, buffer.getvalue())


def import_digits(path: Path) -> list[Digit]:
    """The digits of a safetensors file, or of a folder or zip that `export_digits` made.

    Raises:
        DigitsError: if the path is none of these, or holds anything that is not a digit.
    """
    if not path.exists():
        raise DigitsError(f"there is nothing at {path}: choose a file of digits, or an exported folder or zip")
    with explained(path, "read"):
        if path.is_dir():
            return _read_folder(path, path)
        if not zipfile.is_zipfile(path):
            return list(read_digits(path))
    try:
        with explained(path, "read"), zipfile.ZipFile(path) as archive:
            return _read_folder(zipfile.Path(archive), path)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:  # damaged, encrypted, unknown packing
        raise DigitsError(f"{path} cannot be unpacked: {error}") from error


def _exported(digits: Iterable[Digit]) -> Iterator[tuple[str, bytes]]:
    """The files of an export: their names and what is in them."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "label"])
    for number, digit in enumerate(digits):
        name, png = f"{number:05}-{digit.label}.png", io.BytesIO()
        Image.fromarray(digit.image).save(png, "PNG")
        writer.writerow([name, digit.label])
        yield name, png.getvalue()
    yield _LABELS, table.getvalue().encode()


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    folder = Path(tempfile.mkdtemp(dir=path.resolve().parent, prefix=f".{path.name[:100]}."))
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        folder.chmod(0o755)  # temporary folders are private
        os.rename(folder, path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _read_folder(folder: Path | zipfile.Path, path: Path) -> list[Digit]:
    """The digits of an exported folder, which may lie in another as zip programs make it."""
    inner = [folder, *(child for child in folder.iterdir() if child.is_dir())]
    place = next((place for place in inner if (place / _LABELS).is_file()), None)
    if place is None:
        raise DigitsError(f"{path} holds no {_LABELS}: choose a folder or zip that export made")
    try:
        table = _bounded(place / _LABELS, _MAX_CSV_BYTES).decode("utf-8-sig")  # spreadsheets write a byte-order mark
        rows = list(csv.DictReader(io.StringIO(table)))
        if len(rows) > MAX_DIGITS:
            raise ValueError(f"it names {len(rows):,} files, more than {MAX_DIGITS:,}")
    except (ValueError, csv.Error) as error:
        raise DigitsError(f"{path}, {_LABELS}: {error}. Nothing was imported") from error
    return [_read_png(place, row, path) for row in rows]


def _read_png(folder: Path | zipfile.Path, row: Mapping[str, str | None], path: Path) -> Digit:
    name, label = row.get("file") or "", row.get("label") or ""
    try:
        if not name or Path(name).name != name:  # no way out of the folder
            raise ValueError(f"{_LABELS} has the columns file and label, and names files without folders")
        content = _bounded(folder / name, _MAX_PNG_BYTES)
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        if image.size != (SIDE, SIDE):  # before its pixels are unpacked
            raise ValueError(f"it measures {image.width}x{image.height} and not {SIDE}x{SIDE} pixels")
        return Digit(np.asarray(image.convert("L")), checked_label(int(label) if label.isdecimal() else label))
    except (OSError, SyntaxError, ValueError, KeyError, Image.DecompressionBombError) as error:
        raise DigitsError(f"{path}, {name!r}: {error}. Nothing was imported") from error


def _bounded(file: Path | zipfile.Path, most: int) -> bytes:
    """The content of a file that is not larger than it should be, whatever a zip claims."""
    with file.open("rb") as stream:
        content: bytes = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{file.name} is over {most:,} bytes long")
    return content
