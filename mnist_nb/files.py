"""Atomic writes, and reads in bounded time and memory."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from mnist_nb.errors import MnistNbError

MAX_FILE_BYTES = 2**28
"""Enough for the losses of 200 epochs at batch size 1; a wrong file cannot fill the memory."""

MAX_HEADER_BYTES = 4 * 2**20
"""Names, shapes and metadata: enough for the records of ten thousand epochs."""

STALE_SECONDS = 60
"""A temporary file unchanged for this long is left from a program that was killed."""

Signature = tuple[int, int, int]


class CheckpointError(MnistNbError, ValueError):
    """An invalid, unreadable or unwritable checkpoint; the message names the file and the fix."""


# ---- any file


def signature_of(path: str | Path) -> Signature | None:
    """Return an identifier that changes when the file is replaced; None if there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write the bytes to a file, which holds either its old or its new content at any time.

    The bytes are written to a temporary file in the same folder, flushed to the disk, and then
    replace the file in one step. A symbolic link stays a link, and an existing file keeps its
    permissions. Stale temporary files of earlier saves are removed.

    Raises:
        OSError: if the folder is missing or read-only, the disk is full, or the path is not a
            regular file. The old file is unchanged.
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
    """Return the path with symbolic links resolved; the file need not exist.

    Raises:
        OSError: if the folder does not exist, or the path is a folder, a device or a pipe.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"the folder {target.parent} does not exist")
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder, but a file is needed")
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, but a regular file is needed")
    return target


@contextlib.contextmanager
def explain_os_error(
    path: str | Path, action: str = "written", error_type: type[MnistNbError] = CheckpointError
) -> Iterator[None]:
    """Raise errors of the operating system as `error_type`, with the path and advice.

    Args:
        path: the file, for the message.
        action: what failed, for the message: "written", "read" or "removed".
        error_type: the type to raise.
    """
    try:
        yield
    except MnistNbError:
        raise
    except (OSError, ValueError, TypeError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise error_type(
            f"{path} cannot be {action}: {reason}. Choose another location or free some space."
        ) from error


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; raise ValueError if it is invalid or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


# ---- files of named tensors


def read_tensors(
    source: str | Path | bytes, name: str = "", *, max_bytes: int = MAX_FILE_BYTES
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a safetensors file, without executing any code.

    Args:
        source: the file's path or its content.
        name: the file's name in error messages; its path if empty.
        max_bytes: a larger file is rejected without reading it.

    Raises:
        CheckpointError: if the file does not exist, is damaged, has another format, or is too
            large.
    """
    name = name or ("the file" if isinstance(source, bytes) else str(source))
    content = source if isinstance(source, bytes) else _read_bounded(source, name, max_bytes)
    try:
        tensors = safetensors.torch.load(content)
        header = parse_json(content[8 : 8 + _header_length(content)])
        return tensors, header.get("__metadata__") or {}
    except Exception as error:  # safetensors raises several types for a damaged file
        raise CheckpointError(
            f"{name} is not a complete safetensors file ({error}): it may be cut short or of "
            "another format. Train again or use a copy."
        ) from error


def _read_bounded(path: str | Path, name: str, max_bytes: int) -> bytes:
    try:
        with open(regular_file(path), "rb") as file:  # opening a pipe would block
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > max_bytes else file.read()
    except FileNotFoundError:
        advice = "train one first (notebook 02, or python -m mnist_nb train)"
        raise CheckpointError(f"{name} does not exist: {advice}") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise CheckpointError(f"{name} cannot be read: {error}") from error
    if size > max_bytes:
        raise CheckpointError(f"{name} is longer than {max_bytes:,} bytes: choose another file")
    return content


def _header_length(content: bytes) -> int:
    """The length of a safetensors header, stored in the first 8 bytes."""
    length = int.from_bytes(content[:8], "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header claims to be {length:,} bytes long")
    return length


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors and metadata to a safetensors file, in one step.

    Raises:
        CheckpointError: if the file cannot be written, or would be too large to read again. The
            old file is unchanged.
    """
    with explain_os_error(path):
        content = safetensors.torch.save(dict(tensors), dict(metadata))
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(f"{len(content):,} bytes exceed the limit of {MAX_FILE_BYTES:,}")
        _header_length(content)
        write_atomically(path, content)


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with the prefix, which is removed."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors[name] for name in names}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the tensors, including their names, types and shapes."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


# ---- overwriting


def check_replaceable(path: str | Path, kind: str, *, ours: bool) -> None:
    """Check that a save may replace the file at the path.

    Every save follows one rule: it replaces only files of this package and of the same kind.

    Args:
        path: the file to replace; it need not exist.
        kind: the kind of file that the save writes, for the message.
        ours: whether the existing file is of that kind.

    Raises:
        CheckpointError: if the path has another file.
    """
    with explain_os_error(path):
        target = regular_file(path)
    if not ours and target.exists() and target.stat().st_size:
        raise CheckpointError(
            f"{path} is not a {kind} of this package, so it is not overwritten: choose another "
            "name or move that file"
        )


def read_header(path: str | Path) -> tuple[set[str], dict[str, str]]:
    """Return the tensor names and the metadata of a safetensors file, even if it is damaged.

    Both are empty if the file does not exist or has no valid header.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        with open(regular_file(path), "rb") as file:
            start = file.read(8)
            header = parse_json(file.read(_header_length(start)))
        metadata = header.pop("__metadata__", {})
        return set(header), dict(metadata)
    return set(), {}
