"""The panels where else readers have them: in Notebook 7, and in Voila, which shows a notebook as a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import NotebookPage, open_to_tests, serving, write_notebook
from .test_pad import CELLS, THREE, Pad
from .test_studio import LONG_WAIT, StudioPage

pytestmark = pytest.mark.browser

STUDIO = (
    "from mnist_nb import Hyperparameters, TrainingStudio, load_mnist\n"
    "TrainingStudio(load_mnist(), path=None, hyperparameters=Hyperparameters(epochs=200))"
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(LONG_WAIT)
    yield page
    context.close()


def draw_and_train(notebook: NotebookPage) -> None:
    """A digit is read, and a run can be started and stopped."""
    pad = Pad(notebook)
    pad.mouse(THREE)
    pad.says("I read a 3")
    assert pad.settled_ink() > 0
    notebook.screenshot("pad")
    notebook.reveal(".mnist-studio", timeout=90)
    studio = StudioPage(notebook)
    studio.train()
    studio.curves.first.wait_for()
    studio.button("Stop").click()
    expect(studio.says).to_contain_text("Stopped at epoch", timeout=LONG_WAIT)
    notebook.screenshot("studio")


def cells(folder: Path) -> list[str]:
    return [cell.replace("PLACE", folder.as_posix()) for cell in (*CELLS, STUDIO)]


def test_in_notebook_7(page: Page, screenshots: Path, tmp_path: Path) -> None:
    with serving(tmp_path, *open_to_tests("notebook"), place="notebooks", ready="api/status") as server:
        notebook = NotebookPage(page, server, screenshots)
        notebook.open(write_notebook(server.folder, "in_notebook_7.ipynb", *cells(tmp_path))).run_all()
        assert notebook.errors() == []
        draw_and_train(notebook)
        assert notebook.widget_errors() == []


def test_in_voila(page: Page, screenshots: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "voila", "--Voila.ip=127.0.0.1", place="voila/render") as server:
        notebook = NotebookPage(page, server, screenshots)
        notebook.name = "in_voila"
        page.goto(f"{server.address}/{write_notebook(server.folder, 'in_voila.ipynb', *cells(tmp_path))}")
        draw_and_train(notebook)
