"""Widgets shared by the panels: a box that shows errors and can be closed, buttons, uploads."""

from collections.abc import Callable
from importlib import resources
from typing import Any

from ipywidgets import HTML, Button, FileUpload, Output, VBox, Widget

from mnist_nb.widgets.callbacks import LOCK, Attempt, describe_error
from mnist_nb.widgets.markup import stylesheet

MAX_UPLOAD_BYTES = 10 * 10**6
"""The size limit of uploads. Each button states it, because larger files do not reach the kernel:
Jupyter's server drops the connection at a message of more than 10 * 2^20 bytes."""

MAX_NAME = 60
"""The number of characters shown of an uploaded file's name."""


class Panel(VBox):  # type: ignore[misc]
    """A box of controls that shows errors of its callbacks, which Jupyter would only log."""

    def close(self) -> None:
        """Remove the panel and everything in it from the page and from memory."""
        discard(self)

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Show a sentence in the panel."""
        raise NotImplementedError

    def attempt(self, action: Callable[[], object]) -> None:
        """Perform an action, and show any error as a sentence."""
        with LOCK:
            try:
                action()
            except Exception as error:
                self.show_message(describe_error(error), is_error=True)

    def __repr__(self) -> str:
        # always the same, because tests compare the notebooks' text
        return f"{type(self).__name__}()"


def discard(widget: Widget) -> None:
    """Remove a widget, its children, and their layouts and styles from page and memory.

    ipywidgets keeps every widget until it is closed, and closing one does not close its parts.
    """
    parts = [*getattr(widget, "children", ())]
    parts += [getattr(widget, "layout", None), getattr(widget, "style", None)]
    for part in parts:
        if isinstance(part, Widget):
            discard(part)
    Widget.close(widget)


def page_parts() -> list[Widget]:
    """Return the invisible widgets of each panel: its style, and a script that names sliders."""
    return [HTML(stylesheet()), page_script("sliders.js")]


def page_script(path: str) -> Output:
    """Return an invisible widget that runs a script in the browser.

    Args:
        path: relative to this package.
    """
    code = resources.files(__package__).joinpath(path).read_text(encoding="utf-8")
    output = {
        "output_type": "display_data",
        "data": {"application/javascript": code},
        "metadata": {},
    }
    return Output(outputs=(output,), layout={"display": "none"})


def make_button(
    attempt: Attempt,
    label: str,
    tooltip: str,
    action: Callable[[], object],
    *,
    icon: str = "",
    width: str = "auto",
) -> Button:
    """Return a button. Screen readers read its tooltip if the label is only a symbol."""
    made = Button(description=label, tooltip=tooltip, icon=icon, layout={"width": width})
    made.on_click(lambda _: attempt(action))
    return made


def on_change(attempt: Attempt, control: Widget, action: Callable[[], object]) -> Any:
    """Attempt the action whenever the control's value changes, and return the control."""
    control.observe(lambda _: attempt(action), "value")
    return control


def labelled(
    kind: type[Widget], description: str, width: str | None = None, *arguments: Any, **options: Any
) -> Any:
    """Return a control whose description is as wide as necessary."""
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
    """Return a button for uploading a file, also the same file again.

    The style sheet shows its tooltip instead of ipywidgets' "description (0)".
    """
    made = FileUpload(
        accept=accept,
        description=description,
        tooltip=f"{description} (up to {MAX_UPLOAD_BYTES // 10**6} MB)",
        icon=icon,
        layout={"width": "auto"},
    )

    def take() -> None:
        if made.value:
            name = shorten_name(str(made.value[0]["name"]))
            content = bytes(made.value[0]["content"])
            made.value = ()
            if not content:
                raise ValueError(f"{name} is empty: choose another file")
            if len(content) > MAX_UPLOAD_BYTES:
                raise ValueError(
                    f"{name} is larger than {MAX_UPLOAD_BYTES // 10**6} MB: choose a smaller file"
                )
            use(name, content)

    on_change(attempt, made, take)
    return made


def shorten_name(name: str) -> str:
    """Return a file's name for sentences and lists, shortened in the middle if it is long."""
    if len(name) > MAX_NAME:
        return f"{name[: MAX_NAME - 20]}...{name[-17:]}"
    return name or "the file"
