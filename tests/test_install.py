"""The installer, in throw-away environments, with two indexes of tiny wheels here in place of
PyTorch's and PyPI."""

import os
import re
import shutil
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import install
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere PyPI's PyTorch is the right one"
)
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "mnist_nb"
version = "1"
dependencies = ["torch>=2.9", "torchvision>=0.24", "small"]

[project.optional-dependencies]
notebooks = ["shown"]
test = ["mnist_nb[notebooks]", "tested"]
"""
BACKEND = """
import os, shutil

def build_editable(folder, config_settings=None, metadata_directory=None):
    return os.path.basename(shutil.copy("mnist_nb-1-py3-none-any.whl", folder))

build_wheel = build_editable
"""
NEEDS = ["torch>=2.9", "torchvision>=0.24", "small", 'shown; extra == "notebooks"',
         'mnist_nb[notebooks]; extra == "test"', 'tested; extra == "test"']  # fmt: skip
PYPI = {
    "torch": [("2.15.0", ["nvidia-cublas", "small"])],
    "torchvision": [("0.29.2", ["torch==2.15.0"])],
}
PYPI |= {name: [("1.0", [])] for name in ("nvidia-cublas", "small", "shown", "tested")}
CPU = {
    "torch": [
        (f"2.{minor}.0+cpu", ["small"]) for minor in (14, 15, 16)
    ],  # the newest has no torchvision yet
    "torchvision": [("0.28.0+cpu", ["torch==2.14.0"]), ("0.29.2+cpu", ["torch==2.15.0"])],
}


def make_wheel(folder: Path, name: str, version: str, needs: list[str]) -> None:
    stem = f"{name.replace('-', '_')}-{version}"
    extras = dict.fromkeys(re.findall(r'extra == "(\w+)"', " ".join(needs)))
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Provides-Extra: {n}" for n in extras),
    ]
    lines += [f"Requires-Dist: {need}" for need in needs]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as file:
        file.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
        file.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr(f"{stem}.dist-info/RECORD", "")


class Indexes:
    """`/cpu` and `/pypi`, each with pages and wheels; what is asked for under `/cpu` can be refused
    or left hanging."""

    def __init__(self, folder: Path) -> None:
        self.status = 200
        self.hangs = ""  # at paths that end so
        self.released = threading.Event()
        for place, packages in (("cpu", CPU), ("pypi", PYPI)):
            for name, versions in packages.items():
                (folder / place / name).mkdir(parents=True)
                for version, needs in versions:
                    make_wheel(folder / place / name, name, version, needs)
        indexes = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                place = folder / unquote(self.path.strip("/"))
                fails = self.path.startswith("/cpu") and indexes.status != 200
                if (
                    self.path.startswith("/cpu")
                    and indexes.hangs
                    and self.path.endswith(indexes.hangs)
                ):
                    indexes.released.wait(60)
                    return
                if fails or not place.exists():
                    self.send_error(indexes.status if fails else 404)
                    return
                links = (
                    f'<a href="{file.name.replace("+", "%2B")}">{file.name}</a>'
                    for file in place.glob("*.whl")
                )
                body = "\n".join(links).encode() if place.is_dir() else place.read_bytes()
                self.send_response(200)
                self.send_header(
                    "Content-Type", "text/html" if place.is_dir() else "application/octet-stream"
                )
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[Indexes]:
    served = Indexes(tmp_path / "served")
    yield served
    served.released.set()
    served.server.shutdown()


class Place:
    """A project with the installer in it, and an environment of its own, in a folder with a space
    and an umlaut."""

    def __init__(self, base: Path, indexes: Indexes) -> None:
        self.indexes, self.folder = indexes, base / "für alle"
        (self.folder / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "install.py", self.folder / "tools")
        (self.folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
        (self.folder / "backend.py").write_text(BACKEND, encoding="utf-8")
        make_wheel(self.folder, "mnist_nb", "1", NEEDS)
        venv.create(self.folder / ".venv", with_pip=False, symlinks=os.name != "nt")
        self.python = self.folder / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        import pip

        lent = base / "lent"  # pip itself, and nothing else of the environment that tests
        shutil.copytree(
            Path(pip.__file__).parent, lent / "pip", ignore=shutil.ignore_patterns("__pycache__")
        )
        names = ("PATH", "SYSTEMROOT", "HOME", "TMPDIR", "TEMP")
        self.environment = {name: os.environ[name] for name in names if name in os.environ} | {
            "PYTHONPATH": str(lent), "PYTHONUTF8": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1",
            "PIP_INDEX_URL": f"{indexes.address}/pypi/", "UV_DEFAULT_INDEX": f"{indexes.address}/pypi/",
            "UV_CACHE_DIR": str(base / "uv-cache"), "UV_NO_CONFIG": "1",
        }  # fmt: skip

    def install(self, *options: str, uv: Path | None = None) -> subprocess.CompletedProcess[str]:
        address = f"{self.indexes.address}/cpu"
        command = [self.python, "tools/install.py", "--index", address, "--patience", "1", *options]
        environment = self.environment | {"PATH": str(uv.parent) if uv else os.devnull}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=100
        )

    def packages(self) -> dict[str, str]:
        program = "from importlib.metadata import distributions as d; print({p.name: p.version for p in d()})"
        output = subprocess.run(
            [self.python, "-I", "-c", program], check=True, capture_output=True, text=True
        )
        found: dict[str, str] = eval(output.stdout)
        return found


@pytest.fixture
def place(tmp_path: Path, indexes: Indexes) -> Place:
    return Place(tmp_path, indexes)


def uv_program(program: str) -> Path | None:
    """Where uv is, from the environment that tests or from the machine; None if pip is to be
    used."""
    if program == "pip":
        return None
    found = shutil.which(
        "uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    return Path(found) if found else pytest.skip("uv is not installed")


@LINUX
@pytest.mark.parametrize("program", ["pip", "uv"])
def test_without_a_gpu_it_takes_the_cpu_build_and_everything_else_from_pypi(
    place: Place, program: str
) -> None:
    uv = uv_program(program)
    stamps = [place.folder / ".installed", place.folder / ".installed-test"]
    result = place.install("--gpu", "0", "--extra", "test", "--stamp", *map(str, stamps), uv=uv)
    assert result.returncode == 0, result.stdout + result.stderr
    wanted = {
        "torch": "2.15.0+cpu",
        "torchvision": "0.29.2+cpu",
        "mnist_nb": "1",
        "small": "1.0",
        "shown": "1.0",
    }
    assert place.packages() == wanted | {"tested": "1.0"}
    assert [stamp.read_text() for stamp in stamps] == ["0\n", "0\n"]
    lines = result.stdout.splitlines()
    assert f"with {program}" in lines[0]
    assert len(lines) == 5
    assert lines[-1].startswith("Done: ")
    assert "torchvision" in (place.folder / ".venv" / "install.log").read_text(encoding="utf-8")

    again = place.install(
        "--gpu", "0", "--extra", "test", uv=uv
    )  # the newest torch of all does not push in
    assert (again.returncode, place.packages()["torch"]) == (0, "2.15.0+cpu")


@LINUX
@pytest.mark.parametrize(
    ("fault", "reason", "program"),
    [
        ("503", "503", "pip"),
        ("404", "404", "uv"),
        ("hangs", "no answer within 1 s", "pip"),
        ("hangs at a wheel", "torch", "pip"),
        ("hangs at a wheel", "torch", "uv"),
        ("gone", "refused", "pip"),
    ],
)
def test_where_pytorchs_index_fails_it_takes_pypis_and_says_so_in_a_line(
    place: Place, indexes: Indexes, fault: str, reason: str, program: str
) -> None:
    options = ["--gpu", "0", "--stamp", str(place.folder / "stamp")]
    if fault.isdigit():
        indexes.status = int(fault)
    elif fault == "gone":
        options += ["--index", "http://127.0.0.1:9/cpu"]
    else:
        indexes.hangs = "/torchvision/" if fault == "hangs" else "cpu-py3-none-any.whl"
    result = place.install(*options, uv=uv_program(program))
    assert result.returncode == 0, result.stdout + result.stderr
    (line,) = (line for line in result.stdout.splitlines() if "cannot be used" in line)
    assert reason in line
    assert place.packages()["torch"] == "2.15.0"
    assert place.packages()["torchvision"] == "0.29.2"
    assert (
        place.folder / "stamp"
    ).read_text() == "\n"  # asked for the CPU build again, make tries again


@LINUX
def test_a_torch_that_is_there_stays_unless_the_reader_says_otherwise(place: Place) -> None:
    assert place.install("--gpu", "1").returncode == 0
    assert {"torch": "2.15.0", "nvidia-cublas": "1.0"}.items() <= place.packages().items()
    unasked = place.install()
    assert unasked.returncode == 0
    assert (
        "PyTorch 2.15.0 is there and stays" in unasked.stdout
        or "there is an NVIDIA driver" in unasked.stdout
    )
    assert place.packages()["torch"] == "2.15.0"

    assert place.install("--gpu", "0").returncode == 0  # and what only the other one needs goes
    assert place.packages()["torch"] == "2.15.0+cpu"
    assert "nvidia-cublas" not in place.packages()
    assert place.install("--gpu", "1").returncode == 0
    assert {"torch": "2.15.0", "nvidia-cublas": "1.0"}.items() <= place.packages().items()


@LINUX
def test_constraints_without_a_local_version_allow_the_cpu_build_and_change_one_that_is_there(
    place: Place,
) -> None:
    assert place.install("--gpu", "0").returncode == 0
    file = place.folder / "kept.txt"
    file.write_text("torch==2.14.0\ntorchvision==0.28.0\nsmall==1.0\n")
    result = place.install("--gpu", "0", "--constraint", str(file))
    assert result.returncode == 0, result.stdout + result.stderr
    assert {"torch": "2.14.0+cpu", "torchvision": "0.28.0+cpu"}.items() <= place.packages().items()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_clone_is_installed_as_it_is(place: Place, tmp_path: Path) -> None:
    shutil.move(place.folder / ".venv", tmp_path / "env")  # an environment lies elsewhere then
    place.python = tmp_path / "env" / "bin" / "python"
    place.folder.chmod(0o555)
    try:
        result = place.install("--gpu", "1")
    finally:
        place.folder.chmod(0o755)
    assert result.returncode == 0, result.stdout + result.stderr
    assert place.packages()["mnist_nb"] == "1"


def test_what_fails_names_the_reason_and_the_log(place: Place) -> None:
    file = place.folder / "kept.txt"
    file.write_text("small==7\n")
    result = place.install(
        "--gpu", "1", "--constraint", str(file), "--stamp", str(place.folder / "stamp")
    )
    assert result.returncode == 1
    assert "small==7" in result.stderr
    log = place.folder / ".venv" / "install.log"
    assert str(log) in result.stderr
    assert "small==7" in log.read_text(encoding="utf-8")
    assert not (place.folder / "stamp").exists()
    assert len(result.stderr.splitlines()) <= 6


class TestChoice:
    @pytest.fixture(autouse=True)
    def linux(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")

    @pytest.mark.parametrize(
        ("driver", "gpu", "cpu"),
        [(False, "", True), (True, "", False), (True, "0", True), (False, "1", False)],
    )
    def test_by_the_driver_unless_the_reader_says(
        self, driver: bool, gpu: str, cpu: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def load(name: str) -> object:
            if not driver:
                raise OSError(name)
            return object()

        monkeypatch.setattr(install.ctypes, "CDLL", load)
        chosen, why = install.wants_cpu(gpu)
        assert chosen == cpu
        assert "GPU=" in why
        assert why.startswith("the CPU build" if cpu else "PyTorch from PyPI")

    @pytest.mark.parametrize("system", ["darwin", "win32"])
    def test_elsewhere_it_is_pypis(self, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", system)
        assert not install.wants_cpu("0")[0]


def test_progress_sums_up_what_pip_and_uv_print(capsys: pytest.CaptureFixture[str]) -> None:
    progress = install.Progress("all")
    lines = [
        "Collecting torch>=2.9",
        "  Downloading torch-2.15.0+cpu-cp311-linux.whl (192.5 MB)",
        "Collecting six",
    ]
    for line in [
        *lines,
        "  Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)",
        "Downloading numpy (16.5MiB)",
    ]:
        progress.saw(line)
    progress.end(failed=False)
    assert capsys.readouterr().out.strip() == "all: 2 packages, 209 MB fetched, 0 s"


def test_everything_else_installs_through_it() -> None:
    """Never PyTorch's index beside PyPI: whoever puts a name on the one could stand in for the
    other."""
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob(".github/workflows/*.yml"),
        ROOT / "Makefile",
        ROOT / ".ci" / "run",
    ]
    words = ("extra-index", "EXTRA_INDEX")
    assert [
        page.name
        for page in pages
        if any(word in page.read_text(encoding="utf-8") for word in words)
    ] == []
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    everywhere = workflow["jobs"]["everywhere"]
    assert {name.split("-")[0] for name in everywhere["strategy"]["matrix"]["system"]} == {
        "ubuntu",
        "macos",
        "windows",
    }
    assert "tools/install.py" in str(everywhere["steps"])
