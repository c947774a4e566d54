"""What the drawing pad's panels share: a pad to work on, buttons, and callbacks that never lose an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ipywidgets import Button, FileUpload, Widget

from mnist_nb.widgets.canvas import LOCK

MAX_UPLOAD_BYTES = 64 * 2**20
"""Bytes: more than any photo, model or collection of digits here needs."""


def discard(widget: Widget) -> None:
    """Take a widget, all that is in it, and their layouts and styles out of the page and out of memory.

    ipywidgets keeps every widget until it is closed, and closing one does not close those that belong to it.
    """
    for part in (*getattr(widget, "children", ()), getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, Widget):
            discard(part)
    Widget.close(widget)


class Speaker(Protocol):
    """A panel that can show a sentence."""

    def say(self, text: str, *, wrong: bool = False) -> None: ...


Panel = TypeVar("Panel", bound=Speaker)


def guarded(method: Callable[[Panel], None]) -> Callable[..., None]:
    """A callback for a widget: what it is called with is dropped, and what it raises becomes a sentence.

    An exception in a callback would otherwise end in a log that nobody reads.
    """

    @functools.wraps(method)
    def call(self: Panel, *_: Any) -> None:
        with LOCK:
            try:
                method(self)
            except Exception as error:  # whatever it is, the reader is told and goes on drawing
                self.say(in_words(error), wrong=True)

    return call


def in_words(error: Exception) -> str:
    """An error as a sentence; our own already are."""
    text = str(error) or type(error).__name__
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text}"


def counted(digits: int) -> str:
    """ "1 digit", "2 digits"."""
    return f"{digits} digit{'' if digits == 1 else 's'}"


def button(label: str, tooltip: str, clicked: Callable[..., None], *, icon: str = "", width: str = "auto") -> Button:
    """A button; its tooltip is the full name that is read aloud where the label is only a sign."""
    made = Button(description=label, tooltip=tooltip, icon=icon, layout={"width": width})
    made.on_click(clicked)
    return made


def take(upload: FileUpload) -> tuple[str, bytes] | None:
    """Name and content of the file that was chosen, if one was, and room for the same one to be chosen again.

    Raises:
        ValueError: if it is too large.
    """
    if not upload.value:
        return None
    name, content = str(upload.value[0]["name"]), bytes(upload.value[0]["content"])
    upload.value = ()
    if len(content) > MAX_UPLOAD_BYTES:
        raise ValueError(f"{name} is larger than {MAX_UPLOAD_BYTES // 2**20} MB: choose a smaller file")
    return name, content
