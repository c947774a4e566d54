"""Speed compared with other libraries: `make bench`, or

    python benchmarks/bench.py [PART ...] [--quick]

Times differ between machines, and on a shared machine from one minute to the next. So contenders
take turns for several rounds in one process; compare the ratios of their medians. Each part prints
a table, saves it with all measurements in benchmarks/results/ as JSON, Markdown and a figure, and
inserts it into benchmarks/README.md. The environment variable SEEDS=3 shortens the races, which use
five seeds by default.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import contenders
import matplotlib
import nbformat
import numpy as np
import pad
import steps
import torch
from matplotlib.figure import Figure
from measure import RESULTS, Times, keep, quiet, say, timed, turns
from threadpoolctl import threadpool_limits

from mnist_nb import Mnist, load_mnist
from mnist_nb.plots.style import COLOURS, DASHES, MARKERS, despine, new_figure


def main() -> None:
    """Measure the given parts, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], help="the parts to measure (default: all)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer rounds and seeds: minutes instead of an hour",
    )
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    threads = torch.get_num_threads()
    for part in options.parts or PARTS:
        torch.set_num_threads(threads)  # independently of the previous part
        PARTS[part](options.quick)


# ---- An epoch


def epochs(quick: bool) -> None:
    """Measure seconds per epoch of the same network with each library, at several batch sizes."""
    data = load_mnist()
    rounds = 2 if quick else 5
    results: dict[str, Times] = {}
    for batch_size in (64, 256, 1024):
        results[f"mlp, batch {batch_size}"] = compare(
            contenders.MLP, data, "mlp", batch_size, rounds, threads=1
        )
    cores = os.cpu_count() or 1
    results["cnn, batch 128"] = compare(
        contenders.CNN, data, "cnn", 128, 1 if quick else 2, threads=cores
    )
    keep("epochs", results, table_of_epochs(results), figure_of_epochs(results))


def compare(
    makers: Mapping[str, contenders.Maker],
    data: Mnist,
    network: str,
    batch_size: int,
    rounds: int,
    threads: int,
) -> Times:
    """Return the seconds of an epoch of each contender, in turns, after one epoch to warm up."""
    torch.set_num_threads(threads)
    times: Times = {name: [] for name in makers}
    with threadpool_limits(threads):
        ready = {name: make(data, network, batch_size) for name, make in makers.items()}
        for number in range(rounds + 1):
            for name, epoch in ready.items():
                seconds = timed(epoch)
                if number:
                    times[name].append(seconds)
            say(f"{network}, batch {batch_size}: round {number} of {rounds}")
    return times


def table_of_epochs(results: Mapping[str, Times]) -> list[str]:
    """Return a table for each network and batch size, with ratios to the floor, if it was measured,
    and to this package."""
    lines: list[str] = []
    for title, times in results.items():
        threads = (os.cpu_count() or 1) if title.startswith("cnn") else 1
        against = [name for name in times if name.startswith("floor") or name == "mnist_nb"]
        columns = " | ".join(f"x {name.split(':')[0]}" for name in against)
        lines += ["", f"**{title}**, {threads} thread{'s' * (threads > 1)}", ""]
        lines += [
            f"| | seconds per epoch, median (least to most) | {columns} |",
            "| --- " * (2 + len(against)) + "|",
        ]
        for name, seconds in times.items():
            middle = np.median(seconds)
            ratios = " | ".join(f"{middle / np.median(times[other]):.2f}" for other in against)
            lines.append(
                f"| {name} | {middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {ratios} |"
            )
    return lines


def figure_of_epochs(results: Mapping[str, Times]) -> Figure:
    """Draw bars of the medians on a logarithmic axis, with the spread as whiskers, in a panel for
    each batch size."""
    figure = new_figure(9, 1.1 + 2.1 * len(results))
    for axes, (title, times) in zip(
        figure.subplots(len(results), 1, squeeze=False).flat, results.items(), strict=True
    ):
        names = list(times)[::-1]
        middles = np.array([np.median(times[name]) for name in names])
        lowest = np.array([min(times[name]) for name in names])
        highest = np.array([max(times[name]) for name in names])
        reach = np.stack([middles - lowest, highest - middles])
        colours = [COLOURS[1] if name == "mnist_nb" else COLOURS[0] for name in names]
        axes.barh(names, middles, xerr=reach, color=colours, height=0.7)
        for place, middle in enumerate(middles):
            axes.text(
                middle,
                place,
                f"   {middle:.2f}",
                va="center",
                fontsize=8,
                backgroundcolor=(1, 1, 1, 0.6),
            )
        axes.set(xscale="log", title=title, xlabel="seconds per epoch (logarithmic)")
        axes.margins(x=0.15)
        despine(axes)
    return figure


# ---- Time to an accuracy


class Race(NamedTuple):
    """A preset, changes to it, and the accuracies whose times are reported."""

    title: str
    preset: str
    changes: dict[str, Any]
    thresholds: tuple[float, ...]


RACES = {
    "race-fast": Race("mlp, preset fast", "fast", {}, (0.97, 0.975, 0.98)),
    "race-best": Race("mlp, preset best", "best", {}, (0.97, 0.98, 0.985, 0.99)),
    "race-best-cnn": Race('cnn, preset "best, cnn"', "best, cnn", {}, (0.99, 0.994, 0.995, 0.996)),
    "race-best-cnn-longer": Race(
        'cnn, preset "best, cnn", 24 epochs',
        "best, cnn",
        {"epochs": 24},
        (0.99, 0.994, 0.995, 0.996),
    ),
}


def race(name: str, quick: bool) -> None:
    """Measure the time from a cold process, with the data on disk, to each test accuracy, and count
    the seeds that reach it."""
    title, preset, changes, thresholds = RACES[name]
    script = str(Path(__file__).with_name("race.py"))
    runs: list[Any] = []
    for seed in range(1 if quick else int(os.environ.get("SEEDS", "5"))):
        command = [sys.executable, script, preset, str(seed), json.dumps(changes), str(time.time())]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=quiet())
        runs.append(json.loads(output.stdout.splitlines()[-1]))
        say(f"{title}, seed {seed}: {runs[-1]['epochs'][-1]}")
    lines = [
        f"| {title}: accuracy on test | reached by | seconds from a cold start, median | of "
        "training |"
    ]
    lines += ["| --- | --- | --- | --- |"]
    for threshold in thresholds:
        reached = [hit for run in runs if (hit := first_above(run["epochs"], threshold))]
        wall, training = (
            f"{np.median([hit[key] for hit in reached]):.1f}" if reached else ""
            for key in ("wall", "training")
        )
        lines.append(f"| {threshold:.1%} | {len(reached)} of {len(runs)} | {wall} | {training} |")
    last = [run["epochs"][-1] for run in runs]
    shares = [epoch["test"] for epoch in last]
    wall, training = (
        f"{np.median([epoch[key] for epoch in last]):.1f}" for key in ("wall", "training")
    )
    spread = f"at the end {np.mean(shares):.2%} ({min(shares):.2%} to {max(shares):.2%})"
    lines.append(f"| {spread} | | {wall} | {training} |")
    figure = new_figure(7, 3.6)
    axes = figure.subplots()
    for seed, run in enumerate(runs):
        errors = [1 - epoch["test"] for epoch in run["epochs"]]
        look = {
            "color": COLOURS[seed],
            "linestyle": DASHES[seed],
            "marker": MARKERS[seed],
            "markersize": 3,
        }
        axes.plot(
            [epoch["wall"] for epoch in run["epochs"]],
            errors,
            label=f"seed {seed}",
            linewidth=1,
            **look,
        )
    axes.set(
        yscale="log",
        title=title,
        xlabel="seconds from a cold start",
        ylabel="share of test images read wrong",
    )
    axes.legend(frameon=False)
    despine(axes)
    keep(name, runs, lines, figure)


def first_above(run: Sequence[Mapping[str, float]], threshold: float) -> Mapping[str, float] | None:
    """Return the record of the first epoch with this accuracy on the test images."""
    return next((epoch for epoch in run if epoch["test"] >= threshold), None)


# ---- Start and memory

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
STARTS = {
    "import torch": "import torch",
    "import mnist_nb": "import mnist_nb",
    "import mnist_nb, and what trains": (
        "from mnist_nb import load_mnist, build_model, TrainingRun, Hyperparameters"
    ),
    "import torchvision": "import torchvision",
}
MEMORIES = {
    "import torch": "import torch",
    "load_mnist()": "from mnist_nb import load_mnist; load_mnist()",
    "a default training": (
        "from mnist_nb import *; "
        "list(train(build_model(), load_mnist(), Hyperparameters(epochs=2)))"
    ),
}


def start(quick: bool) -> None:
    """Measure the time of imports and of `load_mnist()` from a warm cache, and the peak memory of a
    default training."""
    rounds = 3 if quick else 9
    times: Times = {name: [] for name in STARTS}
    for _ in range(rounds + 1):
        for name, program in STARTS.items():
            command = [sys.executable, "-c", program]
            times[name].append(
                timed(lambda command=command: subprocess.run(command, check=True, env=quiet()))
            )
    times = {name: seconds[1:] for name, seconds in times.items()}  # the first round read the disk
    load_mnist()
    times["load_mnist(), warm cache, checksums included"] = [
        timed(load_mnist) for _ in range(rounds)
    ]
    lines = ["| | seconds, median (least to most) | x import torch |", "| --- | --- | --- |"]
    for name, seconds in times.items():
        middle = np.median(seconds)
        ratio = (
            f"{middle / np.median(times['import torch']):.2f}" if name.startswith("import") else ""
        )
        lines.append(
            f"| {name} | {middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {ratio} |"
        )
    peaks = {name: peak_memory(program) for name, program in MEMORIES.items()}
    lines += ["", "| peak memory of a process | MB |", "| --- | --- |"]
    lines += [f"| {name} | {peak:.0f} |" for name, peak in peaks.items()]
    lines += [
        "",
        "| a notebook's first cells, until the data are there | seconds, median | MB at most |",
        "| --- | --- | --- |",
    ]
    openings = {
        path.stem: opening(path, 2 if quick else 5) for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    }
    lines += [
        f"| {name} | {np.median(seconds):.1f} | {peak:.0f} |"
        for name, (seconds, peak) in openings.items()
    ]
    keep("start", {"seconds": times, "megabytes": peaks, "openings": openings}, lines, None)


def opening(path: Path, rounds: int) -> tuple[list[float], float]:
    """Return the seconds of a notebook's cells up to the one that loads the data, in a new process
    each time, and the peak memory."""
    cells = [
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    ]
    last = next((number for number, source in enumerate(cells) if "load_mnist(" in source), 0)
    program = "\n".join(cells[: last + 1])
    command = [sys.executable, "-c", program]
    run = functools.partial(
        subprocess.run, command, check=True, cwd=path.parent, env=quiet(), stdout=subprocess.DEVNULL
    )
    times = [timed(run) for _ in range(rounds)]
    return times, peak_memory(program, path.parent)


def peak_memory(program: str, folder: Path | None = None) -> float:
    """Run a program in a process of its own in this folder, and return its peak memory in 10^6
    bytes."""
    report = "\nfrom measure import peak_memory; print(peak_memory())"
    where = {**quiet(), "PYTHONPATH": str(Path(__file__).parent)}
    output = subprocess.run(
        [sys.executable, "-c", program + report],
        check=True,
        stdout=subprocess.PIPE,
        env=where,
        cwd=folder,
    )
    return float(output.stdout.splitlines()[-1])


# ---- Growth


def growth(quick: bool) -> None:
    """Measure seconds per epoch against the number of images and the hidden width, next to the
    floor."""
    torch.set_num_threads(1)
    data = load_mnist()
    rounds = 2 if quick else 5
    counts = (1_000, 5_000, 15_000, len(data.train))
    widths = (32, 128, 512, 1024)
    results: dict[str, dict[str, Times]] = {"images": {}, "width": {}}
    for count in counts:
        part = Mnist(data.train.take(count), data.validation, data.test, data.source)
        results["images"][str(count)] = turns(
            {
                "mnist_nb": contenders.ours(part, "mlp", 64),
                "floor": contenders.floor(part, "mlp", 64),
            },
            rounds,
        )
    part = Mnist(data.train.take(15_000), data.validation, data.test, data.source)
    for width in widths:
        hidden = (width, 64)
        results["width"][str(width)] = turns(
            {
                "mnist_nb": contenders.ours(part, "mlp", 64, hidden),
                "floor": contenders.floor(part, "mlp", 64, hidden),
            },
            rounds,
        )
    lines = []
    for what, note in (
        ("images", "images, 784-128-64-10"),
        ("width", "units in the first hidden layer, 15,000 images"),
    ):
        lines += ["", f"| {note} | mnist_nb, s | floor, s | ratio |", "| --- | --- | --- | --- |"]
        for size, times in results[what].items():
            mine, least = np.median(times["mnist_nb"]), np.median(times["floor"])
            lines.append(f"| {int(size):,} | {mine:.3f} | {least:.3f} | {mine / least:.2f} |")
    figure = new_figure(9, 3.4)
    titles = ("training images", "units in the first hidden layer (15,000 images)")
    for axes, what, label in zip(figure.subplots(1, 2), results, titles, strict=True):
        for number, name in enumerate(("mnist_nb", "floor")):
            sizes = [int(size) for size in results[what]]
            middles = [np.median(times[name]) for times in results[what].values()]
            axes.plot(
                sizes,
                middles,
                MARKERS[number],
                linestyle=DASHES[number],
                color=COLOURS[number],
                label=name,
            )
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="seconds per epoch")
        axes.legend(frameon=False)
        despine(axes)
    keep("growth", results, lines, figure)


PARTS: dict[str, Callable[[bool], None]] = {
    "epochs": epochs,
    "augmentation": steps.augmentation,
    "growth": growth,
    "drawing": lambda quick: pad.main(),
    "start": start,
    **{
        name: lambda quick, name=name: subprocess.run(
            [sys.executable, Path(__file__).with_name(f"{name}.py")], check=True
        )
        for name in ("page", "reader")
    },
    **{name: functools.partial(race, name) for name in RACES},
}

if __name__ == "__main__":
    matplotlib.use("agg")
    main()
