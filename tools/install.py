"""Install mnist_nb into the environment of the Python that runs this script.

python tools/install.py [--extra test] [--gpu 0|1] [--constraint FILE]

On Linux, PyPI's PyTorch includes gigabytes for NVIDIA cards. Without an NVIDIA driver, the CPU
build from PyTorch's own index is installed, if the index can be reached.
"""

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent.parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Wheels from other sources, such as a folder in pip's settings, may not match those of the index.
WITHOUT_OTHER_SOURCES = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_NO_INDEX": ""}
PYTORCH = re.compile(
    r"torch|torchvision|triton|(nvidia|cuda)-.*"
)  # including packages that only CUDA needs


def main() -> int:
    """Install PyTorch's CPU build if needed, then everything else."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--extra", default="notebooks", help="an extra of pyproject.toml (%(default)s)"
    )
    parser.add_argument(
        "--gpu",
        choices=("", "0", "1"),
        default="",
        help="reinstall PyTorch without (0) or with (1) GPU support",
    )
    parser.add_argument(
        "--constraint", default="", metavar="FILE", help="a file with the versions to install"
    )
    options = parser.parse_args()
    keep = ["--constraint", options.constraint] if options.constraint else []

    if options.gpu:
        remove_pytorch()
    if wants_cpu_build(options.gpu):
        print("Installing PyTorch's CPU build ...", flush=True)
        source = ["--index-url", CPU_INDEX, "--timeout", "10", "--retries", "0"]
        command = ["install", "-qqq", *source, *keep, "torch", "torchvision"]
        if pip(*command, environment=WITHOUT_OTHER_SOURCES) != 0:
            print(
                "PyTorch's own index cannot be used: installing PyPI's build (several GB) instead."
            )
    print("Installing mnist_nb and its dependencies, which can take minutes ...", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        return pip("install", "-qq", *keep, *project(Path(scratch), options.extra))


def wants_cpu_build(gpu: str) -> bool:
    """Return whether to install the CPU build from PyTorch's index. Only Linux needs it."""
    if sys.platform != "linux" or gpu == "1":
        return False
    return gpu == "0" or not has_nvidia_driver()


def has_nvidia_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def remove_pytorch() -> None:
    """Uninstall PyTorch and the packages that only it needs."""
    names = [package.name for package in distributions() if PYTORCH.fullmatch(package.name)]
    if names:
        pip("uninstall", "--quiet", "--yes", *names)


def project(scratch: Path, extra: str) -> list[str]:
    """Return the arguments for pip: this folder, or a copy if the folder is read-only."""
    if os.access(ROOT, os.W_OK):
        return ["--editable", f"{ROOT}[{extra}]"]
    copy = shutil.copytree(ROOT, scratch / "mnist_nb", ignore=shutil.ignore_patterns(".*"))
    for folder in (copy, *copy.rglob("*/")):
        folder.chmod(0o755)
    return [f"{copy}[{extra}]"]


def pip(*words: str, environment: Mapping[str, str] = MappingProxyType({})) -> int:
    """Run pip with additional environment variables, and return its exit status."""
    return subprocess.call([sys.executable, "-m", "pip", *words], env={**os.environ, **environment})


if __name__ == "__main__":
    sys.exit(main())
