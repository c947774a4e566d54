"""The drawing pad: draw with mouse, finger or pen, or pick a digit with the keyboard; see what is
read in it."""

from ipywidgets import HTML, HBox, Tab, VBox

from mnist_nb.widgets.markup import stylesheet
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.pad.model_picker import ModelPicker
from mnist_nb.widgets.pad.number_page import NumberPage
from mnist_nb.widgets.pad.teaching import Teaching
from mnist_nb.widgets.pad.transform import TransformPanel


class DrawingPad(Board):
    """A pad that reads what is drawn on it, as the last line of a cell.

    Args:
        data: where test images and, for teaching, training images come from; without it
            `load_mnist()` is called when they are needed.
        model: the network that reads first; without it the shipped one that reads hands best, else
            the one in `path`.
        path: where the reader's own network lies or will lie; networks taught a hand are saved
            beside it.
        digits: the file of the reader's own digits.

    Attributes:
        state: what is drawn, and the network that reads it.
        catalog: the networks that can read.
        model_picker, transform, teaching, numbers: its panels.
    """

    def choose(self, model: str) -> None:
        """Let another network read: the key of one in the list, such as "shipped:mlp", or a model's
        file.

        Raises:
            CheckpointError: if the file does not hold a model; the one before goes on reading.
        """
        self.model_picker.choose(model)

    def refresh(self) -> None:
        """Show what is on the pad, and read it; the number too if another network reads now."""
        super().refresh()
        if self.numbers.state.model is not self.state.model:
            self.numbers.refresh()

    def _key(self, key: str, shift: bool, *_: bool) -> None:
        if key == "Enter":
            self.attempt(self.teaching.keep_asked)
        super()._key(key, shift)

    def _build(self) -> None:
        self.model_picker = ModelPicker(self)
        self.teaching = Teaching(self, self.model_picker)
        self.transform = TransformPanel(self)
        self.numbers = NumberPage(self, self.teaching.keep_drawings)
        self.before = self.numbers.before = self.model_picker.list
        drawing = VBox([self._ink, self._tool, self._brush, HBox(self._steps)])
        drawing.layout.flex = "none"  # however long the words beside it are
        words = [self._reading, self._refuse, self.teaching.answers, self._message]
        whole = HBox(
            [drawing, VBox(words, layout={"margin": "0 0 0 26px"})], layout={"margin": "8px 0 0"}
        )
        lessons = [self.teaching.collecting, self.teaching.gallery, self.teaching.lesson]
        tabs = Tab([self.transform, self.numbers, *lessons, self.model_picker.panel])
        tabs.titles = [
            "Without a pen",
            "Whole numbers",
            "Collect",
            "My digits",
            "Teach it my hand",
            "Networks",
        ]
        self.children = [HTML(stylesheet()), self.model_picker.list, whole, tabs]
        self.add_class("mnist-pad")
        self.model_picker.look()
