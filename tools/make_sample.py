"""Make the package's sample from the full MNIST.

    python tools/make_sample.py [FOLDER-OF-THE-FOUR-FILES] [--output FOLDER]

Writes four .gz files and prints their sizes and SHA-256 sums.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from pathlib import Path

from mnist_nb.data import SIDE, cache_folder

SAMPLE = Path(__file__).parent.parent / "mnist_nb" / "data" / "sample"
COUNTS = {
    "train-images-idx3-ubyte": 5_000,
    "train-labels-idx1-ubyte": 5_000,
    "t10k-images-idx3-ubyte": 1_000,
    "t10k-labels-idx1-ubyte": 1_000,
}


def first_items(content: bytes, count: int) -> bytes:
    """Return an idx file of the first `count` items of another."""
    axes = content[3]  # 3 for images, 1 for labels
    header_length = 4 + 4 * axes  # a magic number, and the length of each axis
    item_length = SIDE * SIDE if axes == 3 else 1
    magic = content[:4]
    item_axes = content[8:header_length]
    items = content[header_length:]
    kept = items[: count * item_length]
    return magic + count.to_bytes(4, "big") + item_axes + kept


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, help="MNIST's four files (default: the cache)"
    )
    parser.add_argument("--output", type=Path, default=SAMPLE, help="default: %(default)s")
    options = parser.parse_args()
    folder = options.folder or cache_folder()
    if folder is None:
        parser.error("there is no cache folder: name the folder of MNIST's four files")
    options.output.mkdir(parents=True, exist_ok=True)
    for name, count in COUNTS.items():
        content = first_items((folder / name).read_bytes(), count)
        compressed = gzip.compress(content, compresslevel=9, mtime=0)
        (options.output / f"{name}.gz").write_bytes(compressed)
        print(f'"{name}": ({len(content):_}, "{hashlib.sha256(content).hexdigest()}"),')


if __name__ == "__main__":
    main()
