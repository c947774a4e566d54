"""Every notebook that has widgets in a real browser: each runs to its end, and shows them.

The kernels know the sample alone: `pytest --nbval` runs the same notebooks on the full MNIST.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cells import NOTEBOOKS, has_widgets

from .conftest import NotebookPage, Server, open_to_tests, serving, write_notebook

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def jupyter(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab whose kernels have no data but the sample."""
    base = tmp_path_factory.mktemp("sample")
    with serving(base, *open_to_tests("lab"), place="lab/tree", ready="api/status", MNIST_NB_SOURCE="sample") as server:
        yield server


def test_a_click_reaches_the_kernel_and_a_canvas_shows(notebook: NotebookPage) -> None:
    name = write_notebook(
        notebook.server.folder,
        "smoke.ipynb",
        "import ipywidgets\nfrom ipycanvas import Canvas\n"
        "button = ipywidgets.Button(description='Press'); label = ipywidgets.Label('not yet')\n"
        "button.on_click(lambda _: setattr(label, 'value', 'pressed'))\nipywidgets.VBox([button, label])",
        "canvas = Canvas(width=60, height=40)\ncanvas.fill_rect(0, 0, 60, 40)\ncanvas",
    )
    notebook.open(name).run_all()
    assert notebook.errors() == []
    page = notebook.page
    assert page.locator(".jp-OutputArea canvas").first.is_visible()
    page.locator("button.widget-button", has_text="Press").click()
    page.locator(".widget-label", has_text="pressed").wait_for()
    assert notebook.widget_errors() == []


def test_errors_in_cells_are_seen(notebook: NotebookPage) -> None:
    name = write_notebook(notebook.server.folder, "error.ipynb", "1 + 1", "1 / 0")
    notebook.open(name).run_all()
    assert len(notebook.errors()) == 1
    assert "ZeroDivisionError" in notebook.errors()[0]


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb") if has_widgets(path)))
def test_notebook_runs_to_its_end(name: str, notebook: NotebookPage) -> None:
    notebook.open(name).run_all(timeout=400)
    notebook.screenshots_of_all()
    assert notebook.errors() == []
    assert notebook.widget_errors() == []
    assert all(cell["count"] for cell in notebook.code_cells() if cell["outputs"])
