"""The pad without a pen: pick a picture, move it, turn it, thicken it, and see what that does to the guess."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from ipywidgets import HTML, BoundedIntText, Checkbox, Dropdown, HBox, IntRangeSlider, Label, VBox

from mnist_nb.data import Mnist
from mnist_nb.drawing.pictures import picture_steps
from mnist_nb.widgets.common import beside, button, on_change, upload
from mnist_nb.widgets.pad import html as pad_page
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.pad.state import ImageTransform
from mnist_nb.widgets.prediction import with_article

TEST, MINE = "a test image of MNIST", "one of my own digits"
_TURN, _SCALE, _THICKNESS = 5, 1.1, 0.5
_LIMITS = {"right": 14, "down": 14, "turn": 180, "thickness": 4}


class TransformPanel(VBox):  # type: ignore[misc]
    """Picks a picture for the pad and changes it; every control is reached with Tab and pressed with Enter.

    Args:
        pad: what the picture is laid on.
        my_digits: gives the reader's own digits, (images uint8 `[N, 28, 28]`, labels), as they are now.
    """

    def __init__(self, pad: Board, my_digits: Callable[[], tuple[Any, Any]]) -> None:
        self._pad, self._my_digits = pad, my_digits
        self.source = beside(Dropdown, "Pick", "250px", options=[TEST, MINE])
        self.number = beside(BoundedIntText, "number", "170px", 0, min=0, max=9999)
        self.about = HTML()
        self.centred = Checkbox(
            description="centre and scale it again, as MNIST's makers did", indent=False, layout={"width": "auto"}
        )
        self.photo = upload(pad.attempt, "image/*", "Read a photo", self._photo_came, icon="camera")
        percent = partial(beside, IntRangeSlider, value=(0, 100), continuous_update=False)
        part = "Which part of the picture, from {}, is looked at"
        self.across = percent("Crop: % across", tooltip=part.format("left to right"))
        self.down = percent("% down", tooltip=part.format("top to bottom"))
        self._steps, self._name, self._file = HTML(), "", b""
        self._photo = VBox([self._steps, HBox([self.across, self.down])], layout={"display": "none"})
        for control in (self.across, self.down):
            on_change(pad.attempt, control, self._read_photo)
        for control in (self.source, self.number):
            on_change(pad.attempt, control, self._pick)
        on_change(pad.attempt, self.centred, self._centre)
        moves: list[tuple[str, str, str, dict[str, float]]] = [
            ("Move", "arrow-left", "Move left by one pixel", {"right": -1}),
            ("", "arrow-right", "Move right by one pixel", {"right": 1}),
            ("", "arrow-up", "Move up by one pixel", {"down": -1}),
            ("", "arrow-down", "Move down by one pixel", {"down": 1}),
            ("Turn", "rotate-left", "Turn left by 5 degrees", {"turn": -_TURN}),
            ("", "rotate-right", "Turn right by 5 degrees", {"turn": _TURN}),
            ("Size", "search-plus", "Make larger by a tenth", {"scale": _SCALE}),
            ("", "search-minus", "Make smaller by a tenth", {"scale": 1 / _SCALE}),
            ("Line", "plus", "Thicken the line by half a pixel", {"thickness": _THICKNESS}),
            ("", "minus", "Thin the line by half a pixel", {"thickness": -_THICKNESS}),
        ]
        row: list[Any] = []
        for label, icon, tooltip, step in moves:
            if label:
                row.append(Label(label, layout={"margin": "2px 2px 2px 8px"}))
            row.append(button(pad.attempt, "", tooltip, partial(self._step, step), icon=icon, width="36px"))
        row.append(button(pad.attempt, "Start over", "Take all changes back", self._reset, icon="refresh"))
        lay = button(pad.attempt, "Lay it on the pad", "Show this picture", self._pick)
        steps = HBox(row, layout={"flex_flow": "row wrap", "align_items": "center"})
        super().__init__(
            [HBox([self.source, self.number, lay, self.photo]), steps, HBox([self.centred, self.about]), self._photo]
        )

    def _pick(self) -> None:
        if self.source.value == TEST:
            self._pad.with_data(self._pick_test_image)
            return
        images, labels = self._my_digits()
        if not len(labels):
            raise ValueError("There are no digits of yours yet: collect some under My digits, or pick a test image.")
        self._lay(images, labels, "yours")

    def _photo_came(self, name: str, content: bytes) -> None:
        self._name = ""  # the sliders' way back to the whole picture reads nothing
        self.across.value = self.down.value = (0, 100)
        self._name, self._file = name, content
        self._read_photo()

    def _read_photo(self) -> None:
        if not self._name:
            return
        (left, right), (top, bottom) = self.across.value, self.down.value
        try:
            steps = picture_steps(self._file, (left / 100, top / 100, right / 100, bottom / 100))
        except ValueError as error:
            raise ValueError(f"{self._name}: {error}") from error
        self._pad.pick(steps.image)
        self._steps.value = pad_page.picture_steps(steps)
        self._photo.layout.display = None
        self._pad.say(f"{self._name} was prepared as MNIST's makers did. Undo takes it off the pad.")

    def _pick_test_image(self, data: Mnist) -> None:
        self._lay(data.test.images.numpy(), data.test.labels, "MNIST's label")

    def _lay(self, images: Any, labels: Any, whose: str) -> None:
        number = min(self.number.value, len(labels) - 1)
        self.number.max = len(labels) - 1
        self._pad.state.pick(images[number])
        self._pad.refresh()
        self.about.value = f"{with_article(int(labels[number]))} ({whose}), 0 to {len(labels) - 1:,}"

    def _step(self, step: dict[str, float]) -> None:
        ((name, by),) = step.items()
        value = getattr(self._pad.state.transform, name)
        if name == "scale":
            value = round(min(max(value * by, 0.3), 3), 4)
            value = 1 if abs(value - 1) < 0.01 else value  # there and back again is where it was
        else:
            value = min(max(value + by, -_LIMITS[name]), _LIMITS[name])
        if not self._pad.state.modify(dataclasses.replace(self._pad.state.transform, **{name: value})):
            raise ValueError("There is nothing on the pad to change: draw a digit or pick a picture.")
        self._pad.refresh()

    def _reset(self) -> None:
        self._pad.state.transform = ImageTransform()
        self._pad.refresh()

    def _centre(self) -> None:
        self._pad.state.centred = self.centred.value
        self._pad.refresh()
