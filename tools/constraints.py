"""Write constraints.txt: the versions that the tests last passed with, of everything that
mnist_nb[test] needs.

python tools/constraints.py

Run it in the environment that `make test` passed in. Installing with it, `make lab
CONSTRAINTS=constraints.txt`, opens the series as it was then, however much its dependencies have
changed since.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FILE = Path(__file__).resolve().parent.parent / "constraints.txt"


def closure(requirement: Requirement) -> dict[str, str]:
    """Name and version of each installed package that this one needs, itself included."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement.name, extra) for extra in ("", *requirement.extras)]
    while waiting:
        name, extra = waiting.pop()
        if (canonicalize_name(name), extra) in seen:
            continue
        seen.add((canonicalize_name(name), extra))
        try:
            package = distribution(name)
        except PackageNotFoundError:  # wanted on other systems only
            continue
        found[canonicalize_name(name)] = Version(
            package.version
        ).public  # without +cu132 and the like
        for text in package.requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, wanted) for wanted in ("", *needed.extras)]
    return found


def main() -> None:
    """Write the file."""
    packages = closure(Requirement("mnist_nb[test]"))
    del packages["mnist-nb"]
    python = ".".join(map(str, sys.version_info[:2]))
    lines = [
        f"# The versions last seen to pass, with Python {python}: make lab CONSTRAINTS=constraints.txt installs these.",
        "# Refreshed by: make constraints",
        *(f"{name}=={version}" for name, version in sorted(packages.items())),
    ]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(packages)} versions written to {FILE.name}")


if __name__ == "__main__":
    main()
