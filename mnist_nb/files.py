"""Files that are kept: written whole or not at all, and read in bounded time and memory."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from mnist_nb.errors import MnistNbError

MAX_FILE_BYTES = 2**28
"""Room for the losses of 200 epochs at batch size 1; a wrong file cannot fill the memory."""

MAX_HEADER_BYTES = 4 * 2**20
"""Of names, shapes and metadata: the records of ten thousand epochs fit in."""

STALE_SECONDS = 60
"""A temporary file that has not changed for so long belongs to a program that was killed."""

Signature = tuple[int, int, int]


class CheckpointError(MnistNbError, ValueError):
    """A file that is no model of ours, or cannot be read or written: which one, why, what to do."""


# ---- any file


def signature_of(path: str | Path) -> Signature | None:
    """Return what changes whenever the file is replaced; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write the bytes to the path: a reader, even after a crash, finds the old file or the new one.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and replace the
    file in one step. A symbolic link stays a link, and an existing file keeps its permissions.
    Stale temporary files of earlier saves are removed.

    Raises:
        OSError: if the folder is missing or read-only, the disk is full, or the path is not that of
            a regular file; nothing has changed then.
    """
    target = regular_file(path)
    prefix = f".{target.name[:20]}."
    temporary = target.with_name(f"{prefix}{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            now = os.fstat(file.fileno()).st_mtime
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    for left in target.parent.glob(f"{glob.escape(prefix)}{'?' * 16}.part"):
        with contextlib.suppress(OSError):
            if now - left.stat().st_mtime > STALE_SECONDS:
                left.unlink()


def regular_file(path: str | Path) -> Path:
    """Return the file that the path leads to through links, whether it exists or not.

    Raises:
        OSError: if its folder does not exist, or the path is a folder, a device or a pipe.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}")
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder, and a file was expected")
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, and a regular file was expected")
    return target


@contextlib.contextmanager
def explain_refusal(
    path: str | Path, action: str = "written", error_type: type[MnistNbError] = CheckpointError
) -> Iterator[None]:
    """Turn the system's refusal to have the path "written" or "read" into one of ours."""
    try:
        yield
    except MnistNbError:
        raise
    except (OSError, ValueError, TypeError) as error:  # a path with a null character: ValueError
        reason = getattr(error, "strerror", None) or error
        raise error_type(
            f"{path} cannot be {action}: {reason}; choose another place or make room"
        ) from error


def parse_json(text: str | bytes) -> Any:
    """Return what `json.loads` does; JSON that is nested too deeply is a ValueError as well."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


# ---- files of named tensors


def read_tensors(
    source: str | Path | bytes, name: str = "", *, max_bytes: int = MAX_FILE_BYTES
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a safetensors file by name, and its metadata; no code in it is executed.

    Args:
        source: the file's path, or its content.
        name: what errors call the file; its path if empty.
        max_bytes: a larger file is refused unread.

    Raises:
        CheckpointError: if there is no such file, or it is damaged, of another format, or larger
            than allowed.
    """
    name = name or ("the file" if isinstance(source, bytes) else str(source))
    content = source if isinstance(source, bytes) else _read_bounded(source, name, max_bytes)
    try:
        tensors = safetensors.torch.load(content)
        header = parse_json(content[8 : 8 + _header_length(content)])
        return tensors, header.get("__metadata__") or {}
    except Exception as error:  # safetensors raises several kinds for a damaged file
        raise CheckpointError(
            f"{name} is not a whole safetensors file ({error}): it may be cut short, or of another "
            "format; train again or use a copy of it"
        ) from error


def _read_bounded(path: str | Path, name: str, max_bytes: int) -> bytes:
    try:
        with open(regular_file(path), "rb") as file:  # opening a pipe would wait
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > max_bytes else file.read()
    except FileNotFoundError:
        advice = "train one first (notebook 02, or python -m mnist_nb train)"
        raise CheckpointError(f"there is no model at {name}: {advice}") from None
    except (OSError, ValueError) as error:  # a path with a null character: ValueError
        raise CheckpointError(f"{name} cannot be read: {error}") from error
    if size > max_bytes:
        raise CheckpointError(f"{name} is over {max_bytes:,} bytes long: is it the wrong file?")
    return content


def _header_length(content: bytes) -> int:
    """The length of a safetensors header, which follows its length in 8 bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header claims {length:,} bytes")
    return int(length)


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Replace the file by one that holds these, in one step.

    Raises:
        CheckpointError: if it cannot be written, or could not be read again; nothing has changed.
    """
    with explain_refusal(path):
        content = safetensors.torch.save(dict(tensors), dict(metadata))
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"{len(content):,} bytes are more than a file here may hold")
        _header_length(content)
        write_atomically(path, content)


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with the prefix, named without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors[name] for name in names}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the tensors with their names, types and shapes."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


# ---- whose file it is


def check_replaceable(path: str | Path, kind: str, *, ours: bool) -> None:
    """Check that a save may replace what lies at the path.

    One rule for every save: a file is replaced only if it says that it is ours and of this kind.

    Args:
        kind: what the save would write, for the message.
        ours: whether the file says so.

    Raises:
        CheckpointError: if another file lies there.
    """
    with explain_refusal(path):
        target = regular_file(path)
    if not ours and target.exists() and target.stat().st_size:
        raise CheckpointError(
            f"{path} is not a {kind} of this package, and this save would replace it: choose "
            "another name, or move that file away"
        )


def read_header(path: str | Path) -> tuple[set[str], dict[str, str]]:
    """Return the tensors' names and the metadata of a safetensors file, damaged or not.

    Both are empty if there is no such file, or it does not begin as a safetensors file does.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, struct.error, AttributeError):
        with open(regular_file(path), "rb") as file:
            start = file.read(8)
            header = parse_json(file.read(_header_length(start)))
        metadata = header.pop("__metadata__", {})
        return set(header), dict(metadata)
    return set(), {}
