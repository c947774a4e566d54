"""The drawing pad, for drawing with mouse, finger or pen, or picking a digit with the keyboard."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ipywidgets import HBox, Tab, VBox
from numpy.typing import ArrayLike
from torch import nn

from mnist_nb.data import Mnist
from mnist_nb.handwriting.my_digits import MyDigits
from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.widgets.common import Panel, page_parts
from mnist_nb.widgets.pad.collecting import AnswerButtons, CollectPanel
from mnist_nb.widgets.pad.digit_page import BRUSHES, DigitPage
from mnist_nb.widgets.pad.gallery import Gallery
from mnist_nb.widgets.pad.model_panels import ModelFiles, ModelList
from mnist_nb.widgets.pad.number_page import NumberPage
from mnist_nb.widgets.pad.picture_panel import PhotoPanel, PicturePanel
from mnist_nb.widgets.pad.reading import (
    MessageView,
    NumberOffer,
    ReadingView,
    RefusalCheckbox,
)
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.pad.teaching import Teaching
from mnist_nb.widgets.pad.teaching_panel import TeachingPanel
from mnist_nb.widgets.prediction import Prediction


class DrawingPad(Panel):
    """A pad that reads drawings. Make it the last line of a cell.

    Args:
        data: the source of test images and, for teaching, training images; by default
            `load_mnist()` is called when they are needed.
        model: the first network to read; by default the shipped one that reads handwriting best,
            or the one in `path`.
        path: your own network's file; taught networks are saved in the same folder.
        digits: the file of your own digits.

    Attributes:
        state: the state and the actions of all panels.
        teaching: adapts the current network to your digits.
        page, numbers, pictures, photo, collecting, gallery, models: the panels.
    """

    def __init__(
        self,
        data: Mnist | None = None,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        digits: str | Path = "my_digits.safetensors",
    ) -> None:
        super().__init__()
        self.state = PadState(data, model, path, digits)
        self.teaching = Teaching(self.state)
        self.page = DigitPage(self.state)
        self.numbers = NumberPage(self.state)
        self.pictures = PicturePanel(self.state)
        self.photo = PhotoPanel(self.state)
        self.collecting = CollectPanel(self.state)
        self.gallery = Gallery(self.state)
        self.models = ModelList(self.state)
        self.add_class("mnist-pad")
        self._tabs = self._make_tabs()
        self.children = [*page_parts(), self.models.widget, self._lay_out(), self._tabs]
        for paper in (self.page.paper, self.numbers.paper):
            paper.previous = self.models.widget
        with contextlib.suppress(ValueError, OSError):  # shown when the digits are needed
            self.state.collection.refresh()
        self.state.refresh_models()

    # ---- for notebooks

    @property
    def guess(self) -> Prediction | None:
        """The network's reading of the pad; None if the pad is empty or there is no network."""
        return self.state.reading.prediction

    @property
    def image(self) -> Pixels | None:
        """The network's input, uint8 `[28, 28]`; None if the pad is empty."""
        return self.state.reading.image

    @property
    def digits(self) -> MyDigits:
        """Your digits.

        Raises:
            DigitsError: if their file cannot be read. It is not changed.
        """
        return self.state.collection.digits

    def replay(
        self, strokes: Sequence[ArrayLike], width: float = BRUSHES.first
    ) -> Prediction | None:
        """Draw strokes, and return the guess after the last.

        Args:
            strokes: each `[n, 2]` in pixels of the pad, x right and y down.
            width: the width of the brush in pixels.

        Raises:
            ValueError: if points or width are invalid. Earlier strokes are drawn.
        """
        self.state.drawing.add_strokes(strokes, width)
        return self.guess

    def draw(self, sketch: Sketch) -> Prediction | None:
        """Replace the content of the pad by a drawing, scaled to fit, and return the guess."""
        self.state.drawing.copy_from(sketch)
        return self.guess

    def pick(self, picture: ArrayLike) -> Prediction | None:
        """Show a picture, uint8 `[28, 28]`, on the pad, and return the guess.

        Raises:
            ValueError: if type or shape is wrong.
        """
        self.state.drawing.pick(picture)
        return self.guess

    def undo(self) -> None:
        """Remove the picture if there is one, otherwise the last stroke."""
        self.page.paper.undo()

    def redo(self) -> None:
        """Restore the stroke undone last."""
        self.page.paper.redo()

    def clear(self) -> None:
        """Empty the pad. `undo` restores the drawing."""
        self.page.paper.clear()

    def choose(self, model: str) -> None:
        """Use another network.

        Args:
            model: the key of one in the list, such as "shipped:mlp", or a network's file.

        Raises:
            CheckpointError: if the file is not a network. The current one continues to read.
        """
        self.state.choose(model)

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Show a sentence below the reading."""
        self.state.show_message(text, is_error=is_error)

    def close(self) -> None:
        """End the work in the background, then remove the pad from the page. Files are kept."""
        if "state" in vars(self):  # not if making it failed
            self.state.close()
        super().close()

    # ---- its layout

    def _lay_out(self) -> HBox:
        """Return the paper with the reading to its right."""
        self.page.layout.flex = "none"  # however long the sentences are
        words = VBox(
            [
                ReadingView(self.state),
                RefusalCheckbox(self.state),
                AnswerButtons(self.state),
                NumberOffer(self.state, self._open_number),
                MessageView(self.state),
            ],
            layout={"flex": "1 1 264px", "min_width": "0"},
        )
        return HBox([self.page, words], layout={"margin": "8px 0 0", "grid_gap": "10px 26px"})

    def _open_number(self) -> None:
        """Move the drawing or the photo to the page for whole numbers."""
        drawing = self.state.drawing
        self._tabs.selected_index = list(self._tabs.children).index(self.numbers)
        if drawing.content.picture is not None:
            self.photo.hand_to(self.numbers.photo)
            drawing.undo()
            self.state.show_message("The photo is read under Whole numbers.")
            self.numbers.photo.upload.focus()
            return
        self.numbers.drawing.copy_from(drawing.sketch)
        drawing.clear()
        self.numbers.paper.canvas.focus()

    def _make_tabs(self) -> Tab:
        panels = {
            "Pictures": VBox([self.photo, self.pictures]),
            "Whole numbers": self.numbers,
            "Collect": self.collecting,
            "My digits": self.gallery,
            "Teach it my handwriting": TeachingPanel(self.state, self.teaching),
            "Networks": ModelFiles(self.state),
        }
        tabs = Tab(list(panels.values()))
        tabs.titles = list(panels)
        return tabs
