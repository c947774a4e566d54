"""What the panels share: a box that can be closed and shows errors, buttons and uploads."""

from collections.abc import Callable
from typing import Any

from ipywidgets import Button, FileUpload, VBox, Widget

from mnist_nb.widgets.callbacks import LOCK, Attempt, describe_error

MAX_UPLOAD_BYTES = 64 * 2**20
"""More than any photo, model or collection of digits here needs."""

MAX_NAME = 60
"""Characters of an uploaded file's name that are shown."""


class Panel(VBox):  # type: ignore[misc]
    """A box of controls that shows the errors of its callbacks, which would end in a log."""

    def close(self) -> None:
        """Remove the panel and everything in it from the page and from memory."""
        discard(self)

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Show a sentence in the panel."""
        raise NotImplementedError

    def attempt(self, action: Callable[[], object]) -> None:
        """Perform what a click asks for; show an error as a sentence and stay usable."""
        with LOCK:
            try:
                action()
            except Exception as error:
                self.show_message(describe_error(error), is_error=True)

    def __repr__(self) -> str:
        # the same every time, since notebooks are checked by their text
        return f"{type(self).__name__}()"


def discard(widget: Widget) -> None:
    """Remove a widget, all that is in it, and their layouts and styles from page and memory.

    ipywidgets keeps every widget until it is closed, and closing one does not close its parts.
    """
    parts = [*getattr(widget, "children", ())]
    parts += [getattr(widget, "layout", None), getattr(widget, "style", None)]
    for part in parts:
        if isinstance(part, Widget):
            discard(part)
    Widget.close(widget)


def make_button(
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


def labelled(
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


def make_upload(
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
            name = shorten_name(str(made.value[0]["name"]))
            content = bytes(made.value[0]["content"])
            made.value = ()
            if len(content) > MAX_UPLOAD_BYTES:
                raise ValueError(
                    f"{name} is larger than {MAX_UPLOAD_BYTES // 2**20} MB: choose a smaller file"
                )
            use(name, content)

    on_change(attempt, made, take)
    return made


def shorten_name(name: str) -> str:
    """Return a file's name for sentences and lists: its start and its end if it is long."""
    if len(name) > MAX_NAME:
        return f"{name[: MAX_NAME - 20]}...{name[-17:]}"
    return name or "the file"
