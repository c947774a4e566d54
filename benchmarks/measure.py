"""Helpers of the benchmarks: timing in turns, describing the machine, saving results."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).with_name("README.md")
Times = dict[str, list[float]]


def turns(ready: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Return the seconds of each function, called in turns, after one turn to warm up."""
    times: Times = {name: [] for name in ready}
    for number in range(rounds + 1):
        for name, act in ready.items():
            seconds = timed(act)
            if number:
                times[name].append(seconds)
    return times


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def quiet() -> dict[str, str]:
    """Return the environment for a measured process, without warnings."""
    return {**os.environ, "PYTHONWARNINGS": "ignore"}


def machine() -> dict[str, Any]:
    """Return a description of the machine, and the versions of the packages."""
    family = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        named = [
            line for line in information.read_text().splitlines() if line.startswith("model name")
        ]
        family = named[0].partition(":")[2].strip() if named else family
    packages = ("torch", "numpy", "scikit-learn")
    return {
        "processor": family,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "date": time.strftime("%Y-%m-%d"),
    }


def keep(name: str, results: Any, lines: Sequence[str], figure: Figure | None) -> None:
    """Print a table, save it with its measurements, and insert it into the README."""
    here = machine()
    words = ", ".join(f"{key} {value}" for key, value in here.items())
    table = "\n".join([*lines, "", f"({words})", ""]).lstrip("\n")
    print(f"\n{table}", flush=True)
    (RESULTS / f"{name}.json").write_text(
        json.dumps({"machine": here, "results": results}, indent=1) + "\n"
    )
    (RESULTS / f"{name}.md").write_text(table)
    README.write_text(with_table(README.read_text(), name, table))
    if figure is not None:
        figure.savefig(RESULTS / f"{name}.png", dpi=80, facecolor="white")


def with_table(page: str, name: str, table: str) -> str:
    """Return a Markdown page with the table between `<!-- name -->` and `<!-- end -->`."""
    around = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    return around.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", page)


def peak_memory() -> float:
    """Return the peak memory of this process in 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's getrusage also counts what the process that started this one held
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes, on macOS


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)
