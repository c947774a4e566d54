"""What watching costs: of a run in the studio, in a real kernel, the share that goes into looking
at it.

    python benchmarks/studio.py [--rounds 5]

The panel is drawn as for a reader, at most five times a second: the curves, the first layer's
weights, dead units and update ratios, the pinned digit. Processor time is counted, of all threads,
in the looks and in the whole run: a machine that does other things as well stretches both.
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

torch.set_num_threads(1)  # two that wait for each other count as work
clock, data = time.process_time, load_mnist()
settings = {"mlp": Hyperparameters(epochs=3), "cnn": Hyperparameters(network="cnn", epochs=1, batch_size=128)}
studio = TrainingStudio(data, path=None, device="cpu")
display(studio)
studio.pin(data.test.images[0])
looks, look = [], studio.session._notify
def timed(run):
    began = clock()
    look(run)
    looks.append(clock() - began)
studio.session._notify = timed
measured = {name: [] for name in settings}
for number in range(ROUNDS + 1):
    for name, wanted in settings.items():
        looks.clear()
        studio.controls.value, began = wanted, clock()
        studio.train(fresh=True)
        if number:
            measured[name].append((clock() - began, sum(looks), len(looks)))
print(json.dumps(measured))
"""


def main() -> None:
    """Measure, and keep the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    measured = json.loads("".join(printed))
    lines = ["| network | the run, s | looks | ms each | share of the run |", "| --- " * 5 + "|"]
    for name, rounds in measured.items():
        whole, looking, looks = np.median(np.array(rounds), axis=0)
        lines.append(
            f"| {name} | {whole:.2f} | {looks:.0f} | {1000 * looking / looks:.1f} | {looking / whole:.1%} |"
        )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
