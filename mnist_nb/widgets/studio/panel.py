"""The training studio: turn the dials and watch a network learn."""

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
from mnist_nb.plots import training_curves
from mnist_nb.training import Hyperparameters
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.common import Panel, labelled, make_button, on_change
from mnist_nb.widgets.controls import Controls
from mnist_nb.widgets.markup import stylesheet
from mnist_nb.widgets.studio import studio_markup as studio_page
from mnist_nb.widgets.studio.chart import chart
from mnist_nb.widgets.studio.diagnostics_view import inside
from mnist_nb.widgets.studio.records import RunRecord
from mnist_nb.widgets.studio.runs_table import RunsTable, row_of
from mnist_nb.widgets.studio.session import TrainingSession


class TrainingStudio(Panel):
    """A panel to train with, as the last line of a cell; `train` does the same from code, and
    waits.

    Args:
        data: what is learnt, from `load_mnist`.
        path: the checkpoint that runs are saved to after each epoch and on Stop, and that training
            can go on from; None keeps everything in memory.
        hyperparameters: what the controls show at first; None shows those of the unfinished run in
            the checkpoint, or the defaults.
        device: "cpu", "cuda" or "mps"; None chooses.

    Attributes:
        session: what goes on behind the panel.
        controls: the controls, made from `Hyperparameters`.
    """

    def __init__(
        self,
        data: Mnist,
        path: str | Path | None = "model.safetensors",
        hyperparameters: Hyperparameters | None = None,
        *,
        device: str | None = None,
    ) -> None:
        self._notice = ""
        self._painting = threading.RLock()
        self._watched = next(
            (split for split in (data.test, data.validation) if len(split)), data.train
        )
        self.session = TrainingSession(data, path, device=device, publish=self._paint)
        settings = hyperparameters or self.session.settings or Hyperparameters()
        self.controls = Controls(settings, self.session.set_learning_rate)
        super().__init__(self._build())
        self.add_class("mnist-studio")
        self._pin_number(0)

    # ---- what a notebook or a test can do with it

    @property
    def runs(self) -> list[RunRecord]:
        """The runs kept, oldest first: settings, records, losses and weights of each."""
        return list(self.session.runs)

    @property
    def model(self) -> nn.Module:
        """A copy of the network as it stands: after the last epoch or stop, or as restored; on the
        CPU.

        Raises:
            ValueError: if nothing has been trained yet.
        """
        if self.session.current is None:
            raise ValueError("nothing has been trained yet: press Train, or call train()")
        return copy.deepcopy(self.session.current.model)

    def train(self, *, name: str = "", fresh: bool | None = None, **settings: Any) -> RunRecord:
        """Train with what the controls show, and wait; an interrupt stops the run as Stop does.

        Args:
            name: of the run in the table.
            fresh: whether to begin with a new network; None does what the panel says.
            settings: fields of `Hyperparameters` to change, for this run only.

        Raises:
            RuntimeError: if a run goes on, or breaks off for another reason than a loss that
                exploded.
            ValueError, TypeError: for settings out of their range, or a checkpoint that cannot be
                gone on from.
        """
        shown, wanted = self.controls.value, self._fresh.value if fresh is None else fresh
        self.controls.value = dataclasses.replace(shown, **settings)
        try:
            busy = "a run goes on: stop it first (or the studio is closed: make another)"
            return self._wait_for(lambda: self._start(wanted, name), busy)
        finally:
            if settings and not self.session.is_running:
                self.controls.value = shown

    def resume(self, learning_rate: float | None = None) -> RunRecord:
        """Let the stopped run go on, and wait; an interrupt stops it again.

        Args:
            learning_rate: a new one from here on.

        Raises:
            RuntimeError: if there is no stopped run, or it breaks off.
        """
        return self._wait_for(
            lambda: self._resume(learning_rate), "there is no stopped run to go on with"
        )

    def stop(self) -> None:
        """Stop the run after the batch it is on, if one goes on; returns at once."""
        self.session.stop()

    def restore(self, run: RunRecord) -> None:
        """Make a run's weights the network as it stands, and the content of the checkpoint.

        A run that was stopped can be resumed then, exactly, also where others have been restored or
        trained since.

        Raises:
            ValueError: if a run goes on, or the file cannot be written.
        """
        with LOCK:
            self.session.restore(run)
            self._fresh.value = False  # else the next Train would pass the weights over
            self._refresh()

    def figure(self) -> Figure:
        """The curves of all runs as a static figure, which a saved notebook keeps."""
        return training_curves(self.runs, [_for_matplotlib(kept.name) for kept in self.runs])

    def pin(self, image: ArrayLike | None, caption: str = "your digit") -> None:
        """Watch an image, uint8 `[28, 28]`, while the network learns; None lets go of it.

        Raises:
            ValueError: for another type or shape.
        """
        self.session.pin(image)
        self._caption = caption
        self._refresh()

    def close(self) -> None:
        """Stop the run, end its thread and take the panel out of the page; the runs stay."""
        if hasattr(self, "session"):
            self.session.close()
        super().close()

    # ---- what clicks do

    def show_message(self, text: str, *, is_error: bool = True) -> None:
        """Show a sentence about something that could not be done; an empty one takes it away."""
        self._notice = text
        self._refresh()

    def attempt(self, action: Callable[[], object]) -> None:
        """Do what a click asks for; what it raises becomes a sentence, and the panel stays
        usable."""
        with LOCK:
            self._notice = ""
            super().attempt(action)
            self._refresh()

    def _start(self, fresh: bool, name: str = "") -> RunRecord | None:
        return self.session.start(self.controls.value, fresh=fresh, name=name)

    def _resume(self, learning_rate: float | None = None) -> RunRecord | None:
        """Resume with the run's own settings, and with the rate if one is given or the slider was
        moved since."""
        resumed = self.session.resume(learning_rate)
        if resumed is not None:
            self.controls.value = self.session.settings or self.controls.value
            if list(self._fresh.options) != self._sources():
                self._fresh.options = self._sources()
        return resumed

    def _pin_number(self, index: int) -> None:
        split = self._watched
        self.pin(
            split.images[index].numpy(),
            f"{split.name} image {index:,}, a {int(split.labels[index])}",
        )

    def _another(self) -> None:
        self._index.value = random.randrange(len(self._watched))

    def _wait_for(self, begin: Callable[[], RunRecord | None], otherwise: str) -> RunRecord:
        begun = None
        try:
            with LOCK:
                self._notice = ""
                begun = begin()
                self._refresh()
            if begun is not None:
                self.session.wait()
        except KeyboardInterrupt:
            begun = begun or self.session.current
            self.session.stop()
            self.session.wait()
        if begun is None:
            raise RuntimeError(otherwise)
        if self.session.error is not None:
            raise RuntimeError(self.session.sentence) from self.session.error
        self._refresh()
        return begun

    # ---- how it looks

    def _refresh(self) -> None:
        """Show everything anew, rows included; only from clicks and calls, never from the thread
        that trains."""
        self._table.rebuild()
        if (
            not self.session.is_running
        ):  # else the thread that trains paints within a fifth of a second
            self._paint()

    def _paint(self) -> None:
        session = self.session
        with self._painting:
            running = session.is_running
            self.controls.lock(running)
            self._train.disabled = self._fresh.disabled = running
            self._stop.disabled, self._resume_button.disabled = not running, not session.can_resume
            self._progress.value = studio_page.progress(session)
            self._message.value = studio_page.sentences(session, self._notice)
            self._chart.value = chart(self.runs)
            self._inside.value = inside(session.diagnostics)
            self._pinned.value = studio_page.pinned(
                session.pinned, self._caption, session.probabilities
            )
            self._table.refresh()

    def _build(self) -> list[Any]:
        new = partial(make_button, self.attempt)
        self._message, self._progress, self._chart, self._inside, self._pinned = (
            HTML() for _ in range(5)
        )
        self._table = RunsTable(self.session, self.attempt, self.restore)
        self._train = new(
            "Train", "Begin a run", lambda: self._start(self._fresh.value), icon="play"
        )
        self._train.button_style = "primary"
        self._stop = new(
            "Stop", "Stop after the batch under way, and keep it", self.stop, icon="stop"
        )
        self._resume_button = new(
            "Resume", "Go on from exactly where it stopped", self._resume, icon="step-forward"
        )
        hints = [
            "Each run begins with fresh weights",
            "Each run goes on from the weights that are there",
        ]
        self._fresh: ToggleButtons = ToggleButtons(
            options=self._sources(), value=True, tooltips=hints
        )
        self._fresh.style.button_width = "auto"
        number = partial(
            labelled, BoundedIntText, f"Pinned: {self._watched.name} image", "210px", 0
        )
        hint = "A number, or the arrow keys, choose the image whose probabilities are shown"
        self._index = number(min=0, max=len(self._watched) - 1, tooltip=hint)
        on_change(self.attempt, self._index, lambda: self._pin_number(self._index.value))
        another = new("Another", "Pin an image chosen by chance", self._another, icon="random")
        buttons = HBox([self._train, self._stop, self._resume_button])
        source = row_of("studio-source", HTML("Train from"), self._fresh)
        watched = row_of("studio-watched", self._index, another)
        right = VBox([buttons, source, self._progress, self._message, watched, self._pinned])
        above = row_of("studio-above", self.controls.widget, right)
        return [
            HTML(stylesheet()),
            above,
            row_of("studio-pictures", self._chart, self._inside),
            self._table.widget,
        ]

    def _sources(self) -> list[tuple[str, bool]]:
        """What Train may begin with, and whether that is fresh."""
        there = "the network as it stands" if self.session.path is None else self.session.path.name
        return [("a new network", True), (there, False)]


def _for_matplotlib(name: str) -> str:
    """A name that is drawn as it is: no formula between dollars, and not left out of the legend for
    its first _."""
    return f"{' ' * name.startswith('_')}{name}".replace("$", r"\$")
