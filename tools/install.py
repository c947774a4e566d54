"""Install mnist_nb, with all that it needs, into the environment of the Python that runs this.

    .venv/bin/python tools/install.py [--extra test] [--gpu 0|1]

On Linux PyPI's PyTorch brings gigabytes for NVIDIA cards. Where no NVIDIA driver is found the CPU
build is taken instead, from PyTorch's own index; where that does not answer, PyPI's after all, and
a line says so. `uv` installs where there is one, pip elsewhere. What they print goes to a file,
which is named if something fails.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PYTORCH = (
    "torchvision",
    "torch",
)  # in this order: a torchvision names the one torch that it was built for
CUDA_PARTS = re.compile(r"(nvidia|cuda)-.*|triton")  # what only PyPI's build needs
UNITS = {"k": 1e-3, "M": 1.0, "G": 1e3, "": 1e-6}  # megabytes in one kB, MB, GB, byte


class InstallationError(Exception):
    """A step that failed; its message is for the reader."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, and return the exit status: 0, 1 if it failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--extra", default="notebooks", help="which extra of pyproject.toml (%(default)s)"
    )
    parser.add_argument(
        "--gpu", choices=("", "0", "1"), default="", help="1: PyPI's build; 0: the CPU build"
    )
    parser.add_argument("--constraint", default="", metavar="FILE", help="versions to keep to")
    parser.add_argument(
        "--stamp", nargs="*", type=Path, default=[], metavar="FILE", help="written when it is done"
    )
    parser.add_argument(
        "--index", default=CPU_INDEX, metavar="URL", help="where the CPU build is (%(default)s)"
    )
    parser.add_argument(
        "--patience", type=float, default=10, metavar="SECONDS", help="how long to wait for it (10)"
    )
    options = parser.parse_args(arguments)
    installer = Installer(Path(sys.prefix) / "install.log")
    try:
        install(installer, options)
    except InstallationError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def install(installer: Installer, options: argparse.Namespace) -> None:
    """PyTorch first, where it is not PyPI's; then everything else, which leaves that one alone."""
    started = time.monotonic()
    cpu, why = wants_cpu(options.gpu)
    there = version_of("torch") or ""
    change = (
        bool(options.gpu) if there else cpu
    )  # nobody loses the build they have without saying so
    if cpu != ("+cpu" in there) and there and not change:
        why = f"PyTorch {there} is there and stays (GPU=0 and GPU=1 choose)"
    print(f"Setting up {Path(sys.prefix).name} with {installer.name}; {why}.", flush=True)
    keep = ["--constraint", str(Path(options.constraint).resolve())] if options.constraint else []
    honoured = True
    if (change and cpu and "+cpu" not in there) or (
        "+cpu" in there and cpu and not installer.holds(wanted(), keep)
    ):
        honoured = take_cpu_build(installer, options.index, options.patience, keep)
    elif change and not cpu and "+cpu" in there:
        installer.run(
            "PyTorch from PyPI", "install", "--no-deps", "--force-reinstall", *keep, *PYTORCH
        )
    with pinned_cpu_build() as pins, sources() as project:
        what = [*project[:-1], f"{project[-1]}[{options.extra}]"]
        installer.run("everything else" if pins else "all packages", "install", *keep, *pins, *what)
    for stamp in options.stamp:  # what was asked for: asked for otherwise, make calls this again
        stamp.write_text(f"{options.gpu if honoured else ''}\n", encoding="utf-8")
    print(
        f"Done: {size_of(Path(sys.prefix)) / 1e9:.1f} GB, {in_words(time.monotonic() - started)}.",
        flush=True,
    )


def wants_cpu(gpu: str) -> tuple[bool, str]:
    """Whether to install the CPU build, and why in words; `gpu` is the reader's choice: "0", "1" or
    none."""
    if sys.platform != "linux":
        return False, "PyTorch from PyPI, which is right for this system"
    if gpu:
        return (
            gpu == "0",
            f"{'the CPU build of PyTorch' if gpu == '0' else 'PyTorch from PyPI'}, as GPU={gpu} says",
        )
    try:
        ctypes.CDLL("libcuda.so.1")  # comes with the driver, and is what PyTorch needs of it
    except OSError:
        return (
            True,
            "the CPU build of PyTorch, as there is no NVIDIA driver (GPU=1 takes the other)",
        )
    return False, "PyTorch from PyPI, as there is an NVIDIA driver (GPU=0 takes the CPU build)"


def take_cpu_build(installer: Installer, index: str, patience: float, keep: Sequence[str]) -> bool:
    """Install the CPU build and take away what was PyPI's; whether that could be done."""
    pages = [f"{index}/{name}/" for name in PYTORCH]
    # no index, only these two pages: whatever else the reader's settings name could offer another
    # build
    source = [
        "--no-index",
        *(word for page in pages for word in ("--find-links", page)),
        "--no-deps",
        "--force-reinstall",
    ]
    try:
        if reason := silence_of(pages[0], patience):
            raise InstallationError(reason)
        for name in PYTORCH:
            needs = [
                *(metadata.requires("torchvision") or [] if name == "torch" else []),
                *wanted(),
            ]
            bound = next(line for line in needs if re.match(rf"{name}\b", line))
            installer.run(f"{name}, CPU build", "install", *source, *keep, bound, patience=patience)
    except InstallationError as error:
        print(
            f"PyTorch's own index cannot be used ({str(error).splitlines()[0][:150]}): taking PyPI's build, several GB."
        )
        if half := [name for name in PYTORCH if "+cpu" in (version_of(name) or "")]:
            installer.run("", "uninstall", *half)  # or it would stand beside PyPI's other one
        return False
    if left := [part.name for part in metadata.distributions() if CUDA_PARTS.fullmatch(part.name)]:
        installer.run("removing CUDA", "uninstall", *left)
    return True


def wanted() -> list[str]:
    """What pyproject.toml demands of PyTorch."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [line for line in project["dependencies"] if re.match(r"torch(vision)?\b", line)]


def silence_of(page: str, patience: float) -> str:
    """Why a page cannot be had within so many seconds; empty if it can."""
    reasons: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with urllib.request.urlopen(
                page, timeout=2 * patience
            ) as answer:  # below, one waits for half of that
                answer.read()
        except (OSError, ValueError) as error:
            reasons.put(str(error).strip("<>") or type(error).__name__)
        else:
            reasons.put("")

    threading.Thread(
        target=ask, daemon=True
    ).start()  # a server that sends a byte a second passes every time limit
    try:
        return reasons.get(timeout=patience)
    except queue.Empty:
        return f"no answer within {patience:g} s"


@contextlib.contextmanager
def sources() -> Iterator[list[str]]:
    """What to install: this folder, to be changed at will; of one that cannot be written in, as it
    is now."""
    if os.access(ROOT, os.W_OK):
        yield ["--editable", str(ROOT)]
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "mnist_nb"
        shutil.copytree(
            ROOT,
            copy,
            ignore=shutil.ignore_patterns(".git", ".venv"),
            copy_function=shutil.copyfile,
        )
        for place in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            place.chmod(0o755)  # building writes there
        yield [str(copy)]


@contextlib.contextmanager
def pinned_cpu_build() -> Iterator[list[str]]:
    """Options that hold pip to the CPU build that is installed; none if there is none."""
    versions = {name: version_of(name) or "" for name in PYTORCH}
    if not all("+cpu" in version for version in versions.values()):
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        pins.write_text(
            "".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8"
        )
        yield ["--constraint", str(pins)]


def version_of(package: str) -> str | None:
    """The version that is installed."""
    importlib.invalidate_caches()
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def in_words(seconds: float) -> str:
    """ "42 s", "2 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Installer:
    """pip or uv: what it prints goes to the log, and of that a line or two to the reader."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.uv = shutil.which("uv")
        self.name = "uv" if self.uv else "pip"
        log.write_text("", encoding="utf-8")

    def run(self, title: str, verb: str, *words: str, patience: float | None = None) -> None:
        """Run `pip VERB`, showing how far it is under this title, nothing if that is empty.

        Raises:
            InstallationError: if it fails, with what it said and where the rest stands.
        """
        environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"}
        options = list(words)
        if self.uv:
            command = [self.uv, "pip", verb, "--python", sys.executable]
            if patience is not None:
                environment |= {
                    "UV_HTTP_TIMEOUT": str(max(1, round(patience))),
                    "UV_HTTP_RETRIES": "1",
                }
        else:
            command = [sys.executable, "-m", "pip", verb]
            options += ["--yes"] if verb == "uninstall" else ["--progress-bar", "off"]
            if patience is not None:
                options += ["--timeout", str(patience), "--retries", "1"]
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join([*command, *options])}\n")
            process = subprocess.Popen(
                [*command, *options], env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
            )  # fmt: skip
            lines = list(self._followed(process, title, log))
        if process.wait():
            said = [
                line
                for line in lines
                if re.match(r"\s*(ERROR|error|Caused by|×|╰|.* depends on |The user)", line)
            ] or lines
            reason = "\n".join(line.strip()[:300] for line in said[-4:])
            raise InstallationError(
                f"{reason}\nThe installation failed, for the reason above; all that was said is in {self.log}. Mend it "
                "and call the same again (no space? the CPU build needs 2 GB, the other 7; no network? it needs one)."
            )

    def holds(self, requirements: Sequence[str], keep: Sequence[str]) -> bool:
        """Whether what is installed meets all of these."""
        try:
            self.run("", "install", "--no-index", "--no-deps", *keep, *requirements)
        except InstallationError:
            return False
        return True

    def _followed(self, process: subprocess.Popen[str], title: str, log: object) -> Iterator[str]:
        """The lines that a process prints, as they come; logged, and summed up for the reader."""
        assert process.stdout is not None
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        stream = process.stdout

        def read() -> None:
            for line in stream:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        progress = Progress(title)
        while True:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                progress.show()
                continue
            if line is None:
                break
            print(line, end="", file=log, flush=True)  # type: ignore[call-overload]
            progress.saw(line)
            yield line
        progress.end(failed=process.wait() != 0)


class Progress:
    """One line that is written over again in a terminal; elsewhere one at the end, and one a minute
    until then."""

    def __init__(self, title: str) -> None:
        self.title, self.started, self.shown = title, time.monotonic(), time.monotonic()
        self.packages, self.megabytes, self.doing = 0, 0.0, ""
        self.terminal = sys.stdout.isatty()

    def saw(self, line: str) -> None:
        """Take from a line of pip's or uv's what it is doing."""
        if found := re.match(r"\s*(?:Collecting|\+) ?([\w.-]+)", line):
            self.packages += 1
        if found := re.match(
            r"\s*Downloading (?:\S*/)?([A-Za-z][\w.]*?)[- ].*\(([\d.]+) ?([kKMG]?)i?[bB](?:ytes)?\)",
            line,
        ):
            self.megabytes += float(found[2]) * UNITS[found[3].replace("K", "k")]
            self.doing = f"fetching {found[1]}, {found[2]} {found[3]}B"
        elif re.match(r"Installing collected|Prepared", line):
            self.doing = "unpacking"
        self.show()

    def show(self) -> None:
        """Say how far it is, if it is time to."""
        now = time.monotonic()
        if self.title and now - self.shown >= (0.1 if self.terminal else 60):
            self.shown = now
            self._write(f"{self._sum()} {self.doing}", end="" if self.terminal else "\n")

    def end(self, failed: bool) -> None:
        """Say what it came to."""
        if self.title:
            self._write(f"{self._sum()}{' failed' if failed else ''}", end="\n")

    def _sum(self) -> str:
        parts = [f"{self.packages} package{'s' * (self.packages != 1)}"] if self.packages else []
        parts += [f"{self.megabytes:,.0f} MB fetched"] if self.megabytes >= 1 else []
        return f"  {self.title}: {', '.join([*parts, in_words(time.monotonic() - self.started)])}"

    def _write(self, text: str, end: str) -> None:
        if self.terminal:
            text = "\r\033[K" + text[: shutil.get_terminal_size().columns - 1]
        print(text, end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
