"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

Signature = tuple[int, int, int]


def signature(status: os.stat_result) -> Signature:
    """What changes whenever a file is replaced."""
    return status.st_ino, status.st_mtime_ns, status.st_size


def signature_of(path: str | Path) -> Signature | None:
    """The signature of the file at the path; None where there is none, or none that can be seen."""
    try:
        return signature(os.stat(path))
    except OSError:
        return None


def write_atomically(path: str | Path, content: bytes) -> os.stat_result:
    """Write the bytes to the path: whoever reads it, even after a crash, finds the old file whole or the new one.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and take the file's place in one
    step. A symbolic link stays a link, and an existing file keeps its permissions.

    Returns:
        What the system says of the new file, whoever replaces it next.

    Raises:
        OSError: if the folder is missing or read-only, the disk is full, or the path is a folder; the old file is
            untouched then and nothing is left behind.
    """
    target = Path(path).resolve()  # through links: what a link points to is replaced, not the link
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a file's name was expected")
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            status = os.fstat(file.fileno())
        os.chmod(temporary, _permissions(target))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _flush_folder(target.parent)
    return status


def _permissions(target: Path) -> int:
    """The mode of the file to be replaced, or what the user's umask gives a new one (temporary files are private)."""
    with contextlib.suppress(OSError):
        return target.stat().st_mode & 0o7777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself last through a power cut, where the system can (Windows cannot open folders)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
