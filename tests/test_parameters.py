"""A class can run notebook 02 with other settings."""

import re
from pathlib import Path

import nbformat
import pytest
from cells import NOTEBOOKS

from mnist_nb import Mnist


def run_with(changes: dict[str, object], until: str = "") -> None:
    """Run the notebook as papermill does: it inserts a cell after the one with the parameters.

    Args:
        changes: the parameters to change.
        until: the text of the last cell to run; all cells run if empty.
    """
    names: dict[str, object] = {}
    for cell in nbformat.read(NOTEBOOKS / "02_train.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= changes
        if until and until in cell.source:
            break


def test_a_cell_after_the_parameters_changes_the_training(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
    run_with({"epochs": 2, "learning_rate": 0.02}, until="studio.train(")
    assert re.findall(r"epoch +(\d+)", capsys.readouterr().out) == ["1", "2"]


@pytest.mark.slow
def test_other_parameters_run_to_the_end_of_the_notebook(
    workplace: Path, full_mnist: Mnist
) -> None:
    run_with({"epochs": 5, "learning_rate": 0.01})  # as in docs/in-class.md
    assert Path("model.safetensors").exists()
