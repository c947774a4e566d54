"""The built distributions work without a clone."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


def run(*command: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and a source distribution, built from the files known to git and new
    ones."""
    sources, folder = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    known = run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", folder=ROOT
    ).stdout.splitlines()
    for name in known:
        if (ROOT / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            (sources / name).write_bytes((ROOT / name).read_bytes())
    # no internet: build with the setuptools of the test environment
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, sources, folder=folder)
    return folder


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, which borrows its dependencies from the test
    environment."""
    home = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    run(*pip, *built.glob("*.whl"), folder=built)
    site = Path(
        run(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=home
        ).stdout.strip()
    )
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_carries_all_modules_data_and_notebooks(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    package = [
        path
        for path in (ROOT / "mnist_nb").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    wanted = {path.relative_to(ROOT).as_posix() for path in package if path.suffix != ".md"}
    notebooks = [
        path
        for path in (ROOT / "notebooks").rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    ]
    wanted |= {"mnist_nb/" + path.relative_to(ROOT).as_posix() for path in notebooks}
    assert wanted <= inside
    assert all(name.startswith(("mnist_nb/", "mnist_nb-")) for name in inside)


def test_the_source_distribution_carries_the_tests_and_tools(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "Makefile",
        "environment.yml",
        "notebooks/04_draw.ipynb",
        "tests/test_distribution.py",
    } <= names


def test_installed_elsewhere_it_trains_and_tests(python: Path, tmp_path: Path) -> None:
    sample = {"MNIST_NB_SOURCE": "sample"}
    where = run(
        python, "-c", "import mnist_nb; print(mnist_nb.__file__)", folder=tmp_path
    ).stdout.strip()
    assert Path(where).is_relative_to(python.parent.parent)
    run(python, "-m", "mnist_nb", "train", "--epochs", "1", folder=tmp_path, **sample)
    assert (
        "test images read correctly"
        in run(python, "-m", "mnist_nb", "test", folder=tmp_path, **sample).stdout
    )


def test_installed_elsewhere_notebook_04_runs(python: Path, tmp_path: Path) -> None:
    """It runs in its own copy, as `draw` makes it, without JupyterLab."""
    without_lab = (
        "import subprocess; subprocess.call = print; "
        "from mnist_nb.__main__ import main; main(['draw'])"
    )
    run(python, "-c", without_lab, folder=tmp_path)
    program = (
        "import nbformat, nbclient; nb = nbformat.read('04_draw.ipynb', 4); "
        "nbclient.NotebookClient(nb, timeout=300, kernel_name='python3').execute()"
    )
    run(python, "-c", program, folder=tmp_path / "notebooks", MNIST_NB_SOURCE="sample")
