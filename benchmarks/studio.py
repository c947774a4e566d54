"""What watching costs: an epoch in the studio, in a real kernel, over the same epoch without it.

    python benchmarks/studio.py [--rounds 5]

The panel is drawn as for a reader, at most five times a second: the curves, the first layer's weights, dead units and
update ratios, the pinned digit. Both take turns in one kernel, so the ratio is that of one machine at one time.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from jupyter_client.manager import start_new_kernel

PROGRAM = """
import json, time, torch
from mnist_nb import Hyperparameters, TrainingRun, TrainingStudio, build_model, load_mnist

data = load_mnist()
settings = {"mlp": Hyperparameters(epochs=3), "cnn": Hyperparameters(network="cnn", epochs=1, batch_size=128)}
studio = TrainingStudio(data, path=None, device="cpu")
display(studio)
looks, paint = [0], studio.session._publish
def count():
    looks[0] += 1
    paint()
studio.session._publish = count
times = {name: {"alone": [], "in the studio": [], "looks": []} for name in settings}
for number in range(ROUNDS + 1):
    for name, wanted in settings.items():
        run = TrainingRun(build_model(name, seed=0), data, wanted, device="cpu")
        started = time.perf_counter()
        list(run.epochs())
        alone = time.perf_counter() - started
        studio.controls.value, looks[0] = wanted, 0
        started = time.perf_counter()
        studio.train(fresh=True)
        watched = time.perf_counter() - started
        if number:
            times[name]["alone"].append(alone)
            times[name]["in the studio"].append(watched)
            times[name]["looks"].append(looks[0])
print(json.dumps(times))
"""


def main() -> None:
    """Measure, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    manager, client = start_new_kernel(kernel_name="python3")
    printed: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed.append(message["content"]["text"])
        if message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))

    try:
        program = PROGRAM.replace("ROUNDS", str(options.rounds))
        client.execute_interactive(program, output_hook=hear, timeout=3600)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    times = json.loads("".join(printed))
    lines = [
        "| network | alone, s, median | in the studio, s | ratio of the medians | looks a second |",
        "| --- " * 5 + "|",
    ]
    for name, seconds in times.items():
        alone, watched = np.median(seconds["alone"]), np.median(seconds["in the studio"])
        looks = np.median(np.array(seconds["looks"]) / np.array(seconds["in the studio"]))
        lines.append(f"| {name} | {alone:.2f} | {watched:.2f} | {watched / alone:.3f} | {looks:.1f} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
