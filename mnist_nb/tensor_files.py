"""Named tensors in safetensors files: written whole or not at all, read in bounded time and memory, never executed."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from mnist_nb import MnistNbError
from mnist_nb.files import Signature, signature, signature_of, write_atomically

MAX_FILE_BYTES = 64 * 2**20
"""Bytes: a hundred times the largest model here, so that a wrong file cannot fill the memory."""

MAX_HEADER_BYTES = 4 * 2**20
"""Bytes of names, shapes and metadata: a training state's records of ten thousand epochs fit in."""

MAX_TENSORS = 512

_SEEN: dict[Path, Signature | None] = {}  # what this program last knew of a file; None: that there was none


class CheckpointError(MnistNbError, ValueError):
    """A file that is not a model of ours, or cannot be read or written. Says which file, why, and what to do."""


class ReplacedWarning(UserWarning):
    """A save replaced what another program had written meanwhile."""


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by name, and its string metadata.

    Raises:
        CheckpointError: if there is no such file, or it is damaged, of another format, or far larger than ours.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size > MAX_FILE_BYTES:
                raise CheckpointError(
                    f"{path} is {status.st_size:,} bytes long, far more than a model of this series: wrong file?"
                )
            content = file.read(MAX_FILE_BYTES)
        metadata = _metadata(content)
        tensors = safetensors.torch.load(content)  # reads numbers only; nothing in a file is ever executed
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no model at {path}: train one first (notebook 02, or python -m mnist_nb train)"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except CheckpointError:
        raise
    except Exception as error:  # safetensors raises several kinds for a damaged file: all mean the same to a reader
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error}): it may be cut short, or of another format; "
            "train again or take a copy of it"
        ) from error
    _SEEN[Path(path).resolve()] = signature(status)
    return tensors, metadata


def write_tensors(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Replace the file by one that holds these, in one step.

    Raises:
        CheckpointError: if it cannot be written; the old file is untouched then.
    """
    content = safetensors.torch.save(tensors, metadata)
    if len(content) > MAX_FILE_BYTES or _header_length(content) > MAX_HEADER_BYTES:  # could not be read again
        raise CheckpointError(f"{path} cannot be written: {len(content):,} bytes are far more than a model's here")
    try:
        status = write_atomically(path, content)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error.strerror or error}; choose another place or make room"
        ) from error
    _SEEN[Path(path).resolve()] = signature(status)


def remember(path: str | Path) -> None:
    """Take note of the file as it is now, or of there being none: `was_changed` compares with that."""
    _SEEN[Path(path).resolve()] = signature_of(path)


def was_changed(path: str | Path) -> bool:
    """Whether another program has written the file since this one last read, wrote or took note of it."""
    target = Path(path).resolve()
    return target in _SEEN and signature_of(target) not in (None, _SEEN[target])


def tell_if_changed(path: str | Path, tell: Callable[[str], None] | None) -> None:
    """Say, with `tell` or else as a warning, that the save to come replaces what another program has written."""
    if was_changed(path):
        text = (
            f"Another program has saved {path} since this one last did, and this save replaces what it saved: give "
            "one of the two another file, or close the other notebook."
        )
        tell(text) if tell is not None else warnings.warn(text, ReplacedWarning, stacklevel=3)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the tensors, whatever else is in their file."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        total.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())  # of any type
    return total.hexdigest()


def _header_length(content: bytes) -> int:
    return int.from_bytes(content[:8], "little")


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata in a file's header; a ValueError for a header out of all proportion."""
    length = _header_length(content)
    if not 8 + length <= len(content):
        raise ValueError(f"its header claims {length:,} bytes, and the file has {len(content):,}")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header is {length:,} bytes long")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise ValueError("its header does not describe a model's tensors")
    metadata = header.get("__metadata__") or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are no strings")
    return metadata
