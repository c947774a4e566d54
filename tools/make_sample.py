"""Make the sample inside the package from the full MNIST: python tools/make_sample.py
[FOLDER-OF-THE-FOUR-FILES]

Writes mnist_nb/data/sample/*.gz and prints the SHA-256 sums that mnist_nb/data/mnist.py holds.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

from mnist_nb.data import cache_folder

COUNTS = {"train": 5_000, "t10k": 1_000}
SAMPLE = Path(__file__).parent.parent / "mnist_nb" / "sample"


def first_items(content: bytes, count: int) -> bytes:
    """An idx file of the first `count` items of another."""
    axes = content[3]
    header = 4 + 4 * axes
    item = 28 * 28 if axes == 3 else 1
    return (
        content[:4]
        + count.to_bytes(4, "big")
        + content[8:header]
        + content[header : header + count * item]
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else cache_folder()
    if folder is None:
        sys.exit("There is no cache folder: name the folder of MNIST's four files")
    SAMPLE.mkdir(exist_ok=True)
    for part in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        content = first_items((folder / part).read_bytes(), COUNTS[part.split("-")[0]])
        (SAMPLE / f"{part}.gz").write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
        print(f'"{part}": ({len(content):_}, "{hashlib.sha256(content).hexdigest()}"),')


if __name__ == "__main__":
    main()
