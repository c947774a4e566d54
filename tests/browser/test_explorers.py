"""The explorers in a browser, used with the keyboard alone."""

from __future__ import annotations

import pytest

from .conftest import NotebookPage

pytestmark = pytest.mark.browser

HEAD = (
    "import os\nos.environ['MNIST_NB_SOURCE'] = 'sample'\nfrom mnist_nb import load_mnist\n"
    "from mnist_nb.widgets.explorers import LayerExplorer, PixelEditor, PruningExplorer\ndata = "
    "load_mnist()"
)


class Explorer:
    """An explorer in a page, and the keys that its reader presses."""

    def __init__(self, notebook: NotebookPage, kind: str) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.panel = notebook.show(HEAD, f"{kind}(data)").reveal(".mnist-pad")

    def press(self, slider: str, key: str, times: int = 1) -> None:
        """Focus a slider and press a key."""
        self.panel.locator(".widget-slider", has_text=slider).locator('[role="slider"]').focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def tab_to(self, title: str) -> None:
        """Press Tab until the focus is on the button with this title."""
        for _ in range(20):
            if self.page.evaluate("document.activeElement.title").startswith(title):
                return
            on_squares = self.page.evaluate("document.activeElement.tagName") == "CANVAS"
            self.page.keyboard.press("Tab")
            if on_squares:  # they handle the key, and the kernel moves the focus
                self.page.wait_for_function("document.activeElement.tagName != 'CANVAS'")
        pytest.fail(f"Tab does not lead to {title!r}")

    def says(self, text: str) -> None:
        self.panel.locator("p, .pad-say, figcaption", has_text=text).first.wait_for()

    def bars(self) -> list[str]:
        """Return the ten digits and their percentages."""
        return self.panel.locator("svg text").all_text_contents()

    def done(self) -> None:
        self.page.wait_for_timeout(300)
        self.notebook.screenshot("done")
        assert self.notebook.widget_errors() == []


def test_layers_follow_the_image_and_the_unit(shared_notebook: NotebookPage) -> None:
    explorer = Explorer(shared_notebook, "LayerExplorer")
    explorer.says("Image 0 is a 7")
    explorer.press("Unit", "ArrowRight", 5)
    explorer.says("Unit 5:")
    before = explorer.bars()
    number = explorer.panel.get_by_label("Test image")
    number.fill("2")
    number.press("Enter")
    explorer.says("Image 2 is a 1")
    explorer.says("weights of unit 5")
    explorer.panel.locator("canvas").click(position={"x": 12 * 2 + 6, "y": 12 * 3 + 6})
    explorer.says("weights of unit 26")
    explorer.tab_to("Choose the unit")
    explorer.page.keyboard.press("Enter")
    explorer.says("it passes on")
    assert explorer.bars() != before
    explorer.done()


def test_pixels_are_flipped_with_arrows_tab_and_enter(shared_notebook: NotebookPage) -> None:
    editor = Explorer(shared_notebook, "PixelEditor")
    editor.says("0 pixels flipped")
    before = editor.bars()
    editor.press("Row", "ArrowLeft", 5)
    editor.press("Column", "ArrowRight", 3)
    editor.says("row 9, column 17")
    editor.tab_to("Turn paper into ink")
    editor.page.keyboard.press("Enter")
    editor.says("1 pixel flipped")
    editor.tab_to("Flip the pixel that lowers")
    for count in range(2, 12):
        editor.page.keyboard.press("Enter")
        editor.says(f"{count} pixels flipped")
    assert editor.bars() != before
    editor.panel.locator("canvas").click(position={"x": 11 * 2 + 5, "y": 11 * 25 + 5})
    editor.says("row 25, column 2")
    editor.tab_to("Turn paper into ink")
    editor.done()
    editor.tab_to("Undo all changes")
    editor.page.keyboard.press("Enter")
    editor.says("0 pixels flipped")
    assert editor.bars() == before


def test_the_wheel_over_the_squares_scrolls_the_page(shared_notebook: NotebookPage) -> None:
    editor = Explorer(shared_notebook, "PixelEditor")
    editor.says("0 pixels flipped")
    canvas = editor.panel.locator("canvas")
    canvas.hover()
    top = canvas.bounding_box()["y"]
    editor.page.mouse.wheel(0, 60 if top > 200 else -60)
    editor.page.wait_for_timeout(500)
    assert abs(canvas.bounding_box()["y"] - top) > 30


def test_pruning_breaks_the_network_at_the_end(shared_notebook: NotebookPage) -> None:
    explorer = Explorer(shared_notebook, "PruningExplorer")
    explorer.says("0 % of the weights are 0: 9")  # it reads more than 90 %
    explorer.press("Percent", "PageUp", 1)
    explorer.press("Percent", "ArrowRight", 5)
    explorer.done()
    explorer.press("Percent", "End")
    explorer.says("100 % of the weights are 0")
    words = explorer.panel.locator("p").first.text_content() or ""
    assert float(words.split(": ")[1].split()[0]) < 25  # barely over 10 %
    explorer.notebook.screenshot("end")
