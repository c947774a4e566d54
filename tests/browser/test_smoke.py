"""Notebooks with a studio and a pad run to their end in a browser, and show both.

The kernels use only the sample; `pytest --nbval` runs the same notebooks on the full MNIST.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cells import IN_BROWSER

from .conftest import NotebookPage, Server, open_to_tests, serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def jupyter(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab whose kernels have only the sample."""
    base = tmp_path_factory.mktemp("sample")
    with serving(
        base, *open_to_tests("lab"), place="lab/tree", ready="api/status", MNIST_NB_SOURCE="sample"
    ) as server:
        yield server


@pytest.mark.parametrize("name", IN_BROWSER)
def test_notebook_runs_to_its_end(name: str, notebook: NotebookPage) -> None:
    notebook.open(name).run_all(timeout=400)
    notebook.screenshots_of_all()
    assert notebook.errors() == []
    assert notebook.widget_errors() == []
    assert all(cell["count"] for cell in notebook.code_cells() if cell["outputs"])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):  # makes errors in cells visible
        notebook.show("1 + 1", "1 / 0")
