"""A class can run notebook 02 with other settings."""

import re
from pathlib import Path

import nbformat
import pytest
from cells import NOTEBOOKS


def test_a_cell_after_the_parameters_changes_the_training(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """papermill finds the cell by its tag, and inserts one with other values after it."""
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
    names: dict[str, object] = {}
    cells = iter(nbformat.read(NOTEBOOKS / "02_train.ipynb", as_version=4).cells)
    for cell in cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            break
    names |= {"epochs": 2, "learning_rate": 0.02}
    capsys.readouterr()
    exec(next(cells).source, names)
    assert re.findall(r"epoch +(\d+)", capsys.readouterr().out) == ["1", "2"]
