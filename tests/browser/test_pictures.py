"""The README's pictures, which `make screenshots` takes again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator

from .conftest import NotebookPage, write_notebook

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        "MNIST_NB_PICTURES" not in os.environ, reason="takes pictures for make screenshots alone"
    ),
]

FIVE = (  # two strokes, as people write them: down and around, then the bar
    [(96, 62), (92, 92), (88, 122), (106, 112), (134, 108), (162, 122), (176, 150), (168, 184),
     (140, 208), (104, 212), (78, 196)],
    [(96, 62), (126, 58), (158, 56), (186, 50)],
)  # fmt: skip
PAD = (
    "from mnist_nb import DrawingPad",
    "pad = DrawingPad(path='none/model.safetensors', digits='none/digits.safetensors')\npad",
)
STUDIO = (
    "from mnist_nb import Hyperparameters, TrainingStudio, load_mnist\ndata = load_mnist()",
    "studio = TrainingStudio(data, path=None, hyperparameters=Hyperparameters(epochs=4, "
    "learning_rate=0.01))\n"
    "for name, momentum in (('momentum 0', 0.0), ('momentum 0.9', 0.9)):\n"
    "    studio.train(name=name, fresh=True, momentum=momentum)\n"
    "studio.controls.value = Hyperparameters(epochs=40, learning_rate=0.1)\nstudio",
)


@pytest.fixture
def pictures() -> Path:
    """The folder for the pictures: MNIST_NB_PICTURES, or a temporary one."""
    folder = Path(os.environ["MNIST_NB_PICTURES"]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def smooth(points: list[tuple[float, float]], steps: int = 60) -> np.ndarray:
    """Return a smooth curve through the points."""
    from scipy.interpolate import CubicSpline

    places = np.linspace(0, len(points) - 1, steps)
    return CubicSpline(range(len(points)), points)(places)


def take(panel: Locator, path: Path, height: int) -> None:
    """Save a picture of the upper part of a panel, in few colours, so that the README loads
    quickly."""
    panel.page.add_style_tag(
        content=".Toastify { display: none }"
    )  # JupyterLab's question about its news
    box = panel.bounding_box()
    assert box is not None
    clip = {
        "x": box["x"],
        "y": max(box["y"], 0),
        "width": box["width"],
        "height": min(box["height"], height),
    }
    panel.page.screenshot(path=path, clip=clip)
    Image.open(path).convert("RGB").quantize(200, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    assert path.stat().st_size < 150_000


def test_the_pad_reads_a_digit_and_the_studio_trains(
    notebook: NotebookPage, pictures: Path
) -> None:
    notebook.open(write_notebook(notebook.server.folder, "picture.ipynb", *PAD, *STUDIO)).run_all()
    assert notebook.errors() == []
    canvas = notebook.reveal(".mnist-pad canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for stroke in FIVE:
        curve = smooth(stroke) + np.array([box["x"], box["y"]])
        notebook.page.mouse.move(*curve[0])
        notebook.page.mouse.down()
        for x, y in curve[1:]:
            notebook.page.mouse.move(x, y)
            notebook.page.wait_for_timeout(12)  # as fast as a hand
        notebook.page.mouse.up()
    panel = notebook.page.locator(".mnist-pad").first
    panel.get_by_text("I read a 5").wait_for()
    notebook.page.mouse.move(0, 0)
    take(panel, pictures / "pad.png", 640)

    notebook.page.set_viewport_size({"width": 1366, "height": 1100})
    panel = notebook.reveal(".mnist-studio")
    panel.locator("button", has_text="Train").first.click()
    panel.locator("button:not([disabled])", has_text="Stop").first.wait_for()
    notebook.page.wait_for_timeout(4000)
    take(panel, pictures / "studio.png", 765)
