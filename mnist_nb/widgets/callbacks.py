"""What callbacks of the page share: one lock, and errors that become sentences. No widget here."""

import threading
from collections.abc import Callable

LOCK = threading.RLock()
"""Held by every callback and around all drawing: ipycanvas keeps one buffer for all canvases, and
events may arrive on another thread than the running cell."""

Attempt = Callable[[Callable[[], object]], None]
"""Performs what a click asks for, and shows the reader what went wrong."""


def describe_error(error: Exception) -> str:
    """Return an error as a sentence: ours are sentences, others get their type in front."""
    text = str(error) or type(error).__name__
    if isinstance(error, ValueError | OSError):
        return text
    return f"{type(error).__name__}: {text}"
