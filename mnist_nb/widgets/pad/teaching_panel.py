"""The panel that teaches a network your digits."""

from typing import Any

from ipywidgets import HTML, HBox, VBox

from mnist_nb.widgets.common import make_button
from mnist_nb.widgets.pad import pad_markup
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.pad.teaching import Teaching

ABOUT = (
    "Learns your digits together with MNIST's, in a second or two. Every third digit of yours is "
    "held out, to test the network on digits that were not taught."
)


class TeachingPanel(VBox):  # type: ignore[misc]
    """The panel that starts teaching, and shows its progress and result."""

    def __init__(self, state: PadState, teaching: Teaching) -> None:
        self._teaching = teaching
        tooltip = "Teach the current network my digits"
        teach = make_button(
            state.attempt, "Teach it my handwriting", tooltip, teaching.teach, icon="graduation-cap"
        )
        teach.button_style = "primary"
        self._outcome = HTML()
        super().__init__([HTML(pad_markup.note(ABOUT)), HBox([teach]), self._outcome])
        teaching.observe(self._show, ["progress", "outcome"])

    def _show(self, _: Any) -> None:
        progress = self._teaching.progress
        outcome = self._teaching.outcome
        if progress is not None:
            self._outcome.value = pad_markup.progress_bar(progress)
        elif outcome is not None:
            self._outcome.value = pad_markup.outcome(
                outcome.report, outcome.text, has_changed=outcome.has_changed
            )
        else:
            self._outcome.value = ""
