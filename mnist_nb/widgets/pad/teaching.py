"""Teaching your digits to the current network, in the background."""

import os
import warnings
from functools import partial
from threading import Thread
from typing import NamedTuple

from torch import nn
from traitlets import Float, HasTraits, Instance

from mnist_nb.checkpoints import save_checkpoint
from mnist_nb.handwriting.adaptation import (
    AdaptationReport,
    ForgettingWarning,
    adapt,
    compare_before_after,
)
from mnist_nb.widgets.pad.state import PadState

STEPS = 150
PROGRESS_UPDATES = 10  # teaching takes a second or two, so more updates are not needed


class Outcome(NamedTuple):
    """The result of teaching."""

    report: AdaptationReport
    text: str
    has_changed: bool  # whether there is a new network


class Teaching(HasTraits):
    """Adapts the current network to your saved digits.

    Args:
        state: the pad's state. The new network is saved and becomes the current one.

    Attributes:
        progress: in [0, 1] while a network learns, otherwise None.
        outcome: the result of the last teaching without an error.
    """

    progress = Float(None, allow_none=True)
    outcome = Instance(Outcome, allow_none=True)

    def __init__(self, state: PadState) -> None:
        super().__init__()
        self._state = state
        self._thread: Thread | None = None

    @property
    def is_teaching(self) -> bool:
        """Whether a network is learning."""
        return self._thread is not None and self._thread.is_alive()

    def teach(self, *, wait: bool = False) -> None:
        """Teach the current network in the background, and save it under a new name.

        Args:
            wait: wait until it is finished, for notebooks that run unattended.

        Raises:
            ValueError: if there is no network, or too few digits to teach or to test.
        """
        if self.is_teaching:
            self._state.show_message("A network is already learning: wait until it has finished.")
            return
        model = self._state.require_model("teach")
        digits = self._state.collection.digits
        digits.reload()
        taught, held_out = digits.split()
        if not len(taught) or not len(held_out):
            raise ValueError(
                "There are too few digits: collect three of each. One of them is held out for "
                "the test."
            )
        work = partial(self._teach, model, self._state.model_key)
        self._thread = self._state.background.start(work)
        if wait and self._thread is not None:
            self._thread.join()

    def _teach(self, model: nn.Module, key: str) -> None:
        self.outcome = None
        try:
            self.outcome = self._adapt(model, key)
        finally:
            self.progress = None

    def _adapt(self, model: nn.Module, key: str) -> Outcome:
        data = self._state.load_data()
        to_teach, held_out = self._state.collection.digits.split()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ForgettingWarning)
            taught = adapt(model, to_teach, data, steps=STEPS, on_step=self._show_step)
        report = compare_before_after(model, taught, held_out, data.test)
        if caught:  # it would have forgotten MNIST, so the old weights were kept
            return Outcome(report, str(caught[0].message), has_changed=False)
        path = self._state.catalog.taught_path(key)
        save_checkpoint(taught, path, {"taught": f"{len(to_teach)} digits"})
        self._state.choose(os.fspath(path))
        text = (
            f"Saved as {path.name} beside the original. It reads now; choose above the pad who "
            "reads."
        )
        return Outcome(report, text, has_changed=True)

    def _show_step(self, step: int, loss: float) -> None:
        self._state.background.check_open()
        if step % (STEPS // PROGRESS_UPDATES) == 0:
            self.progress = step / STEPS
