"""If several digits are drawn on the paper for one, the pad says so and offers the page for
numbers."""

import io

import pytest
from test_reading import picture_of, sketch_of, written
from tree import part, shown

from mnist_nb.handwriting.several import find_number
from mnist_nb.widgets.pad import DrawingPad
from mnist_nb.widgets.pad.reading import NumberOffer

from .test_pad import upload


def write(pad: DrawingPad, text: str) -> None:
    pad.replay(written(text))


def offer(pad: DrawingPad) -> str:
    """Return the sentence about the number; empty if it is hidden."""
    row = part(pad, NumberOffer)
    return shown(row) if row.layout.visibility == "visible" else ""


@pytest.mark.parametrize("text", ["42", "20", "264"])
def test_several_digits_side_by_side_are_a_number(text: str) -> None:
    for source in (sketch_of(written(text)), picture_of(written(text))):
        found = find_number(source)
        assert found is not None
        assert found.text == text


@pytest.mark.parametrize("text", ["4", "5", "7", "2\n6"])
def test_one_digit_or_two_lines_are_not_a_number(text: str) -> None:
    assert find_number(sketch_of(written(text))) is None
    assert find_number(picture_of(written(text))) is None


def test_touching_digits_are_not_a_plain_number() -> None:
    assert find_number(sketch_of(written("20", gap=-14))) is None


def test_a_number_on_the_paper_is_offered(pad: DrawingPad) -> None:
    write(pad, "4")
    assert offer(pad) == ""
    pad.clear()
    write(pad, "42")
    assert offer(pad) == "This looks like 42."
    pad.undo()
    assert offer(pad) == ""


def test_a_photo_of_a_number_goes_to_its_page(pad: DrawingPad) -> None:
    content = io.BytesIO()
    picture_of(written("42")).save(content, "PNG")
    pad.photo.upload.value = upload("number.png", content.getvalue())
    assert offer(pad) == "This looks like 42."
    part(pad, "Open Whole numbers").click()
    assert "42" in pad.numbers.photo.shown.value
    assert pad.image is None
    assert offer(pad) == ""


def test_a_photo_of_a_digit_is_no_number(pad: DrawingPad) -> None:
    content = io.BytesIO()
    picture_of(written("4")).save(content, "PNG")
    pad.photo.upload.value = upload("digit.png", content.getvalue())
    assert pad.image is not None
    assert offer(pad) == ""


def test_one_click_moves_the_number_to_its_page(pad: DrawingPad) -> None:
    write(pad, "42")
    part(pad, "Open Whole numbers").click()
    assert pad.numbers.number.text == "42"
    tabs = next(child for child in pad.children if hasattr(child, "selected_index"))
    assert tabs.titles[tabs.selected_index] == "Whole numbers"
    assert pad.image is None
    assert offer(pad) == ""
    pad.undo()
    assert pad.image is not None
