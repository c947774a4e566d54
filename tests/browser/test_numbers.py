"""The pad's wide page in a real page: a number is written with the mouse, and read above its digits and below."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import NotebookPage, write_notebook
from .test_pad import CELLS, INK, Pad

pytestmark = pytest.mark.browser

TWO = [(12, 42), (22, 26), (44, 24), (54, 44), (40, 74), (24, 98), (10, 118), (34, 114), (62, 116)]
ZERO = [(40, 22), (20, 36), (12, 70), (22, 106), (42, 116), (60, 96), (64, 60), (54, 30), (40, 22)]
SIX = [(54, 20), (32, 40), (16, 76), (22, 108), (42, 118), (58, 100), (52, 78), (34, 74), (18, 90)]
SEVEN = [(10, 24), (60, 24), (40, 70), (28, 118)]
BAR = [(22, 70), (56, 68)]


def test_a_number_is_written_and_read(notebook: NotebookPage, tmp_path: Path) -> None:
    notebook.page.set_viewport_size({"width": 1366, "height": 768})
    cells = [cell.replace("PLACE", tmp_path.as_posix()) for cell in CELLS]
    notebook.open(write_notebook(notebook.server.folder, "number.ipynb", *cells)).run_all()
    assert notebook.errors() == []
    page = notebook.page
    pad = Pad(notebook)
    pad.tab("Whole numbers")
    pad.canvas = page.get_by_title("Paper to write a number on")
    pad.canvas.scroll_into_view_if_needed()
    pad.says("Write a number")
    for left, digit in zip((60, 190, 320, 450), (TWO, ZERO, TWO, SIX), strict=True):
        pad.mouse([(left + x, 40 + y) for x, y in digit])
    pad.says("I read 2026, ")
    assert page.locator(".mnist-pad .pad-thumbs figcaption").all_inner_texts()[0].startswith("2, ")
    page.locator(".mnist-pad .pad-thumbs").first.scroll_into_view_if_needed()
    for theme in ("Light", "Dark"):
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {theme}"
        )
        page.locator(f"[data-jp-theme-light={str(theme == 'Light').lower()}]").first.wait_for(state="attached")
        notebook.screenshot(f"2026-{theme}")
    pad.canvas.scroll_into_view_if_needed()

    page.get_by_label("That was").fill("2025")
    pad.press("Keep each digit of the number")
    pad.says("Kept as a 2, a 0, a 2, a 5. You have 4 digits now.", ".pad-say")

    pad.press("Take back")
    pad.says("I read 202, ")
    for path in (SEVEN, BAR):
        pad.mouse([(450 + x, 40 + y) for x, y in path])
    pad.says("I read 2027, ")

    # the keyboard leaves the paper with Tab, backwards too
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.title.startsWith('Take back')")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    pad.says("I read 202, ")
    pad.press("Empty the wide page")
    pad.says("Write a number")
    page.wait_for_timeout(300)
    hint: int = pad.canvas.evaluate(INK)
    assert hint < 500  # nothing but the hint
