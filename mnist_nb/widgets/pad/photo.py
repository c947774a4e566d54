"""Upload and crop a photo."""

from collections.abc import Callable

from ipywidgets import HTML, HBox, IntRangeSlider, VBox

from mnist_nb.handwriting.picture_files import Crop
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.common import Panel, labelled, make_upload, on_change
from mnist_nb.widgets.markup import message


class PhotoPicker(Panel):
    """A button for uploading a photo, with its result and sliders for cropping below.

    Errors are shown below the button, because the pad's message may be out of view.

    Args:
        description: the label of the button.
        read: called with the name, the content and the crop of a photo when one of them changes;
            returns the result as HTML.

    Attributes:
        upload: the button.
        problem: the last error; empty without one.
        across, down: the part of the photo to use, in percent.
        shown: the result.
        result: a box with the result and the sliders, hidden without a photo.
    """

    def __init__(self, description: str, read: Callable[[str, bytes, Crop], str]) -> None:
        self._read = read
        self._name = ""
        self._photo = b""
        self.upload = make_upload(self.attempt, "image/*", description, self.take, icon="camera")
        self.across = self._make_crop("Crop: % across", "left to right")
        self.down = self._make_crop("% down", "top to bottom")
        self.problem = HTML()
        self.shown = HTML()
        self.result = VBox([self.shown, HBox([self.across, self.down])])
        self.result.layout.display = "none"
        super().__init__([HBox([self.upload]), self.problem, self.result])

    def _make_crop(self, description: str, direction: str) -> IntRangeSlider:
        slider = labelled(
            IntRangeSlider,
            description,
            value=(0, 100),
            continuous_update=False,
            tooltip=f"Which part of the picture, from {direction}, is looked at",
        )
        on_change(self.attempt, slider, self.refresh)
        return slider

    def attempt(self, action: Callable[[], object]) -> None:
        """Perform an action with the photo. An error replaces the last one below the button."""
        with LOCK:
            self.problem.value = ""
            super().attempt(action)

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Show a sentence below the button."""
        self.problem.value = message(text, is_error=is_error)

    def take(self, name: str, content: bytes) -> None:
        """Read a photo and show the result.

        Raises:
            ValueError: if it cannot be read.
        """
        self.close_photo()
        self._name = name
        self._photo = content
        self.refresh()

    def hand_to(self, other: "PhotoPicker") -> None:
        """Show the photo in another picker instead, with the same crop."""
        across, down = self.across.value, self.down.value
        other.take(self._name, self._photo)
        self.close_photo()
        other.across.value, other.down.value = across, down

    def close_photo(self) -> None:
        """Remove the photo."""
        self.result.layout.display = "none"
        self._photo = b""  # resetting the sliders must not read it
        for slider in (self.across, self.down):
            slider.value = (0, 100)

    def refresh(self) -> None:
        """Read the photo again, if there is one."""
        if not self._photo:
            return
        left, right = (percent / 100 for percent in self.across.value)
        top, bottom = (percent / 100 for percent in self.down.value)
        try:
            self.shown.value = self._read(self._name, self._photo, (left, top, right, bottom))
        except ValueError as error:
            raise ValueError(f"{self._name}: {error}") from error
        self.result.layout.display = None
