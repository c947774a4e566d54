"""The pad without a pen: pick a picture, move it, turn it, thicken it, and see what that does to
the guess."""

import dataclasses
import math
from functools import partial
from typing import Any

from ipywidgets import HTML, BoundedIntText, Checkbox, Dropdown, HBox, IntRangeSlider, Label, VBox

from mnist_nb.data import Split
from mnist_nb.handwriting.my_digits import MyDigits
from mnist_nb.handwriting.pictures import picture_steps
from mnist_nb.widgets.common import labelled, make_button, make_upload, on_change
from mnist_nb.widgets.pad import pad_markup as pad_page
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.pad.state import ImageTransform
from mnist_nb.widgets.prediction import with_article

TEST, MINE = "a test image of MNIST", "one of my own digits"
_LIMITS = {
    "right": 14,
    "down": 14,
    "turn": 180,
    "scale": 11,
    "thickness": 4,
}  # of the scale: steps of a tenth


class TransformPanel(VBox):  # type: ignore[misc]
    """Picks a picture for the pad and changes it; every control is reached with Tab and pressed
    with Enter.

    Args:
        pad: what the picture is laid on, and who knows the reader's own digits.
    """

    def __init__(self, pad: Board) -> None:
        self._pad = pad
        self.source = on_change(
            pad.attempt, labelled(Dropdown, "Pick", "250px", options=[TEST, MINE]), self._pick
        )
        self.number = on_change(
            pad.attempt, labelled(BoundedIntText, "number", "170px", 0, max=9999), self._pick
        )
        self.about = HTML()
        again = "centre and scale it again, as MNIST's makers did"
        self.centred = on_change(
            pad.attempt, labelled(Checkbox, again, "auto", indent=False), self._centre
        )
        self.photo = make_upload(
            pad.attempt, "image/*", "Read a photo", self._photo_came, icon="camera"
        )
        percent = partial(labelled, IntRangeSlider, value=(0, 100), continuous_update=False)
        part = "Which part of the picture, from {}, is looked at"
        across = percent("Crop: % across", tooltip=part.format("left to right"))
        down = percent("% down", tooltip=part.format("top to bottom"))
        self._crop = [
            on_change(pad.attempt, control, self._read_photo) for control in (across, down)
        ]
        self._steps, self._name, self._file = HTML(), "", b""
        self._photo = VBox([self._steps, HBox(self._crop)], layout={"display": "none"})
        moves = [
            ("Move", "arrow-left", "Move left by one pixel", "right", -1),
            ("", "arrow-right", "Move right by one pixel", "right", 1),
            ("", "arrow-up", "Move up by one pixel", "down", -1),
            ("", "arrow-down", "Move down by one pixel", "down", 1),
            ("Turn", "rotate-left", "Turn left by 5 degrees", "turn", -5),
            ("", "rotate-right", "Turn right by 5 degrees", "turn", 5),
            ("Size", "search-plus", "Make larger by a tenth", "scale", 1),
            ("", "search-minus", "Make smaller by a tenth", "scale", -1),
            ("Line", "plus", "Thicken the line by half a pixel", "thickness", 0.5),
            ("", "minus", "Thin the line by half a pixel", "thickness", -0.5),
        ]
        row: list[Any] = []
        for label, icon, tooltip, name, by in moves:
            if label:
                row.append(Label(label, layout={"margin": "2px 2px 2px 8px"}))
            row.append(
                make_button(
                    pad.attempt, "", tooltip, partial(self._step, name, by), icon=icon, width="36px"
                )
            )
        row.append(
            make_button(
                pad.attempt, "Start over", "Take all changes back", self._reset, icon="refresh"
            )
        )
        lay = make_button(pad.attempt, "Lay it on the pad", "Show this picture", self._pick)
        pick = HBox([self.source, self.number, lay, self.photo])
        steps = HBox(row, layout={"flex_flow": "row wrap", "align_items": "center"})
        super().__init__([pick, steps, HBox([self.centred, self.about]), self._photo])

    def _pick(self) -> None:
        if self.source.value == TEST:
            self._pad.with_data(lambda data: self._lay(data.test, "MNIST's label"))
        else:
            self._pad.digits.reload()
            self._lay(self._pad.some_digits(), "yours")

    def _photo_came(self, name: str, content: bytes) -> None:
        self._file = b""  # the sliders' way back to the whole picture reads nothing
        for control in self._crop:
            control.value = (0, 100)
        self._name, self._file = name, content
        self._read_photo()

    def _read_photo(self) -> None:
        if not self._file:
            return
        (left, right), (top, bottom) = (control.value for control in self._crop)
        try:
            steps = picture_steps(self._file, (left / 100, top / 100, right / 100, bottom / 100))
        except ValueError as error:
            raise ValueError(f"{self._name}: {error}") from error
        self._pad.pick(steps.image)
        self._steps.value = pad_page.picture_steps(steps)
        self._photo.layout.display = None
        self._pad.show_message(
            f"{self._name} was prepared as MNIST's makers did. Undo takes it off the pad."
        )

    def _lay(self, source: Split | MyDigits, whose: str) -> None:
        self.number.max = len(source) - 1
        number = self.number.value
        self._pad.pick(source.images[number].numpy())
        self.about.value = (
            f"{with_article(int(source.labels[number]))} ({whose}), 0 to {len(source) - 1:,}"
        )

    def _step(self, name: str, by: float) -> None:
        value: Any = getattr(self._pad.state.transform, name)
        value = round(math.log(value, 1.1)) if name == "scale" else value
        value = min(max(value + by, -_LIMITS[name]), _LIMITS[name])
        value = 1.1**value if name == "scale" else value
        if not self._pad.state.modify(
            dataclasses.replace(self._pad.state.transform, **{name: value})
        ):
            raise ValueError(
                "There is nothing on the pad to change: draw a digit or pick a picture."
            )
        self._pad.refresh()

    def _reset(self) -> None:
        self._pad.state.transform = ImageTransform()
        self._pad.refresh()

    def _centre(self) -> None:
        self._pad.state.centred = self.centred.value
        self._pad.refresh()
