"""Finding the parts of a panel as a reader does: by what stands on them."""

from collections.abc import Iterator
from typing import Any

from ipywidgets import HTML, Widget


def widgets(root: Widget) -> Iterator[Any]:
    """The widget and all that is in it, in the order in which they stand."""
    yield root
    for child in getattr(root, "children", ()):
        yield from widgets(child)


def part(root: Widget, description: str | type[Widget]) -> Any:
    """The first widget in a panel that bears this description, or is of this class."""
    if isinstance(description, str):
        return next(
            one for one in widgets(root) if getattr(one, "description", None) == description
        )
    return next(one for one in widgets(root) if isinstance(one, description))


def shown(root: Widget) -> str:
    """All that a panel shows as HTML."""
    return "\n".join(one.value for one in widgets(root) if isinstance(one, HTML))
