"""The installer chooses a build of PyTorch, and continues if PyTorch's index cannot be reached."""

import sys
from pathlib import Path

import install
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


class Pip:
    """Records the calls of pip; those that use PyTorch's index can fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.index_fails = False

    def __call__(self, *words: str, environment: object = None) -> int:
        self.calls.append(words)
        return int(self.index_fails and "--index-url" in words)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    recorder = Pip()
    monkeypatch.setattr(install, "pip", recorder)
    monkeypatch.setattr(install, "distributions", list)
    monkeypatch.setattr(install.sys, "platform", "linux")
    return recorder


def run(monkeypatch: pytest.MonkeyPatch, *options: str, driver: bool = False) -> int:
    monkeypatch.setattr(install, "has_nvidia_driver", lambda: driver)
    monkeypatch.setattr(sys, "argv", ["install.py", *options])
    return install.main()


@pytest.mark.parametrize(
    ("driver", "options", "cpu"),
    [
        (False, [], True),
        (True, [], False),
        (True, ["--gpu", "0"], True),
        (False, ["--gpu", "1"], False),
        (False, ["--gpu", ""], True),
    ],
)
def test_the_driver_or_the_reader_chooses_the_build(
    driver: bool, options: list[str], cpu: bool, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, *options, driver=driver) == 0
    *first, last = pip.calls
    assert len(first) == cpu
    assert all(install.CPU_INDEX in words for words in first)
    assert last[-2:] == ("--editable", f"{ROOT}[notebooks]")
    assert install.CPU_INDEX not in last


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_pypi_has_the_right_build_elsewhere(
    system: str, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install.sys, "platform", system)
    assert run(monkeypatch, "--gpu", "0") == 0
    assert len(pip.calls) == 1


@pytest.mark.promise("installation")
def test_without_pytorchs_index_it_continues(
    pip: Pip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pip.index_fails = True
    assert run(monkeypatch, "--extra", "test", "--constraint", "constraints.txt") == 0
    assert "installing PyPI's build" in capsys.readouterr().out
    index, everything = pip.calls
    assert {"--timeout", "--retries", "constraints.txt"} <= set(index)
    assert everything[-1] == f"{ROOT}[test]"
    assert "constraints.txt" in everything


def test_a_failed_installation_is_the_exit_status(
    pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "pip", lambda *words, environment=None: 1)
    assert run(monkeypatch) == 1


def test_choosing_a_build_removes_the_other(pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    class Package:
        def __init__(self, name: str) -> None:
            self.name = name

    names = ["torch", "torchvision", "nvidia-cublas", "triton", "torchmetrics", "numpy"]
    monkeypatch.setattr(install, "distributions", lambda: [Package(name) for name in names])
    run(monkeypatch, "--gpu", "0")
    assert pip.calls[0] == ("uninstall", "--quiet", "--yes", *names[:4])


def test_a_read_only_clone_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "clone"
    (clone / "mnist_nb").mkdir(parents=True)
    (clone / "pyproject.toml").write_text("")
    (clone / "mnist_nb").chmod(0o555)
    monkeypatch.setattr(install, "ROOT", clone)
    monkeypatch.setattr(install.os, "access", lambda path, mode: False)
    (source,) = install.project(tmp_path, "test")
    assert source == f"{tmp_path / 'mnist_nb'}[test]"
    (tmp_path / "mnist_nb" / "mnist_nb" / "egg-info").mkdir()
    (clone / "mnist_nb").chmod(0o755)


def test_no_page_puts_pytorchs_index_beside_pypi() -> None:
    """Anyone who registers a name on one index could impersonate the other."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob(".github/workflows/*.yml"), ROOT / "Makefile"]
    for page in pages:
        assert "extra-index" not in page.read_text(encoding="utf-8").lower(), page


def test_the_workflow_installs_with_it_on_each_system() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    everywhere = workflow["jobs"]["everywhere"]
    systems = {name.split("-")[0] for name in everywhere["strategy"]["matrix"]["system"]}
    assert systems == {"ubuntu", "macos", "windows"}
    assert "tools/install.py" in str(everywhere["steps"])
