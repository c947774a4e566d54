"""A class runs notebook 02 with settings of its own."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "02_train.ipynb"


@pytest.mark.slow
def test_what_is_put_after_the_parameters_cell_is_what_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """papermill looks for the tag, and puts a cell with other values behind the one that has it."""
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (place,) = [
        at
        for at, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    ]
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("epochs = 2\nlearning_rate = 0.02"))
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()

    printed = "".join(output.get("text", "") for output in notebook.cells[place + 2].outputs)
    assert re.findall(r"epoch +(\d+)", printed) == ["1", "2"]
