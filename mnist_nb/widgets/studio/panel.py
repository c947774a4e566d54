"""The training studio, where you change settings and watch a network learn."""

import copy
import dataclasses
import random
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ipywidgets import HTML, BoundedIntText, HBox, ToggleButtons, VBox
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import nn

from mnist_nb.data import Mnist
from mnist_nb.handwriting.my_digits import MyDigits
from mnist_nb.plots import training_curves
from mnist_nb.training import Hyperparameters
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.common import Panel, make_button, on_change, page_parts
from mnist_nb.widgets.controls import Controls
from mnist_nb.widgets.studio import studio_markup
from mnist_nb.widgets.studio.chart import draw_chart
from mnist_nb.widgets.studio.diagnostics_view import draw_diagnostics
from mnist_nb.widgets.studio.records import RunRecord
from mnist_nb.widgets.studio.runs_table import RunsTable, row_of
from mnist_nb.widgets.studio.sentences import describe_ignored
from mnist_nb.widgets.studio.session import TrainingSession
from mnist_nb.widgets.studio.stores import NEW_NETWORK


class TrainingStudio(Panel):
    """A panel for training. Make it the last line of a cell; `train` trains from code, and waits.

    Args:
        data: from `load_mnist`.
        path: the checkpoint to save runs after each epoch and on Stop, and to continue from; None
            keeps everything in memory.
        hyperparameters: the initial settings; None shows those of the unfinished run in the
            checkpoint, or the defaults.
        device: "cpu", "cuda" or "mps"; None chooses the fastest available.
        digits: the file of your own digits, one of which can be pinned.

    Attributes:
        session: the training behind the panel.
        controls: the controls, made from `Hyperparameters`.
    """

    def __init__(
        self,
        data: Mnist,
        path: str | Path | None = "model.safetensors",
        hyperparameters: Hyperparameters | None = None,
        *,
        device: str | None = None,
        digits: str | Path = "my_digits.safetensors",
    ) -> None:
        self._notice = ""  # the response to the last click
        self._caption = ""  # of the pinned digit
        self._digits_path = Path(digits).absolute()  # the working folder may change
        self._pinnable = data.validation if len(data.validation) else data.train
        self._painting = threading.RLock()
        self.session = TrainingSession(data, path, device=device, publish=self._paint)
        settings = hyperparameters or self.session.settings or Hyperparameters()
        self.controls = Controls(settings, self.session.set_learning_rate)

        self._progress = HTML()
        self._messages = HTML()
        self._digit = HTML()
        self._reading = HTML()
        self._chart = HTML()
        self._diagnostics = HTML()
        self._start_from = self._make_start_from()
        self._pinned_index = self._make_pinned_index()
        self._table = RunsTable(self.session, self.attempt, self.restore)
        super().__init__(
            [
                *page_parts(),
                row_of("studio-above", self.controls.widget, self._make_right_side()),
                row_of("studio-pictures", self._chart, self._diagnostics),
                self._table.widget,
            ]
        )
        self.add_class("mnist-studio")
        self._pin_number(0)

    # ---- for notebooks and tests

    @property
    def runs(self) -> list[RunRecord]:
        """The records of the runs, oldest first: settings, results, losses and weights."""
        return list(self.session.runs)

    @property
    def model(self) -> nn.Module:
        """A copy of the current network on the CPU, last trained or chosen in the table.

        Raises:
            ValueError: if no network has been trained yet.
        """
        if self.session.current is None:
            raise ValueError("no network has been trained yet: press Train, or call train()")
        return copy.deepcopy(self.session.current.model)

    def train(self, *, name: str = "", fresh: bool | None = None, **settings: Any) -> RunRecord:
        """Train with the current settings, and wait. An interrupt stops the run, like Stop.

        Args:
            name: the name of the run in the table.
            fresh: whether to start with a new network; None uses the choice in the panel.
            settings: fields of `Hyperparameters` to change for this run only.

        Raises:
            RuntimeError: if a run is in progress, or if this one fails for another reason than an
                exploded loss.
            ValueError, TypeError: if settings are out of range, or the run cannot continue from
                the checkpoint.
        """
        shown = self.controls.value
        begins_fresh = self._start_from.value if fresh is None else fresh
        self.controls.value = dataclasses.replace(shown, **settings)
        try:
            return self._wait_for(
                lambda: self._start(begins_fresh, name),
                "a run is in progress: press Stop first (or the studio is closed: make another)",
            )
        finally:
            if settings and not self.session.is_running:
                self.controls.value = shown

    def resume(self, learning_rate: float | None = None) -> RunRecord:
        """Resume the stopped run, and wait. An interrupt stops it again.

        Args:
            learning_rate: a new learning rate for the rest of the run.

        Raises:
            RuntimeError: if there is no stopped run, or if it fails.
        """
        return self._wait_for(
            lambda: self._resume(learning_rate), "there is no stopped run to continue"
        )

    def stop(self) -> None:
        """Stop the current run, if any, after the current batch, without waiting."""
        self.session.stop()

    def restore(self, run: RunRecord) -> None:
        """Use a run's weights as the current network, and save them in the checkpoint.

        A stopped run can then be resumed exactly, even if others were restored or trained since.

        Raises:
            ValueError: if a run is in progress, or the file cannot be written.
        """
        with LOCK:
            self.session.restore(run)
            self._start_from.value = False  # so that Train continues from these weights
            self._refresh()

    def figure(self) -> Figure:
        """Return the curves of all runs as a static figure, which is saved with the notebook."""
        return training_curves(self.runs, [_legend_text(run.name) for run in self.runs])

    def pin(self, image: ArrayLike | None, caption: str = "your digit") -> None:
        """Observe an image, uint8 `[28, 28]`, in training, or stop with None.

        Raises:
            ValueError: if type or shape is wrong.
        """
        self.session.pin(image)
        self._caption = caption
        self._refresh()

    def close(self) -> None:
        """Stop the run, end its thread and remove the panel from the page. The records are kept."""
        if hasattr(self, "session"):
            self.session.close()
        super().close()

    # ---- clicks

    def show_message(self, text: str, *, is_error: bool = True) -> None:
        """Show the response to a click. An empty text removes it."""
        self._notice = text
        self._refresh()

    def attempt(self, action: Callable[[], object]) -> None:
        """Perform an action, and show any error as a sentence."""
        with LOCK:
            self._notice = ""
            super().attempt(action)
            self._refresh()

    def _start(self, fresh: bool, name: str = "") -> RunRecord | None:
        return self.session.start(self.controls.value, fresh=fresh, name=name)

    def _resume(self, learning_rate: float | None = None) -> RunRecord | None:
        """Resume with the run's settings, and its current or the given learning rate."""
        shown = self.controls.value
        if learning_rate is not None:
            shown = dataclasses.replace(shown, learning_rate=learning_rate)
        record = self.session.resume(learning_rate)
        kept = self.session.settings
        if record is not None and kept is not None:
            self.controls.value = kept
            self._notice = describe_ignored(shown, kept)
        return record

    def _pin_number(self, index: int) -> None:
        split = self._pinnable
        label = int(split.labels[index])
        self.pin(split.images[index].numpy(), f"{split.name} image {index:,}, labelled {label}")

    def _pin_random(self) -> None:
        self._pinned_index.value = random.randrange(len(self._pinnable))

    def _pin_own(self) -> None:
        """Pin the digit that was saved last on the pad."""
        digits = list(MyDigits(self._digits_path))
        if not digits:
            raise ValueError(
                "You have no digits yet: draw one on the pad of notebook 04, and press its "
                "number next to Save as."
            )
        newest = digits[-1]
        self.pin(newest.image, f"your own {newest.label}")

    def _wait_for(self, begin: Callable[[], RunRecord | None], otherwise: str) -> RunRecord:
        record = None
        try:
            with LOCK:
                self._notice = ""
                record = begin()
                self._refresh()
            self.session.wait()
        except KeyboardInterrupt:
            self.session.stop()
            self.session.wait()
            if record is None:  # interrupted before the run started
                raise
        if record is None:
            raise RuntimeError(otherwise)
        if self.session.error is not None:
            raise RuntimeError(self.session.sentence) from self.session.error
        self._refresh()
        return record

    # ---- the panel

    def _refresh(self) -> None:
        """Update everything, including the rows. Not for the training thread."""
        self._table.rebuild()
        if self.session.is_running:
            self.session.publish_soon()
        else:
            self._paint()

    def _paint(self) -> None:
        session = self.session
        observer = session.observer
        with self._painting:
            is_running = session.is_running
            self.controls.lock(is_running)
            self._start_from.disabled = is_running
            self._train_button.disabled = is_running
            self._stop_button.disabled = not is_running
            self._resume_button.disabled = not session.can_resume
            self._progress.value = studio_markup.progress_html(session)
            self._messages.value = studio_markup.messages_html(session, self._notice)
            self._chart.value = draw_chart(self.runs)
            self._diagnostics.value = draw_diagnostics(observer.diagnostics)
            self._digit.value = studio_markup.digit_html(observer.pinned, self._caption)
            self._reading.value = studio_markup.reading_html(observer.probabilities)
            self._table.refresh()

    def _make_right_side(self) -> VBox:
        """Return the part next to the controls, with the buttons at the top."""
        new = partial(make_button, self.attempt)
        another = new("", "Pin a random image", self._pin_random, icon="random", width="32px")
        own = new("My own", "Pin the digit that I saved last on the pad", self._pin_own)
        pinned = VBox([self._digit, self._pinned_index, row_of("studio-pin", another, own)])
        return VBox(
            [
                self._make_buttons(),
                row_of("studio-source", HTML("Start from"), self._start_from),
                self._progress,
                self._messages,
                row_of("studio-pinned", pinned, self._reading),
            ]
        )

    def _make_buttons(self) -> HBox:
        new_button = partial(make_button, self.attempt)
        self._train_button = new_button(
            "Train", "Begin a run", lambda: self._start(self._start_from.value), icon="play"
        )
        self._train_button.button_style = "primary"
        self._stop_button = new_button(
            "Stop", "Stop after the current batch, and keep the run", self.stop, icon="stop"
        )
        self._resume_button = new_button(
            "Resume", "Continue from exactly where it stopped", self._resume, icon="step-forward"
        )
        return HBox([self._train_button, self._stop_button, self._resume_button])

    def _make_start_from(self) -> ToggleButtons:
        """Return the choice of the start of Train. Its value is whether that is a new network."""
        made = ToggleButtons(
            options=[(NEW_NETWORK, True), (self.session.store.label, False)],
            value=True,
            tooltips=[
                "Each run starts with new weights",
                "Each run continues from the existing weights",
            ],
        )
        made.style.button_width = "auto"
        return made

    def _make_pinned_index(self) -> BoundedIntText:
        hint = f"The number of the {self._pinnable.name} image that is pinned"
        made = BoundedIntText(0, min=0, max=len(self._pinnable) - 1, description=hint, tooltip=hint)
        return on_change(self.attempt, made, lambda: self._pin_number(made.value))


def _legend_text(name: str) -> str:
    """Return a name that matplotlib draws unchanged.

    Otherwise a name that begins with _ would be missing in the legend, and text between dollars
    would be drawn as a formula.
    """
    if name.startswith("_"):
        name = f" {name}"
    return name.replace("$", r"\$")
