"""Guards of the house: lists that must agree, imports that run one way, notebooks that are compared
and cleaned."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import nbformat
import pytest
import yaml
from architecture import PACKAGE as HOUSE
from architecture import READING_ORDER, code_lines, imports_of, modules
from clean_notebooks import clean
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mnist_nb"
CONDA_NAMES = {"torch": "pytorch"}  # where conda-forge calls a package otherwise

# The modules that everything stands on, with all that they may import of ours; each can be read
# alone.
FOUNDATIONS: dict[str, set[str]] = {
    "files": set(),
    "data": {"files"},
    "drawing": {"data", "files"},
    "models": {"data"},
}
TOP = {
    "widgets": {"__main__"},
    "__main__": set[str](),
}  # the modules at the edge, with who may import them


def requirement(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([\w.-]+)\s*(>=[\w.]+)?", text)
    assert match, f"{text!r} should be a name with a lower bound"
    return match[1], match[2] or ""


class TestDependencies:
    def test_conda_gets_the_same_as_pip(self) -> None:
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
    def test_run_one_way(self) -> None:
        TopologicalSorter(
            modules()
        ).prepare()  # a CycleError where two import each other, however far about

    def test_no_two_files_import_each_other(self) -> None:
        names = {
            path: ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for path in HOUSE.rglob("*.py")
        }
        names = {
            path: name.removesuffix(".__init__")
            for path, name in names.items()
            if path != HOUSE / "__init__.py"
        }
        graph = {}
        for path, name in names.items():
            text = path.read_text(encoding="utf-8")
            others = [
                node for node in names.values() if not f"{name}.".startswith(f"{node}.")
            ]  # not its own package
            parts = {node: node.rpartition(".") for node in others}
            graph[name] = {
                node
                for node, (package, _, leaf) in parts.items()
                if re.search(rf"from {node} import|from {package} import [^\n]*\b{leaf}\b", text)
            }
        TopologicalSorter(graph).prepare()

    def test_the_house_can_be_held_in_ones_head(self) -> None:
        entries = [
            entry.name for entry in HOUSE.iterdir() if entry.name not in ("__pycache__", "py.typed")
        ]
        assert len(entries) <= 14
        assert {
            path.name: code_lines(path) for path in HOUSE.rglob("*.py") if code_lines(path) > 280
        } == {}
        assert sum(code_lines(HOUSE / name) for name in READING_ORDER) <= 1500

    @pytest.mark.parametrize("name", FOUNDATIONS)
    def test_foundations_know_nobody_of_ours(self, name: str) -> None:
        assert modules()[name] <= FOUNDATIONS[name]

    @pytest.mark.parametrize("name", TOP)
    def test_the_edge_is_imported_by_nobody_below(self, name: str) -> None:
        assert {other for other, imported in modules().items() if name in imported} <= TOP[name]

    def test_only_widgets_know_about_widgets(self) -> None:
        offenders = [
            path.name
            for path in PACKAGE.rglob("*.py")
            if "widgets" not in path.parts
            and any(
                name.split(".")[0] in {"ipywidgets", "ipycanvas", "IPython"}
                for name in imports_of(path)
            )
        ]
        assert offenders == []

    def test_plots_never_use_pyplot(self) -> None:
        assert [
            path.name for path in PACKAGE.rglob("*.py") if "matplotlib.pyplot" in imports_of(path)
        ] == []

    def test_widgets_and_plots_load_no_scikit_learn_no_pyplot_and_little_of_scipy(self) -> None:
        program = """import sys, mnist_nb.plots
import mnist_nb.widgets.pad, mnist_nb.widgets.studio, mnist_nb.widgets.explorers
assert not {"sklearn", "scipy.stats", "scipy.optimize", "matplotlib.pyplot"} & {*sys.modules}"""
        assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0

    def test_nothing_is_ever_unpickled(self) -> None:
        forbidden = {
            "pickle",
            "cloudpickle",
            "dill",
            "joblib",
            "shelve",
            "marshal",
            "torch.load",
            "torch.save",
        }
        for path in PACKAGE.rglob("*.py"):
            assert not imports_of(path) & forbidden, path
            calls = {
                ast.unparse(node)
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Attribute)
            }
            assert not calls & {*forbidden, "np.load", "numpy.load"}, path


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")
def test_what_a_reader_leaves_behind_is_ignored() -> None:
    left = [
        "model.safetensors", "model.resume.safetensors", "my_digits.safetensors", ".my_digits.safetensors.lock",
        "my_digits.zip", "01_explore_data-Copy1.ipynb", "Untitled.ipynb", ".ipynb_checkpoints/draw-checkpoint.ipynb",
    ]  # fmt: skip
    names = [f"notebooks/{name}" for name in left] + ["model.safetensors", ".venv/install.log"]
    kept = ["notebooks/draw.ipynb", "mnist_nb/models/pretrained/cnn.safetensors"]
    found = subprocess.run(
        ["git", "check-ignore", *names, *kept], cwd=ROOT, capture_output=True, text=True
    )
    assert found.stdout.split() == names


@pytest.mark.slow
class TestComparison:
    """The comparison that `make test` relies on does compare."""

    @staticmethod
    def compare(folder: Path, source: str, output: NotebookNode) -> int:
        """The exit status of the comparison for a notebook of one cell with this output."""
        cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=[output])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder / "small.ipynb")
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
        command = [
            sys.executable,
            *words,
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            folder / "small.ipynb",
        ]
        return subprocess.run(command, cwd=folder, capture_output=True).returncode

    @pytest.mark.parametrize(("printed", "status"), [("42", 0), ("43", 1)])
    def test_an_altered_output_fails(self, printed: str, status: int, tmp_path: Path) -> None:
        output = nbformat.v4.new_output("stream", name="stdout", text=f"{printed}\n")
        assert self.compare(tmp_path, "print(6 * 7)", output) == status

    @pytest.mark.parametrize(("value", "status"), [(3, 0), (4, 1)])
    def test_a_widget_is_compared_by_the_text_that_cleaning_keeps(
        self, value: int, status: int, tmp_path: Path
    ) -> None:
        output = nbformat.v4.new_output("execute_result", execution_count=1)
        output.data = NotebookNode({"text/plain": f"IntSlider(value={value}, max=9)"})
        assert (
            self.compare(tmp_path, "import ipywidgets\nipywidgets.IntSlider(3, 0, 9)", output)
            == status
        )


class TestCleaning:
    def test_strips_what_changes_by_itself_and_keeps_the_rest(self) -> None:
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

    def test_what_was_printed_in_one_go_is_one_output(self) -> None:
        cell = nbformat.v4.new_code_cell("print", execution_count=1)
        parts = [("stdout", "a\n"), ("stdout", "b\n"), ("stderr", "c\n"), ("stdout", "d\n")]
        cell.outputs = [
            nbformat.v4.new_output("stream", name=name, text=text) for name, text in parts
        ]
        after = clean(nbformat.v4.new_notebook(cells=[cell]))
        assert [output.text for output in after.cells[0].outputs] == ["a\nb\n", "c\n", "d\n"]
