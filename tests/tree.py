"""Find the parts of a panel by their visible labels."""

from collections.abc import Iterator
from typing import Any

from ipywidgets import HTML, Widget


def widgets(root: Widget) -> Iterator[Any]:
    """Yield the widget and all its descendants, in order."""
    yield root
    for child in getattr(root, "children", ()):
        yield from widgets(child)


def part(root: Widget, description: str | type[Widget]) -> Any:
    """Return the first widget in a panel with this description, or of this class."""
    if isinstance(description, str):
        return next(
            one for one in widgets(root) if getattr(one, "description", None) == description
        )
    return next(one for one in widgets(root) if isinstance(one, description))


def shown(root: Widget) -> str:
    """Return all HTML that a panel shows."""
    return "\n".join(one.value for one in widgets(root) if isinstance(one, HTML))
