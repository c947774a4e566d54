"""Files of digits: safetensors files with images and strokes, and folders of PNG files to share."""

import contextlib
import csv
import io
import json
import operator
import os
import reprlib
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
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from mnist_nb.data import SIDE, DataError
from mnist_nb.errors import MnistNbError
from mnist_nb.files import (
    CheckpointError,
    explain_os_error,
    parse_json,
    read_tensors,
    write_atomically,
)
from mnist_nb.handwriting.preprocessing import check_image
from mnist_nb.handwriting.sketch import Sketch

MAX_DIGITS = 100_000
MAX_FILE_BYTES = 2**29  # enough for the maximum number of digits with their strokes
MAX_IMPORTED = 5_000  # digits in one import: more than a class draws in a lesson
VERSION = "2"  # the version of the file format

LABELS = "labels.csv"
MAX_LABELS_BYTES = 2**20
MAX_PNG_BYTES = 2**16  # a 28x28 image needs a few hundred

Folder = Path | zipfile.Path


class DigitsError(MnistNbError, ValueError):
    """A digit or a file of digits cannot be used. The message says why, and what to do."""


@dataclass(frozen=True, eq=False)
class SavedDigit:
    """One of your own digits.

    Attributes:
        image: uint8 `[28, 28]`, bright ink on black.
        label: 0 to 9.
        strokes: the result of `Sketch.to_arrays`; None for an image.
        id: a permanent identifier of the digit.
        held_out: whether it is held out from teaching, to measure the result.

    Raises:
        DigitsError: if the image has a wrong type or shape or no ink, or the label is not a digit.
    """

    image: NDArray[np.uint8]
    label: int
    strokes: Mapping[str, NDArray[Any]] | None = None
    id: int = 0
    held_out: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))
        try:
            image = check_image(self.image)
        except DataError as error:
            raise DigitsError(
                f"a digit is a Sketch or an image: {error}; mnist_nb.from_image makes one from a "
                "picture of any size"
            ) from error
        if not image.any():
            raise DigitsError("there is no ink in this image: a digit is bright ink on black")
        object.__setattr__(self, "image", image.copy())


def check_label(label: Any) -> int:
    """Return the label as an int.

    Raises:
        DigitsError: if it is not an integer from 0 to 9.
    """
    try:
        number = operator.index(label)
    except TypeError:
        number = -1
    if isinstance(label, bool) or not 0 <= number <= 9:
        raise DigitsError(f"a label must be a digit from 0 to 9, got {reprlib.repr(label)}")
    return number


# ---- one file with everything: a tensor of images, and a JSON record for each


def read_digits(source: Path | bytes, name: str) -> tuple[SavedDigit, ...]:
    """Read the digits of a safetensors file, or of its content.

    Args:
        source: the file's path or its content.
        name: the file's name in error messages.

    Raises:
        DigitsError: if the file cannot be read or is not a complete file of digits.
    """
    try:
        tensors, metadata = read_tensors(source, name, max_bytes=MAX_FILE_BYTES)
    except CheckpointError as error:
        if isinstance(error.__cause__, OSError):
            raise DigitsError(str(error)) from error
        raise _not_whole(name, error.__cause__ or error) from error
    if metadata.get("version", VERSION) > VERSION:
        raise DigitsError(
            f"{name} was written by a newer version of this package: update it to read these digits"
        )
    try:
        return _unpack(tensors)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _not_whole(name, error) from error


def _not_whole(name: str, reason: BaseException) -> DigitsError:
    return DigitsError(
        f"{name} is not a complete file of digits ({reason}). It was not changed: rename it to "
        "start a new one, or replace it with a copy"
    )


def _unpack(tensors: Mapping[str, Tensor]) -> tuple[SavedDigit, ...]:
    """Return the digits in a file's tensors, or raise an error that says what is wrong."""
    if set(tensors) != {"images", "records"}:
        names = ", ".join(sorted(tensors)[:12])
        raise ValueError(f"its tensors ({names or 'none'}) are not those of a file of digits")
    images = tensors["images"].numpy()
    records = parse_json(tensors["records"].numpy().tobytes())
    if not isinstance(records, list) or len(images) != len(records):
        raise ValueError(f"it has {len(images):,} images but {len(records):,} records")
    if len(records) > MAX_DIGITS:
        raise ValueError(f"it has {len(records):,} digits, more than {MAX_DIGITS:,}")
    digits = [_from_record(image, record) for image, record in zip(images, records, strict=True)]
    if len({digit.id for digit in digits}) < len(digits):
        raise ValueError("two digits have the same id")
    return tuple(digits)


def _from_record(image: NDArray[Any], record: Mapping[str, Any]) -> SavedDigit:
    strokes = record["strokes"]
    if strokes is not None:
        strokes = Sketch.from_arrays(**strokes).to_arrays()  # checks them
    digit_id, held_out = operator.index(record["id"]), bool(record["held_out"])
    return SavedDigit(image, record["label"], strokes, digit_id, held_out)


def write_digits(path: Path, digits: Sequence[SavedDigit]) -> None:
    """Save these digits in a file, in one step.

    Raises:
        DigitsError: if there are too many digits. The old file is unchanged.
        OSError: if the file cannot be written. The old file is unchanged.
    """
    if len(digits) > MAX_DIGITS:
        raise DigitsError(
            f"{path} would contain {len(digits):,} digits, more than {MAX_DIGITS:,}: "
            "start another file"
        )
    text = json.dumps(
        [_to_record(digit) for digit in digits], allow_nan=False, default=np.ndarray.tolist
    )
    images = [digit.image for digit in digits]
    tensors = {
        "images": np.array(images, np.uint8).reshape(-1, SIDE, SIDE),
        "records": np.frombuffer(text.encode(), np.uint8),
    }
    content = safetensors.numpy.save(tensors, {"format": "mnist_nb digits", "version": VERSION})
    if len(content) > MAX_FILE_BYTES:
        raise DigitsError(f"{path} would grow to {len(content):,} bytes: start another file")
    write_atomically(path, content)


def _to_record(digit: SavedDigit) -> dict[str, Any]:
    return {
        "label": digit.label,
        "id": digit.id,
        "held_out": digit.held_out,
        "strokes": digit.strokes,
    }


# ---- folders and zips of PNG files


def export_digits(path: Path, digits: Iterable[SavedDigit]) -> None:
    """Write each digit as a 28x28 PNG file, and labels.csv, to a new folder or zip.

    The folder or zip gets its name only when it is complete.

    Raises:
        DigitsError: if the path exists already or cannot be written.
    """
    if os.path.exists(path):
        raise DigitsError(
            f"{path} already exists, and an export never overwrites: choose another name"
        )
    with (
        explain_os_error(path, "written", DigitsError),
        tempfile.TemporaryDirectory(
            dir=os.path.dirname(os.path.realpath(path)),
            prefix=f".{path.name[:20]}.",
            ignore_cleanup_errors=True,
        ) as temporary,
    ):
        export = Path(temporary) / "digits"
        export.mkdir()  # it gets the user's own permissions, unlike the temporary folder
        _write_folder(export, digits)
        if path.suffix.lower() == ".zip":
            export = Path(shutil.make_archive(str(export), "zip", export))
        export.rename(path)


def _write_folder(folder: Path, digits: Iterable[SavedDigit]) -> None:
    table = ["file,label\n"]
    for number, digit in enumerate(digits):
        name = f"{number:05}-{digit.label}.png"
        Image.fromarray(digit.image).save(folder / name)
        table.append(f"{name},{digit.label}\n")
    (folder / LABELS).write_bytes("".join(table).encode())


def import_digits(source: Path | bytes, name: str) -> list[SavedDigit]:
    """Read the digits of a safetensors file, or of a folder or zip made by `export_digits`.

    Args:
        source: the path, or the content of a file.
        name: its name in error messages.

    Raises:
        DigitsError: if it is none of these, or contains too many digits or anything else.
    """
    try:
        with explain_os_error(name, "read", DigitsError):
            digits = _import(source, name)
    except MnistNbError:
        raise
    # damaged, encrypted, unknown compression: many types are possible
    except Exception as error:
        raise DigitsError(f"{name} cannot be unpacked: {error}") from error
    _check_import_size(name, len(digits))
    return digits


def _check_import_size(name: str, count: int) -> None:
    if count > MAX_IMPORTED:
        raise DigitsError(
            f"{name} contains {count:,} digits, but at most {MAX_IMPORTED:,} can be imported. "
            "Nothing was imported"
        )


def _import(source: Path | bytes, name: str) -> list[SavedDigit]:
    if isinstance(source, Path) and source.is_dir():
        return _read_export(source, name)
    if isinstance(source, Path) and not source.exists():
        raise DigitsError(
            f"{name} does not exist: choose a file of digits, or an exported folder or zip"
        )
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    if not zipfile.is_zipfile(file):
        return list(read_digits(source, name))
    with zipfile.ZipFile(file) as archive:
        return _read_export(zipfile.Path(archive), name)


def _read_export(folder: Folder, name: str) -> list[SavedDigit]:
    """Read an exported folder, which may be inside another folder, as zip programs make it."""
    candidates = [folder, *(child for child in folder.iterdir() if child.is_dir())]
    exports = [candidate for candidate in candidates if (candidate / LABELS).is_file()]
    if not exports:
        raise DigitsError(f"{name} contains no {LABELS}: choose a folder or zip made by an export")
    if len(exports) > 1:
        raise DigitsError(
            f"{name} contains {len(exports)} exports: choose the folder of one of them"
        )
    [export] = exports
    with _explain_fault(f"{name}, {LABELS}"):
        rows = _read_labels(export / LABELS)
    _check_import_size(name, len(rows))  # before any picture is read
    digits = []
    for row in rows:
        file, label = row.get("file") or "", row.get("label") or ""
        with _explain_fault(f"{name}, {file!r}"):
            digits.append(_read_png(export, file, label))
    return digits


def _read_labels(file: Folder) -> list[dict[str, str | None]]:
    """Return the rows of a table saved by a spreadsheet, with a byte-order mark or semicolons."""
    text = _read_bounded(file, MAX_LABELS_BYTES).decode("utf-8-sig")
    first_line, _, _ = text.partition("\n")
    delimiter = ";" if ";" in first_line else ","
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def _read_png(folder: Folder, name: str, label: str) -> SavedDigit:
    if not name or Path(name).name != name:  # a name must not lead out of the folder
        raise ValueError(
            f"{LABELS} must have the columns file and label, and file names without folders"
        )
    content = _read_bounded(folder / name, MAX_PNG_BYTES)
    image = Image.open(io.BytesIO(content), formats=["PNG"])
    if image.size != (SIDE, SIDE):  # before its pixels are decompressed
        raise ValueError(f"it must have {SIDE}x{SIDE} pixels, got {image.width}x{image.height}")
    number = check_label(int(label) if label.isdecimal() else label)
    return SavedDigit(np.asarray(image.convert("L")), number)


def _read_bounded(file: Folder, max_bytes: int) -> bytes:
    """Read a file after checking its real size, which a zip may misstate."""
    if file.exists() and not file.is_file():  # reading a pipe would block
        raise ValueError("it is not a regular file")
    with file.open("rb") as stream:
        content: bytes = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{file.name} is longer than {max_bytes:,} bytes")
    return content


@contextlib.contextmanager
def _explain_fault(name: str) -> Iterator[None]:
    """Raise DigitsError, with the name of the file, for any problem with a file of an export."""
    faults = (OSError, SyntaxError, ValueError, KeyError, csv.Error, Image.DecompressionBombError)
    try:
        yield
    except faults as error:
        reason = str(error)
        if isinstance(error, UnicodeDecodeError):
            reason = "not UTF-8 text: save it as CSV UTF-8"
        elif isinstance(error, UnidentifiedImageError):
            reason = "it is not a PNG file"
        raise DigitsError(f"{name}: {reason}. Nothing was imported") from error
