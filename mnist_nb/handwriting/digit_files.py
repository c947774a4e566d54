"""Digits in files: the reader's own with their strokes as safetensors, and folders of PNG files to
share."""

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

from mnist_nb.data import SIDE, DataError, check_image
from mnist_nb.errors import MnistNbError
from mnist_nb.files import (
    CheckpointError,
    explain_refusal,
    parse_json,
    read_tensors,
    write_atomically,
)
from mnist_nb.handwriting.sketch import Sketch

MAX_DIGITS = 100_000
MAX_FILE_BYTES = 2**29  # room for the most digits with their strokes

_LABELS = "labels.csv"
_MAX_PNG_BYTES = 2**16  # a 28x28 image takes a few hundred
_MAX_CSV_BYTES = 2**24
_VERSION = "2"
_TENSORS = {"images", "records"}
# of version 0.1.0: first for each digit, then for each stroke, then the points
_TENSORS_BEFORE = (
    "images",
    "labels",
    "ids",
    "held_out",
    "strokes",
    "size",
    "lengths",
    "widths",
    "erase",
    "points",
)


class DigitsError(MnistNbError, ValueError):
    """A digit or a file of digits that cannot be used. Says which, why, and what to do."""


@dataclass(frozen=True, eq=False)
class Digit:
    """One of the reader's digits.

    Raises:
        DigitsError: for an image of another type or shape or without ink, or another label.
    """

    image: NDArray[np.uint8]  # [28, 28], bright ink on black
    label: int  # 0 to 9
    strokes: Mapping[str, NDArray[Any]] | None = (
        None  # as `Sketch.to_arrays` gives them; None for an image
    )
    id: int = 0  # its name for good, whatever is added or deleted around it
    held_out: bool = False  # kept apart from teaching

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", checked_label(self.label))
        try:
            object.__setattr__(self, "image", check_image(self.image).copy())
        except DataError as error:
            raise DigitsError(
                f"a digit is a Sketch or an image: {error}; mnist_nb.from_image makes one from a picture of any size"
            ) from error
        if not np.any(self.image):
            raise DigitsError("there is no ink in this image: a digit is bright ink on black")


def checked_label(label: Any) -> int:
    """The label as an int from 0 to 9; DigitsError if it is none."""
    with contextlib.suppress(TypeError):  # what is no whole number is refused below
        if not isinstance(label, bool) and 0 <= operator.index(label) <= 9:
            return operator.index(label)
    raise DigitsError(f"a label is one of the digits 0 to 9, not {reprlib.repr(label)}")


# ---- one file with everything: the images as a tensor, and a record in JSON for each


def read_digits(source: Path | bytes, name: str) -> tuple[Digit, ...]:
    """The digits of a safetensors file, or of its content; errors call it by `name`.

    Raises:
        DigitsError: if it cannot be read or is not a whole and sound file of digits.
    """
    try:
        tensors, metadata = read_tensors(source, name, max_bytes=MAX_FILE_BYTES)
        if metadata.get("version", _VERSION) <= _VERSION:
            return _unpacked(tensors)
    except (CheckpointError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error.__cause__, OSError):
            raise DigitsError(str(error)) from error
        raise DigitsError(
            f"{name} is not a whole file of digits ({error.__cause__ or error}). It is left as it is: rename it to "
            "start a new one, or put back a copy"
        ) from error
    raise DigitsError(
        f"{name} was written by a newer version of this package: update it to read these digits"
    )


def write_digits(path: Path, digits: Sequence[Digit]) -> None:
    """Replace the file by one with these digits, in one step.

    Raises:
        DigitsError: if they are too many; the old file is untouched.
        OSError: if it cannot be written; likewise.
    """
    if len(digits) > MAX_DIGITS:
        raise DigitsError(
            f"{path} would hold {len(digits):,} digits, more than {MAX_DIGITS:,}: start another file"
        )
    records = [
        {name: getattr(digit, name) for name in ("label", "id", "held_out", "strokes")}
        for digit in digits
    ]
    words = json.dumps(records, allow_nan=False, default=np.ndarray.tolist)
    images = np.array([digit.image for digit in digits], np.uint8).reshape(-1, SIDE, SIDE)
    tensors = {"images": images, "records": np.frombuffer(words.encode(), np.uint8)}
    content = safetensors.numpy.save(tensors, {"format": "mnist_nb digits", "version": _VERSION})
    if len(content) > MAX_FILE_BYTES:
        raise DigitsError(f"{path} would grow to {len(content):,} bytes: start another file")
    write_atomically(path, content)


def _unpacked(tensors: Mapping[str, Tensor]) -> tuple[Digit, ...]:
    """The digits of a file's tensors; an error says what is wrong with them."""
    if set(tensors) == set(_TENSORS_BEFORE):
        records = list(_records_before(tensors))
    elif set(tensors) == _TENSORS:
        records = parse_json(tensors["records"].numpy().tobytes())
    else:
        raise ValueError(
            f"its tensors are named {', '.join(sorted(tensors)[:12]) or 'nothing at all'}"
        )
    if not isinstance(records, list) or not len(tensors["images"]) == len(records) <= MAX_DIGITS:
        raise ValueError(f"it holds {len(tensors['images']):,} images and {len(records):,} records")
    digits = []
    for image, record in zip(tensors["images"].numpy(), records, strict=True):
        strokes = (
            record["strokes"] and Sketch.from_arrays(**record["strokes"]).to_arrays()
        )  # which checks them
        digits.append(
            Digit(
                image,
                record["label"],
                strokes,
                operator.index(record["id"]),
                bool(record["held_out"]),
            )
        )
    if len({digit.id for digit in digits}) < len(digits):
        raise ValueError("two digits have the same id")
    return tuple(digits)


def _records_before(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
    """The records of a file of version 0.1.0, which held all strokes, and all their points, one
    after the other."""
    columns = {name: tensors[name].tolist() for name in _TENSORS_BEFORE if name != "images"}
    stroke = point = 0
    for label, id, held_out, count, size in zip(
        *(columns[name] for name in ("labels", "ids", "held_out", "strokes", "size")), strict=True
    ):
        if count < 0:
            raise ValueError(f"a digit has {count} strokes")
        end = stroke + count
        drawn: dict[str, Any] = {
            name: columns[name][stroke:end] for name in ("lengths", "widths", "erase")
        }
        drawn |= {"points": columns["points"][point : point + sum(drawn["lengths"])], "size": size}
        yield {"label": label, "id": id, "held_out": held_out, "strokes": drawn if count else None}
        stroke, point = end, point + sum(drawn["lengths"])
    if (stroke, point) != (len(columns["lengths"]), len(columns["points"])):
        raise ValueError("its strokes do not fit together")


# ---- folders and zips of PNG files


def export_digits(path: Path, digits: Iterable[Digit]) -> None:
    """Write a 28x28 PNG file of each digit, and labels.csv, to a new folder or zip, which appears
    when it is whole.

    Raises:
        DigitsError: if something is at the path already, or it cannot be written.
    """
    if os.path.exists(path):
        raise DigitsError(
            f"{path} exists already, and an export overwrites nothing: choose another name"
        )
    with (
        explain_refusal(path, "written", DigitsError),
        tempfile.TemporaryDirectory(
            dir=os.path.dirname(os.path.realpath(path)),
            prefix=f".{path.name[:20]}.",
            ignore_cleanup_errors=True,
        ) as unfinished,
    ):
        whole = (
            Path(unfinished) / "digits"
        )  # with the user's own permissions, which a temporary folder has not
        whole.mkdir()
        table = ["file,label\n"]
        for number, digit in enumerate(digits):
            name = f"{number:05}-{digit.label}.png"
            Image.fromarray(digit.image).save(whole / name)
            table.append(f"{name},{digit.label}\n")
        (whole / _LABELS).write_bytes("".join(table).encode())
        if path.suffix.lower() == ".zip":
            whole = Path(shutil.make_archive(str(whole), "zip", whole))
        whole.rename(path)


def import_digits(source: Path | bytes, name: str) -> list[Digit]:
    """The digits of a safetensors file, of a folder or zip that `export_digits` made, or of the
    content of a file.

    Raises:
        DigitsError: if it is none of these, or holds anything that is not a digit; the message
            calls it by `name`.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with explain_refusal(name, "read", DigitsError):
            if isinstance(file, Path) and not file.exists():
                raise DigitsError(
                    f"there is nothing at {name}: choose a file of digits, or an exported folder or zip"
                )
            if isinstance(file, Path) and file.is_dir():
                return _read_folder(file, name)
            if not zipfile.is_zipfile(file):
                return list(read_digits(source, name))
            with zipfile.ZipFile(file) as archive:
                return _read_folder(zipfile.Path(archive), name)
    except MnistNbError:
        raise
    except (
        Exception
    ) as error:  # damaged, encrypted, unknown packing: zipfile, zlib and lzma raise many kinds
        raise DigitsError(f"{name} cannot be unpacked: {error}") from error


def _read_folder(folder: Path | zipfile.Path, name: str) -> list[Digit]:
    """The digits of an exported folder, which may lie in another as zip programs make it."""
    inner = [folder, *(child for child in folder.iterdir() if child.is_dir())]
    places = [place for place in inner if (place / _LABELS).is_file()]
    if len(places) != 1:
        found = f"{len(places)} exports, in folders of their own" if places else f"no {_LABELS}"
        raise DigitsError(f"{name} holds {found}: choose one folder or zip that export made")
    [place] = places
    with _explain_import(f"{name}, {_LABELS}"):
        table = _bounded(place / _LABELS, _MAX_CSV_BYTES).decode(
            "utf-8-sig"
        )  # spreadsheets write a byte-order mark
        separator = (
            ";" if ";" in table.partition("\n")[0] else ","
        )  # as Excel writes it in half of Europe
        rows = list(csv.DictReader(io.StringIO(table), delimiter=separator))
        if len(rows) > MAX_DIGITS:
            raise ValueError(f"it names {len(rows):,} files, more than {MAX_DIGITS:,}")
    return [_read_png(place, row, name) for row in rows]


def _read_png(folder: Path | zipfile.Path, row: Mapping[str, str | None], source: str) -> Digit:
    name, label = row.get("file") or "", row.get("label") or ""
    with _explain_import(f"{source}, {name!r}"):
        if not name or Path(name).name != name:  # no way out of the folder
            raise ValueError(
                f"{_LABELS} has the columns file and label, and names files without folders"
            )
        image = Image.open(io.BytesIO(_bounded(folder / name, _MAX_PNG_BYTES)), formats=["PNG"])
        if image.size != (SIDE, SIDE):  # before its pixels are unpacked
            raise ValueError(
                f"it measures {image.width}x{image.height} and not {SIDE}x{SIDE} pixels"
            )
        return Digit(np.asarray(image.convert("L")), int(label) if label.isdecimal() else label)  # type: ignore[arg-type] # which is refused


@contextlib.contextmanager
def _explain_import(what: str) -> Iterator[None]:
    """Turn whatever is wrong with a file of an export into an error that names it."""
    try:
        yield
    except (
        OSError,
        SyntaxError,
        ValueError,
        KeyError,
        csv.Error,
        Image.DecompressionBombError,
    ) as error:
        reason = (
            "not UTF-8 text: save it as CSV UTF-8"
            if isinstance(error, UnicodeDecodeError)
            else error
        )
        reason = "it is no PNG" if isinstance(error, UnidentifiedImageError) else reason
        raise DigitsError(f"{what}: {reason}. Nothing was imported") from error


def _bounded(file: Path | zipfile.Path, most: int) -> bytes:
    """The content of a file that is not larger than it should be, whatever a zip claims."""
    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise ValueError("it is no regular file")
    with file.open("rb") as stream:
        content: bytes = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{file.name} is over {most:,} bytes long")
    return content
