"""The state and actions of the drawing pad. Imports no widget; the panels observe and call it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import traitlets
from torch import nn
from traitlets import Bool, HasTraits, Instance, Unicode

from mnist_nb.checkpoints import CheckpointError
from mnist_nb.data import Mnist, Split, load_mnist
from mnist_nb.evaluation import Evaluation, evaluate
from mnist_nb.handwriting.preprocessing import EmptySketchError, Pixels
from mnist_nb.handwriting.several import find_number
from mnist_nb.widgets.callbacks import LOCK, describe_error
from mnist_nb.widgets.model_catalog import ModelCatalog
from mnist_nb.widgets.pad.background import BackgroundWork
from mnist_nb.widgets.pad.collection import DigitCollection, Drawn
from mnist_nb.widgets.pad.drawing import Drawing
from mnist_nb.widgets.page import export_page
from mnist_nb.widgets.prediction import Prediction, describe_digit_count, read, with_article

SIZE = 280
"""Width and height of the paper in pixels."""

LIVE_INTERVAL = 0.2
"""Seconds between readings while a stroke is being drawn."""

MAX_NUMBER_STROKES = 30
"""The maximum number of strokes of a number; more are a scribble, which is slow to divide."""


class Message(NamedTuple):
    """A sentence to show."""

    text: str = ""
    is_error: bool = False


class Reading(NamedTuple):
    """The network's input and its reading; both are None if the paper is empty."""

    image: Pixels | None = None  # [28, 28]
    prediction: Prediction | None = None  # also None if there is no network


class PadState(HasTraits):
    """The observable state of a drawing pad, and its actions.

    Args:
        data: MNIST's images; by default `load_mnist()` is called when they are needed.
        model: a network that is already loaded.
        path: your own network's file.
        digits: the file of your own digits.

    Attributes:
        drawing: the content of the paper.
        reading: the network's reading of it.
        model: the network that reads; None if there is none.
        model_key: its key in the catalog; empty if there is none.
        model_options: (label, key) of each network that can be chosen.
        can_refuse: whether the network may say that there is no digit.
        number: the number on the paper if it clearly shows several digits, otherwise empty.
        message: the last sentence to show.
        catalog: the networks that can read.
        collection: your own digits.
        background: the work in progress.
    """

    reading = Instance(Reading, ())
    model = Instance(nn.Module, allow_none=True)
    model_key = Unicode()
    model_options = traitlets.Any(())
    can_refuse = Bool(True)
    number = Unicode()
    message = Instance(Message, ())

    def __init__(
        self,
        data: Mnist | None = None,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        digits: str | Path = "my_digits.safetensors",
    ) -> None:
        super().__init__()
        self.drawing = Drawing(SIZE)
        self.catalog = ModelCatalog(model, path)
        self.collection = DigitCollection(digits)
        self.background = BackgroundWork(self._show_error)
        self._data = data
        self._last_reading = 0.0
        self.drawing.observe(self._read, "content")
        self.drawing.observe(self._read_unfinished, "unfinished")
        self.observe(self._read, ["model", "can_refuse"])
        self.drawing.observe(self._look_at_drawing, "content")

    # ---- messages

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Replace the message. An empty one removes it."""
        self.message = Message(text, is_error)

    def attempt(self, action: Callable[[], object]) -> None:
        """Perform an action. An error becomes the message."""
        with LOCK:
            try:
                action()
            except Exception as error:
                self._show_error(error)

    def _show_error(self, error: Exception) -> None:
        self.show_message(describe_error(error), is_error=True)

    # ---- reading

    def _read(self, _: Any = None) -> None:
        with LOCK:
            self._last_reading = time.monotonic()
            image = self.drawing.image()
            self.reading = Reading(image, self._predict(image))

    def _read_unfinished(self, change: Any) -> None:
        is_due = time.monotonic() - self._last_reading >= LIVE_INTERVAL
        if change.new is not None and is_due:
            self._read()

    def _predict(self, image: Pixels | None) -> Prediction | None:
        if image is None or self.model is None:
            return None
        return read(self.model, image, refuse=self.can_refuse)

    def look_for_number(self, source: Any) -> None:
        """Check whether a drawing or picture is clearly a number of several digits.

        Args:
            source: a drawing or a picture for `read_number`.
        """
        found = None if self.model is None else find_number(source, self.model)
        self.number = "" if found is None else found.text

    def _look_at_drawing(self, _: Any) -> None:
        content = self.drawing.content
        if content.picture is None and 2 <= len(content.strokes) <= MAX_NUMBER_STROKES:
            self.look_for_number(self.drawing.sketch)
        else:
            self.number = ""

    # ---- networks

    def refresh_models(self) -> None:
        """Update the list of networks. If none is in use, choose the first that loads."""
        self.model_options = self.catalog.options()
        if self.model is not None:
            return
        problem = (
            "There is no network to read with yet: train one (notebook 02), or open its file "
            "under Networks."
        )
        for _, key in self.model_options:
            try:
                self.choose(key)
                return
            except CheckpointError as error:
                problem = str(error)
        self.show_message(problem, is_error=True)

    def choose(self, model: str) -> None:
        """Use another network.

        Args:
            model: a key of the catalog, or a network's file.

        Raises:
            CheckpointError: if the file is not a network. The current one continues to read.
        """
        with LOCK:
            key = model
            if key not in [option_key for _, option_key in self.catalog.options()]:
                key = self.catalog.open_file(model)
            network = self.catalog.load(key)
            self.model_options = self.catalog.options()
            self.model_key = key
            self.model = network

    def open_model(self, name: str, content: bytes) -> None:
        """Use the network in an uploaded file. Raises CheckpointError as `choose` does."""
        self.choose(self.catalog.open_content(name, content))

    def save_page(self) -> Path:
        """Write the network and a pad into an HTML file next to your own network.

        Raises:
            ValueError: if there is no network.
        """
        self.require_model("save")
        name = Path(self.catalog.file_name(self.model_key)).stem
        path = self.catalog.path.with_name(f"{name}.html")
        export_page(self.catalog.source(self.model_key), path)
        return path

    def require_model(self, purpose: str) -> nn.Module:
        """Return the current network; raise ValueError if there is none."""
        if self.model is None:
            raise ValueError(f"There is no network to {purpose} yet: choose one above the pad.")
        return self.model

    # ---- your digits

    def toggle_asking(self) -> None:
        """Start or stop asking for digits. The paper is emptied for the next one."""
        self.collection.toggle_asking()
        self.drawing.clear()

    def keep(self, label: int) -> None:
        """Save the content of the paper as this digit.

        Raises:
            EmptySketchError: if there is no ink.
            DigitsError: if the digit cannot be saved.
        """
        image = self.drawing.image()
        if image is None:
            raise EmptySketchError(f"The pad is empty: draw {with_article(label)} first.")
        has_picture = self.drawing.content.picture is not None
        self.keep_all([image if has_picture else self.drawing.sketch], [label])

    def keep_wanted(self) -> None:
        """Save the content of the paper as the digit that was asked for, and ask for the next."""
        label = self.collection.wanted
        if label is not None:
            self.keep(label)
            self.drawing.clear()

    def keep_all(self, drawings: Sequence[Drawn], labels: Sequence[int]) -> None:
        """Save several drawings as these digits. Raises DigitsError as `keep` does."""
        self.collection.keep(drawings, labels)
        names = ", ".join(with_article(label) for label in labels)
        self.show_message(f"Saved as {names}. You have {self._digit_count} now.")

    def take_back(self) -> None:
        """Delete the drawings saved last. If they were asked for, ask for them again."""
        if self.collection.delete_last_kept():
            self.show_message(f"Deleted. You have {self._digit_count} now.")
        else:
            self.show_message("There is no saved drawing to delete.")

    def score_digits(self) -> Evaluation:
        """Evaluate the network on your digits.

        Raises:
            ValueError: if there is no network, or no digit.
        """
        digits = self.collection.existing_digits()
        digits.reload()
        self.collection.refresh()
        model = self.require_model("score")
        return evaluate(model, Split(digits.images, digits.labels, "my digits"))

    @property
    def _digit_count(self) -> str:
        return describe_digit_count(len(self.collection.digits))

    # ---- data and background work

    def load_data(self) -> Mnist:
        """Return MNIST's images, and load them if necessary. For work in the background.

        Raises:
            RuntimeError: if the pad was closed meanwhile.
        """
        if self._data is None:
            self.show_message("Loading MNIST ...")
            self._data = load_mnist()
            self.show_message("MNIST is loaded.")
        self.background.check_open()
        return self._data

    def with_data(self, use: Callable[[Mnist], object]) -> None:
        """Call a function with MNIST's images, in the background if they must be loaded first."""
        if self._data is None:
            self.background.start(lambda: use(self.load_data()))
        else:
            data = self._data
            self.attempt(lambda: use(data))

    def close(self) -> None:
        """End the work in the background."""
        self.background.close()
