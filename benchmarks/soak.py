"""Measure the memory of one kernel over two hundred runs of a studio.

    python benchmarks/soak.py [--runs 200]

The studio trains one epoch of the sample after another, each time with a new network and its file
on disk. It keeps its last twenty runs; beyond these, the memory should not grow.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import threading
from pathlib import Path

from measure import say

from mnist_nb import Hyperparameters, TrainingStudio
from mnist_nb.data import load_sample


def resident_memory() -> float:
    """Return the memory of this process in 10^6 bytes (Linux)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Train repeatedly, and print the memory after every twenty runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    print("runs     MB  threads")
    with tempfile.TemporaryDirectory() as folder:
        studio = TrainingStudio(
            load_sample(),
            path=Path(folder, "model.safetensors"),
            hyperparameters=Hyperparameters(epochs=1),
        )
        for number in range(1, options.runs + 1):
            studio.train(fresh=True)
            if number % 20 == 0:
                print(
                    f"{number:4}  {resident_memory():5.0f}  {threading.active_count():7}",
                    flush=True,
                )
        studio.close()
    say(f"threads after closing: {threading.active_count()}")


if __name__ == "__main__":
    main()
