"""Pictures on the pad instead of a drawing: test images, your digits, and photos."""

from functools import partial
from typing import NamedTuple

from ipywidgets import (
    HTML,
    BoundedIntText,
    Button,
    Checkbox,
    Dropdown,
    HBox,
    Label,
    VBox,
)

from mnist_nb.data import Split
from mnist_nb.handwriting.my_digits import MyDigits
from mnist_nb.handwriting.picture_files import Crop
from mnist_nb.handwriting.pictures import picture_steps
from mnist_nb.widgets.common import labelled, make_button, on_change
from mnist_nb.widgets.pad import pad_markup
from mnist_nb.widgets.pad.photo import PhotoPicker
from mnist_nb.widgets.pad.state import PadState
from mnist_nb.widgets.prediction import with_article

TEST_IMAGE = "a test image of MNIST"
OWN_DIGIT = "one of my own digits"


class Change(NamedTuple):
    """A button that changes a picture by one step."""

    icon: str
    tooltip: str
    name: str  # of the attribute of ImageTransform
    step: float


CHANGES = {
    "Move": (
        Change("arrow-left", "Move left by one pixel", "right", -1),
        Change("arrow-right", "Move right by one pixel", "right", 1),
        Change("arrow-up", "Move up by one pixel", "down", -1),
        Change("arrow-down", "Move down by one pixel", "down", 1),
    ),
    "Turn": (
        Change("rotate-left", "Turn left by 5 degrees", "turn", -5),
        Change("rotate-right", "Turn right by 5 degrees", "turn", 5),
    ),
    "Size": (
        Change("search-plus", "Make larger by a tenth", "scale", 1),
        Change("search-minus", "Make smaller by a tenth", "scale", -1),
    ),
    "Line": (
        Change("plus", "Thicken the line by half a pixel", "thickness", 0.5),
        Change("minus", "Thin the line by half a pixel", "thickness", -0.5),
    ),
}


class PicturePanel(VBox):  # type: ignore[misc]
    """The panel that picks a picture and changes it, also with the keyboard alone.

    Attributes:
        source, number: the source and the number of the picture.
        centred: whether it is prepared again after a change.
    """

    def __init__(self, state: PadState) -> None:
        self._state = state
        options = [TEST_IMAGE, OWN_DIGIT]
        self.source = labelled(Dropdown, "Pick", "250px", options=options)
        self.number = labelled(BoundedIntText, "number", "170px", 0, max=9999)
        for control in (self.source, self.number):
            on_change(state.attempt, control, self._pick)
        show = make_button(state.attempt, "Show it on the pad", "Show this picture", self._pick)
        description = "centre and scale it again, like MNIST's images"
        self.centred = labelled(Checkbox, description, "auto", indent=False)
        on_change(state.attempt, self.centred, self._centre)
        self._about = HTML()
        super().__init__(
            [
                HBox([self.source, self.number, show]),
                self._make_changes(),
                HBox([self.centred, self._about]),
            ]
        )

    def _make_changes(self) -> HBox:
        """The row of buttons that change the picture; a narrow one wraps between their kinds."""
        new = partial(make_button, self._state.attempt)
        groups: list[HBox | Button] = []
        for title, changes in CHANGES.items():
            group: list[Label | Button] = [Label(title, layout={"margin": "2px 2px 2px 8px"})]
            for icon, tooltip, name, step in changes:
                action = partial(self._change, name, step)
                group.append(new("", tooltip, action, icon=icon, width="36px"))
            groups.append(HBox(group, layout={"align_items": "center"}))
        reset = self._state.drawing.reset_transform
        groups.append(new("Start over", "Undo all changes", reset, icon="refresh"))
        return HBox(groups, layout={"align_items": "center"})

    def _pick(self) -> None:
        if self.source.value == TEST_IMAGE:
            self._state.with_data(lambda data: self._lay(data.test, "MNIST's label"))
            return
        collection = self._state.collection
        collection.digits.reload()
        self._lay(collection.existing_digits(), "yours")

    def _lay(self, source: Split | MyDigits, whose: str) -> None:
        last = len(source) - 1
        self.number.max = last
        number = self.number.value
        self._state.drawing.pick(source.images[number].numpy())
        label = with_article(int(source.labels[number]))
        self._about.value = f"{label} ({whose}), 0 to {last:,}"

    def _change(self, name: str, step: float) -> None:
        drawing = self._state.drawing
        drawing.modify(drawing.transform.change(name, step))

    def _centre(self) -> None:
        self._state.drawing.set_centred(self.centred.value)


class PhotoPanel(PhotoPicker):
    """The panel that reads a digit in an uploaded photo, and shows its preparation."""

    def __init__(self, state: PadState) -> None:
        self._pad_state = state
        super().__init__("Read a photo", self._prepare)

    def _prepare(self, name: str, photo: bytes, crop: Crop) -> str:
        steps = picture_steps(photo, crop)
        self._pad_state.drawing.pick(steps.image)
        self._pad_state.look_for_number(steps.picture)
        self._pad_state.show_message(
            f"{name} was prepared like MNIST's images. Undo removes it from the pad."
        )
        return pad_markup.picture_steps(steps)
