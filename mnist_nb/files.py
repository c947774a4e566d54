"""Every file that is kept: written whole or not at all, read in bounded time and memory, recognised
when it changes."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from mnist_nb.errors import MnistNbError

MAX_FILE_BYTES = 64 * 2**20
"""A hundred times the largest model here, so that a wrong file cannot fill the memory."""

MAX_HEADER_BYTES = 4 * 2**20
"""Of names, shapes and metadata: the records of ten thousand epochs fit in."""

LEFT_SECONDS = 60
"""After so long without a change nobody writes a temporary file any more: who did was killed, and
the next save removes it."""

Signature = tuple[int, int, int]
Tell = Callable[[str], None]
_SEEN: dict[
    Path, Signature | None
] = {}  # the files as this program last read or wrote them; None: there was none


class CheckpointError(MnistNbError, ValueError):
    """A file that is not a model of ours, or cannot be read or written. Says which file, why, and
    what to do."""


class ReplacedWarning(UserWarning):
    """A save replaced what another program had written meanwhile."""


# ---- any file


def signature(status: os.stat_result) -> Signature:
    """What changes whenever a file is replaced."""
    return status.st_ino, status.st_mtime_ns, status.st_size


def signature_of(path: str | Path) -> Signature | None:
    """The signature of the file at the path; None where there is none, or none that can be seen."""
    try:
        return signature(os.stat(path))
    except OSError:
        return None


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write the bytes to the path: whoever reads it, even after a crash, finds the old file whole
    or the new one.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and take the
    file's place in one step. A symbolic link stays a link, and an existing file keeps its
    permissions. What a program that was killed has left of an earlier save is removed.

    Raises:
        OSError: if the folder is missing or read-only, the disk is full, or the path is a folder, a
            device or anything else but a regular file; what was there is untouched and nothing is
            left behind.
    """
    target = regular_file(path)
    temporary = target.with_name(f".{target.name[:20]}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            status = os.fstat(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
        _SEEN[target] = signature(
            status
        )  # at once: an interrupt may come before this function ends
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(target.parent)
    for left in target.parent.glob(
        f".{glob.escape(target.name[:20])}.{'?' * 16}.part"
    ):  # by a program that was killed
        with contextlib.suppress(OSError):
            if status.st_mtime - left.stat().st_mtime > LEFT_SECONDS:
                left.unlink()


def real_path(path: str | Path) -> Path:
    """Where the path leads, through links; a link that leads round in a circle is its own end."""
    return Path(os.path.realpath(path))


def regular_file(path: str | Path) -> Path:
    """The file that the path means, there or not: through links, so that a save leaves a link one.

    Raises:
        OSError: if the path is a folder, a device or anything else but a regular file, or lies in
            no folder.
    """
    target = real_path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}")
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder, and a file's name was expected")
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, and a regular file was expected")
    return target


def write_or_explain(path: str | Path, content: bytes) -> None:
    """`write_atomically`, with an error that says what to do.

    Raises:
        CheckpointError: if the file cannot be written; what was there is untouched and nothing is
            left behind.
    """
    with explain_refusal(path):
        write_atomically(path, content)


@contextlib.contextmanager
def explain_refusal(
    path: str | Path, what: str = "written", kind: type[MnistNbError] = CheckpointError
) -> Iterator[None]:
    """Turn the system's refusal to have the path `what` ("written", "read") into an error that
    names it."""
    try:
        yield
    except MnistNbError:
        raise
    except (
        OSError,
        ValueError,
        TypeError,
    ) as error:  # a path with a null character is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise kind(
            f"{path} cannot be {what}: {reason}; choose another place or make room"
        ) from error


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself last through a power cut, where the system can (Windows cannot open
    folders)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def parse_json(text: str | bytes) -> Any:
    """What `json.loads` gives.

    Raises:
        ValueError: if it is no JSON, or nested so deeply that Python gives up.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


# ---- files of named tensors


def read_tensors(
    source: str | Path | bytes, name: str = "", *, max_bytes: int = MAX_FILE_BYTES
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by name, and its string metadata; nothing in a file is ever
    executed.

    Args:
        source: the file's path, or its content.
        name: what errors call the file; its path if empty.
        max_bytes: a larger file is refused unread.

    Raises:
        CheckpointError: if there is no such file, or it is damaged, of another format, or larger
            than allowed.
    """
    name = name or ("the file" if isinstance(source, bytes) else str(source))
    try:
        content = source if isinstance(source, bytes) else _read(source, max_bytes)
        header = int.from_bytes(content[:8], "little")
        if header > MAX_HEADER_BYTES:
            raise ValueError(f"its header claims {header:,} bytes")
        tensors = safetensors.torch.load(content)
        metadata = (
            parse_json(content[8 : 8 + header]).get("__metadata__") or {}
        )  # safetensors checks it: strings only
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no model at {name}: train one first (notebook 02, or python -m mnist_nb train)"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{name} cannot be read: {error.strerror or error}") from error
    except CheckpointError:
        raise
    # safetensors raises several kinds for a damaged file: all mean the same to a reader
    except Exception as error:
        raise CheckpointError(
            f"{name} is not a whole safetensors file ({error}): it may be cut short, or of another format; "
            "train again or take a copy of it"
        ) from error
    return tensors, metadata


def _read(path: str | Path, max_bytes: int) -> bytes:
    """The content of a file, unless it is larger than allowed; the file is remembered."""
    target = regular_file(path)  # a pipe would be waited for
    with open(target, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > max_bytes:
            raise CheckpointError(
                f"{path} is {status.st_size:,} bytes long, far more than a model of this series: wrong file?"
            )
        content = file.read(max_bytes)
    _SEEN[target] = signature(status)
    return content


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Replace the file by one that holds these, in one step.

    Raises:
        CheckpointError: if it cannot be written, or could not be read again; the old file is
            untouched then.
    """
    try:
        content = safetensors.torch.save(dict(tensors), dict(metadata))
    except UnicodeEncodeError as error:
        raise CheckpointError(
            f"{path} cannot be written: its metadata must be text of whole characters"
        ) from error
    if len(content) > MAX_FILE_BYTES or int.from_bytes(content[:8], "little") > MAX_HEADER_BYTES:
        raise CheckpointError(
            f"{path} cannot be written: {len(content):,} bytes are far more than a file here holds"
        )
    write_or_explain(path, content)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the tensors, whatever else is in their file."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        total.update(
            tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )  # of any type
    return total.hexdigest()


_KINDS = {
    "state": "training state",
    "format": "file of digits",
    "model": "model",
}  # by what their metadata hold


def keep_other_kinds(path: str | Path, kind: str) -> None:
    """Refuse to replace the file if it holds something else than a file of this kind does: digits
    are not drawn twice.

    Raises:
        CheckpointError: if a model, a training state or digits of another kind lie there.
    """
    try:
        metadata = read_tensors(path, max_bytes=2**30)[1]
    except CheckpointError:  # nothing is there, or nothing that anybody could read
        ending = ".html" if kind == "page" else ".safetensors"
        # of a damaged model nothing is lost, but a photo or a notebook by another name is
        # somebody's
        if os.path.isfile(path) and os.path.getsize(path) and Path(path).suffix.lower() != ending:
            raise CheckpointError(
                f"{path} is no {kind}, and this save would replace it: choose a name that ends in {ending}"
            ) from None
        return
    found = next((word for key, word in _KINDS.items() if key in metadata), "model")
    if found != kind:
        raise CheckpointError(
            f"{path} is no {kind} but a {found}, which this save would replace: rename one of them"
        )


# ---- files that other programs change


def remember(path: str | Path) -> None:
    """Take note of the file as it is now, or of its absence: `tell_if_changed` compares with
    that."""
    _SEEN[real_path(path)] = signature_of(path)


def tell_if_changed(path: str | Path, tell: Tell | None) -> None:
    """Say, with `tell` or else as a warning, that the save to come replaces what another program
    has written."""
    target = real_path(path)
    if target in _SEEN and signature_of(target) not in (None, _SEEN[target]):
        text = (
            f"Another program has saved {path} since this one last did, and this save replaces what it saved: give "
            "one of the two another file, or close the other notebook."
        )
        tell(text) if tell is not None else warnings.warn(text, ReplacedWarning, stacklevel=4)
