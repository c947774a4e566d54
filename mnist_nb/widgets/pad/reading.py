"""The network's reading of the pad, and the last sentence."""

from collections.abc import Callable
from typing import Any

from ipywidgets import HTML, Checkbox, HBox

from mnist_nb.widgets.common import make_button, on_change
from mnist_nb.widgets.markup import message
from mnist_nb.widgets.pad import pad_markup
from mnist_nb.widgets.pad.state import PadState


class ReadingView(HTML):  # type: ignore[misc]
    """The network's reading: a sentence, ten bars, and its input."""

    def __init__(self, state: PadState) -> None:
        super().__init__()
        self.add_class("pad-verdict")
        self._pad_state = state
        state.observe(self._show, "reading")
        self._show()

    def _show(self, _: Any = None) -> None:
        image, prediction = self._pad_state.reading
        self.value = pad_markup.reading(image, prediction)


class RefusalCheckbox(Checkbox):  # type: ignore[misc]
    """The checkbox that allows the network to reject a drawing."""

    def __init__(self, state: PadState) -> None:
        super().__init__(state.can_refuse, description="Say when it is not a digit", indent=False)
        self.style.description_width = "initial"
        self._pad_state = state
        on_change(state.attempt, self, self._set)

    def _set(self) -> None:
        self._pad_state.can_refuse = self.value


class NumberOffer(HBox):  # type: ignore[misc]
    """The notice that the paper shows a number, with a button for the page for numbers.

    Its space is reserved while it is hidden, so that nothing moves.

    Args:
        state: the state of the pad.
        open_number: opens the page with the content of the paper.
    """

    def __init__(self, state: PadState, open_number: Callable[[], object]) -> None:
        self._pad_state = state
        self._words = HTML()
        tooltip = "Read it on the page for whole numbers"
        button = make_button(state.attempt, "Open Whole numbers", tooltip, open_number)
        super().__init__([self._words, button], layout={"align_items": "center"})
        state.observe(self._show, "number")
        self._show()

    def _show(self, _: Any = None) -> None:
        number = self._pad_state.number
        self.layout.visibility = "visible" if number else "hidden"
        if number:
            self._words.value = f"This looks like {number}."


class MessageView(HTML):  # type: ignore[misc]
    """The last sentence of the pad. Its space is fixed, so that nothing moves.

    Four lines fit; a longer sentence, such as one with a long path, scrolls.
    """

    def __init__(self, state: PadState) -> None:
        super().__init__(
            layout={"width": "430px", "height": "76px", "margin": "0", "overflow": "auto"}
        )
        self._pad_state = state
        state.observe(self._show, "message")

    def _show(self, _: Any) -> None:
        text, is_error = self._pad_state.message
        self.value = message(text, is_error=is_error)
