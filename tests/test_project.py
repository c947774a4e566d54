"""The project's checks: lists that must agree, import contracts, and the notebooks' outputs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from clean_notebooks import clean
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mnist_nb"
CONDA_NAMES = {"torch": "pytorch"}  # packages with another name in conda-forge


def requirement(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([\w.-]+)\s*(>=[\w.]+)?", text)
    assert match, f"{text!r} should be a name with a lower bound"
    return match[1], match[2] or ""


class TestDependencies:
    def test_conda_installs_the_same_as_pip(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
        wanted = {
            CONDA_NAMES.get(name, name): bound
            for name, bound in map(requirement, project["dependencies"])
        }
        wanted["python"] = project["requires-python"]
        listed = dict(
            requirement(line) for line in conda if isinstance(line, str) and line != "pip"
        )
        assert listed == wanted

    def test_every_dependency_has_a_lower_bound_and_no_pin(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        lists = [project["dependencies"], *project["optional-dependencies"].values()]
        assert all(
            requirement(line)[1]
            for lines in lists
            for line in lines
            if not line.startswith("mnist_nb")
        )


class TestImports:
    """The import checks of `make lint` find violations."""

    @pytest.fixture
    def copy(self, tmp_path: Path) -> Path:
        """A folder with a copy of the package and its settings."""
        ignored = shutil.ignore_patterns("__pycache__", "pretrained", "sample")
        shutil.copytree(PACKAGE, tmp_path / "mnist_nb", ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        return tmp_path

    @staticmethod
    def lint_imports(folder: Path) -> str:
        command = [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
        ]
        environment = os.environ | {"PYTHONPATH": str(folder)}
        words = ["--no-cache", "--no-logo"]
        return subprocess.run(
            [*command, *words], cwd=folder, env=environment, capture_output=True, text=True
        ).stdout

    @pytest.mark.parametrize(
        ("module", "imported"),
        [
            ("training.plain", "handwriting.sketch"),
            ("data.mnist", "models"),
            ("labs.exercises", "handwriting"),
            ("plots.images", "widgets"),
            ("widgets.pad.state", "widgets.pad.paper"),
            ("widgets.pad.gallery", "widgets.pad.reading"),
        ],
    )
    def test_an_import_of_a_higher_package_is_found(
        self, module: str, imported: str, copy: Path
    ) -> None:
        path = copy / "mnist_nb" / f"{module.replace('.', '/')}.py"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"import mnist_nb.{imported}\n")
        assert f"mnist_nb.{module} -> mnist_nb.{imported} " in self.lint_imports(copy)

    @pytest.mark.parametrize(
        "line",
        [
            "import pickle",
            "from joblib import load",
            "torch.load(None)",
            "numpy.load(None)",
            "import matplotlib.pyplot",
        ],
    )
    @pytest.mark.promise("no code")
    def test_unpickling_and_pyplot_are_found(self, line: str) -> None:
        command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--stdin-filename"]
        source = f"import numpy, torch\n{line}\n"
        found = subprocess.run(
            [*command, "mnist_nb/new.py", "-"],
            cwd=ROOT,
            input=source,
            capture_output=True,
            text=True,
        )
        assert "TID251" in found.stdout

    def test_panels_load_only_the_libraries_they_need(self) -> None:
        program = """import sys, mnist_nb.plots
import mnist_nb.widgets.pad, mnist_nb.widgets.studio, mnist_nb.widgets.explorers
assert not {"sklearn", "scipy.stats", "scipy.optimize", "matplotlib.pyplot"} & {*sys.modules}"""
        assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_names_of_tests_have_at_most_60_characters() -> None:
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert re.findall(r"def (test_\w{56,})", "".join(files)) == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")
def test_git_ignores_files_of_users() -> None:
    left = [
        "model.safetensors",
        "model.resume.safetensors",
        "my_digits.safetensors",
        ".my_digits.safetensors.lock",
        "my_digits.zip",
        "01_explore_data-Copy1.ipynb",
        "Untitled.ipynb",
        ".ipynb_checkpoints/draw-checkpoint.ipynb",
    ]
    names = [f"notebooks/{name}" for name in left] + [
        "model.safetensors",
        "my_notebooks/draw.ipynb",
    ]
    kept = ["notebooks/draw.ipynb", "mnist_nb/handwriting/weights/cnn.safetensors"]
    found = subprocess.run(
        ["git", "check-ignore", *names, *kept], cwd=ROOT, capture_output=True, text=True
    )
    assert found.stdout.split() == names


@pytest.mark.slow
def test_the_comparison_of_outputs_does_compare(tmp_path: Path) -> None:
    """`make test` relies on it. Of a widget, only the text is compared."""
    slider = "import ipywidgets\nipywidgets.IntSlider(3, 0, 9)"
    cells = [
        code_cell("print(6 * 7)", "42"),
        code_cell("print(6 * 7)", "43"),
        code_cell(slider, result="IntSlider(value=3, max=9)"),
        code_cell(slider, result="IntSlider(value=4, max=9)"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-rA"]
    command += ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    found = subprocess.run(
        [*command, "small.ipynb"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    outcomes = re.findall(r"^(PASSED|FAILED) small.ipynb::Cell (\d)", found, re.MULTILINE)
    assert sorted(outcomes) == [("FAILED", "1"), ("FAILED", "3"), ("PASSED", "0"), ("PASSED", "2")]


def code_cell(source: str, printed: str = "", result: str = "") -> NotebookNode:
    """Return an executed cell with this output, printed or as a result."""
    outputs = []
    if printed:
        outputs.append(nbformat.v4.new_output("stream", name="stdout", text=f"{printed}\n"))
    if result:
        output = nbformat.v4.new_output("execute_result", execution_count=1)
        output.data = NotebookNode({"text/plain": result})
        outputs.append(output)
    return nbformat.v4.new_code_cell(source, execution_count=1, outputs=outputs)


class TestCleaning:
    def test_removes_volatile_metadata(self) -> None:
        view = {
            "application/vnd.jupyter.widget-view+json": {"model_id": "9f"},
            "text/plain": "IntSlider(value=3)",
        }
        cell = nbformat.v4.new_code_cell(
            "slider", execution_count=4, metadata={"tags": ["kept"], "execution": {"t": "1"}}
        )
        cell.outputs = [nbformat.v4.new_output("display_data", data=view)]
        before = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
        after = clean(before)
        assert after.cells[0].outputs[0].data == {"text/plain": "IntSlider(value=3)"}
        assert after.cells[0].metadata == {"tags": ["kept"]}
        assert after.cells[0].execution_count == 4
        assert after.cells[0].id == cell.id
        assert "widgets" not in after.metadata
        assert after.metadata.kernelspec.name == "python3"
        assert before.cells[0].metadata["execution"], "the original is untouched"
        assert clean(after) == after

    def test_consecutive_printed_lines_are_one_output(self) -> None:
        cell = nbformat.v4.new_code_cell("print", execution_count=1)
        parts = [("stdout", "a\n"), ("stdout", "b\n"), ("stderr", "c\n"), ("stdout", "d\n")]
        cell.outputs = [
            nbformat.v4.new_output("stream", name=name, text=text) for name, text in parts
        ]
        after = clean(nbformat.v4.new_notebook(cells=[cell]))
        assert [output.text for output in after.cells[0].outputs] == ["a\nb\n", "c\n", "d\n"]
