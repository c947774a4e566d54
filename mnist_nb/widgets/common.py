"""What the panels share: buttons, uploads, and callbacks that never lose an error."""

import re
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, Self

from IPython.core.getipython import get_ipython
from ipywidgets import Button, FileUpload, VBox, Widget

from mnist_nb.data.arguments import check_arguments
from mnist_nb.widgets.canvas import LOCK

MAX_UPLOAD_BYTES = 64 * 2**20
"""More than any photo, model or collection of digits here needs."""

Attempt = Callable[[Callable[[], object]], None]
"""Does what a click asks for, and tells the reader if it cannot be done."""


_MADE: dict[
    str, tuple[str, list[weakref.ref["Panel"]]]
] = {}  # by cell: which execution of it, and its panels


class Panel(VBox):  # type: ignore[misc]
    """A box of controls that says what could not be done; errors in callbacks end in a log that
    nobody reads.

    ipywidgets keeps what was made until it is closed, and IPython what was shown. So running a
    panel's cell again closes the panels that the cell made before.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        panel: Self = super().__new__(cls, *args, **kwargs)
        _take_the_place_of_earlier_ones(panel)
        return panel

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, method in list(vars(cls).items()):
            if isinstance(method, FunctionType) and (
                name == "__init__" or not name.startswith("_")
            ):
                setattr(cls, name, check_arguments(method))

    def close(self) -> None:
        """Take the panel and all that is in it out of the page and out of memory."""
        discard(self)

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show a sentence in the panel."""
        raise NotImplementedError

    def attempt(self, action: Callable[[], object]) -> None:
        """Do what a click asks for; what it raises becomes a sentence, and the panel stays
        usable."""
        with LOCK:
            self.explain_errors(action)

    def explain_errors(self, action: Callable[[], object]) -> None:
        """Do it while clicks go on; what it raises becomes a sentence."""
        try:
            action()
        except Exception as error:  # whatever it is, the reader is told
            self.say(in_words(error), wrong=True)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}()"  # notebooks are checked by their text: the same every time
        )


def discard(widget: Widget) -> None:
    """Take a widget, all that is in it, and their layouts and styles out of the page and out of
    memory.

    ipywidgets keeps every widget until it is closed, and closing one does not close those that
    belong to it.
    """
    for part in (
        *getattr(widget, "children", ()),
        getattr(widget, "layout", None),
        getattr(widget, "style", None),
    ):
        if isinstance(part, Widget):
            discard(part)
    Widget.close(widget)


def _take_the_place_of_earlier_ones(panel: Panel) -> None:
    """Close what earlier executions of the cell that is running have made; nothing outside a
    notebook's cell."""
    shell: Any = get_ipython()
    request = shell.get_parent() if hasattr(shell, "get_parent") else {}
    if not request or request["header"]["msg_type"] != "execute_request":
        return
    # which cell it is, JupyterLab and others tell; where nobody does, the same text is the same
    # cell
    cell, execution = (
        request["metadata"].get("cellId") or request["content"]["code"],
        request["header"]["msg_id"],
    )
    before, panels = _MADE.get(cell, (execution, []))
    if before != execution:
        for earlier in filter(None, (reference() for reference in panels)):
            earlier.close()
            for shown in (*shell.all_ns_refs, shell.user_ns["_oh"], vars(shell.displayhook)):
                for name in [name for name, value in shown.items() if value is earlier]:
                    if re.fullmatch(r"_*\d*", str(name)):  # 5 of Out[5], _5, _, __ or ___
                        shown[name] = None
        panels = []
    _MADE[cell] = execution, [*panels, weakref.ref(panel)]


def in_words(error: Exception) -> str:
    """An error as a sentence; our own already are."""
    text = str(error) or type(error).__name__
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text}"


def counted(digits: int) -> str:
    """ "1 digit", "2 digits"."""
    return f"{digits} digit{'' if digits == 1 else 's'}"


def button(
    attempt: Attempt,
    label: str,
    tooltip: str,
    action: Callable[[], object],
    *,
    icon: str = "",
    width: str = "auto",
) -> Button:
    """A button; its tooltip is the full name that is read aloud where the label is only a sign."""
    made = Button(description=label, tooltip=tooltip, icon=icon, layout={"width": width})
    made.on_click(lambda _: attempt(action))
    return made


def on_change(attempt: Attempt, control: Widget, action: Callable[[], object]) -> Any:
    """Attempt the action whenever the control's value changes; the control."""
    control.observe(lambda _: attempt(action), "value")
    return control


def beside(
    kind: type[Widget], description: str, width: str | None = None, *arguments: Any, **options: Any
) -> Any:
    """A control of this kind whose description takes as much room as it needs."""
    layout = {"width": width} if width else {}
    return kind(
        *arguments,
        description=description,
        layout=layout,
        style={"description_width": "initial"},
        **options,
    )


def upload(
    attempt: Attempt,
    accept: str,
    description: str,
    use: Callable[[str, bytes], None],
    icon: str = "",
) -> FileUpload:
    """A button that takes a file, whose name and content are used; the same file can be chosen
    again.

    The style shows its tooltip in place of ipywidgets' "description (0)".
    """
    made = FileUpload(
        accept=accept,
        description=description,
        tooltip=description,
        icon=icon,
        layout={"width": "auto"},
    )

    def take() -> None:
        if made.value:
            name, content = str(made.value[0]["name"]), bytes(made.value[0]["content"])
            made.value = ()
            if len(content) > MAX_UPLOAD_BYTES:
                raise ValueError(
                    f"{name} is larger than {MAX_UPLOAD_BYTES // 2**20} MB: choose a smaller file"
                )
            use(name, content)

    on_change(attempt, made, take)
    return made
