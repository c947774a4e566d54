"""Measure the share of a run in the studio that updates of the panel take, in a real kernel.

    python benchmarks/studio.py [--rounds 5]

The panel is updated as usual, at most five times a second: the curves, the first layer's weights,
dead units, update ratios, and the pinned digit. The processor time of all threads is measured, for
the updates and for the whole run, because elapsed time depends on other programs.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from jupyter_client.manager import start_new_kernel

PROGRAM = """
import json, time, torch
from mnist_nb import Hyperparameters, TrainingStudio, load_mnist

torch.set_num_threads(1)  # threads that wait for each other would count as work
data = load_mnist()
settings = {
    "mlp": Hyperparameters(epochs=3),
    "cnn": Hyperparameters(network="cnn", epochs=1, batch_size=128),
}
studio = TrainingStudio(data, path=None, device="cpu")
display(studio)
studio.pin(data.validation.images[0])
seconds = []
show_progress = studio.session._show_progress

def timed(run):
    began = time.process_time()
    show_progress(run)
    seconds.append(time.process_time() - began)

studio.session._show_progress = timed
measured = {name: [] for name in settings}
for number in range(ROUNDS + 1):
    for name, chosen in settings.items():
        seconds.clear()
        studio.controls.value = chosen
        began = time.process_time()
        studio.train(fresh=True)
        if number:  # the first round warms up
            measured[name].append((time.process_time() - began, sum(seconds), len(seconds)))
print(json.dumps(measured))
"""


def main() -> None:
    """Measure, and save the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    manager, client = start_new_kernel(kernel_name="python3")
    printed: list[str] = []

    def collect(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed.append(message["content"]["text"])
        if message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))

    try:
        program = PROGRAM.replace("ROUNDS", str(options.rounds))
        client.execute_interactive(program, output_hook=collect, timeout=3600)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    measured = json.loads("".join(printed))
    lines = [
        "| network | the run, s | updates | ms each | share of the run |",
        "| --- " * 5 + "|",
    ]
    for name, rounds in measured.items():
        whole, observing, count = np.median(np.array(rounds), axis=0)
        each = 1000 * observing / count
        lines.append(
            f"| {name} | {whole:.2f} | {count:.0f} | {each:.1f} | {observing / whole:.1%} |"
        )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
