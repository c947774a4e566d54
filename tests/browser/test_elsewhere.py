"""The panels in Notebook 7, and in Voila, which shows a notebook as a web page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .conftest import NotebookPage, blank_page, open_to_tests, serving, write_notebook
from .test_pad import CELLS, THREE, Pad
from .test_studio import LONG_WAIT, StudioPage

pytestmark = pytest.mark.browser

STUDIO = (
    "from mnist_nb import Hyperparameters, TrainingStudio, load_mnist\n"
    "TrainingStudio(load_mnist(), path=None, hyperparameters=Hyperparameters(epochs=200))"
)


def draw_and_train(notebook: NotebookPage) -> None:
    """Draw a digit that is read, then start and stop a run."""
    notebook.page.set_default_timeout(LONG_WAIT)
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


def test_in_notebook_7(browser: Browser, screenshots: Path, tmp_path: Path) -> None:
    with (
        serving(
            tmp_path, *open_to_tests("notebook"), place="notebooks", ready="api/status"
        ) as server,
        blank_page(browser, server, screenshots, "in_notebook_7") as notebook,
    ):
        draw_and_train(notebook.show(*CELLS, STUDIO))
        assert notebook.widget_errors() == []


def test_in_voila(browser: Browser, screenshots: Path, tmp_path: Path) -> None:
    with (
        serving(tmp_path, "voila", "--Voila.ip=127.0.0.1", place="voila/render") as server,
        blank_page(browser, server, screenshots, "in_voila") as notebook,
    ):
        name = write_notebook(server.folder, "in_voila.ipynb", *CELLS, STUDIO)
        notebook.page.goto(f"{server.address}/{name}", timeout=LONG_WAIT)
        draw_and_train(notebook)
