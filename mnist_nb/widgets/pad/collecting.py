"""Saving drawings as your own digits: buttons for labels, and a panel that asks for digits."""

from functools import partial
from typing import Any

from ipywidgets import HTML, HBox, Label, VBox

from mnist_nb.widgets.common import make_button
from mnist_nb.widgets.pad import pad_markup
from mnist_nb.widgets.pad.collection import WANTED
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.prediction import with_article


class AnswerButtons(HBox):  # type: ignore[misc]
    """Ten buttons that save the drawing as a digit."""

    def __init__(self, state: PadState) -> None:
        buttons = []
        for digit in range(10):
            tooltip = f"Save as {with_article(digit)} among my digits"
            keep = partial(state.keep, digit)
            buttons.append(make_button(state.attempt, str(digit), tooltip, keep, width="28px"))
        super().__init__([Label("Save as"), *buttons])
        self.add_class("pad-answers")


class CollectPanel(VBox):  # type: ignore[misc]
    """The panel that asks for thirty digits, three of each."""

    def __init__(self, state: PadState) -> None:
        self._collection = state.collection
        self._request = HTML()
        new = partial(make_button, state.attempt)
        tooltip = "Ask me for digits, thirty in all"
        self._start = new("Start", tooltip, state.toggle_asking, width="90px")
        tooltip = "Save this drawing and ask for the next (Enter on the paper)"
        self._keep = new("Save, next", tooltip, state.keep_wanted, icon="check")
        tooltip = "Delete the drawing saved last"
        take_back = new("Undo last", tooltip, state.take_back, icon="undo")
        super().__init__([self._request, HBox([self._start, self._keep, take_back])])
        self._collection.observe(self._show, "snapshot")
        self._show()

    def _show(self, _: Any = None) -> None:
        snapshot = self._collection.snapshot
        is_asking = snapshot.wanted is not None
        if is_asking:
            self._start.description = "Stop"
        else:
            self._start.description = "Go on" if snapshot.collected else "Start"
        is_done = snapshot.collected == WANTED
        self._start.button_style = "" if is_asking or is_done else "primary"
        self._start.icon = "stop" if is_asking else "play"
        self._keep.disabled = not is_asking
        self._request.value = pad_markup.request(snapshot.wanted, snapshot.counts)
