"""A lock for callbacks, and errors as sentences. Imports no widget."""

import threading
from collections.abc import Callable

LOCK = threading.RLock()
"""A lock for every callback and all drawing: ipycanvas has one buffer for all canvases, and events
can arrive in another thread than the running cell."""

Attempt = Callable[[Callable[[], object]], None]
"""A function that performs the action of a click and shows any error."""


def describe_error(error: Exception) -> str:
    """Return an error as a sentence, with its type if it is not one of this package."""
    text = str(error) or type(error).__name__
    if isinstance(error, ValueError | OSError):
        return text
    return f"{type(error).__name__}: {text}"
