"""Teaching handwriting on the pad: it asks for digits, saves each, and reports honestly."""

from __future__ import annotations

import copy
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import same_weights
from test_reading import written
from tree import part, shown

from mnist_nb import load_pretrained
from mnist_nb.data import Mnist
from mnist_nb.handwriting.adaptation import ForgettingWarning
from mnist_nb.handwriting.my_digits import MyDigits
from mnist_nb.widgets.pad import DrawingPad, teaching

from .test_pad import SEVEN, THREE, event, press, upload

FILE = Path("my_digits.safetensors")


def test_it_asks_for_three_of_each_digit_and_keeps_each_at_once(pad: DrawingPad) -> None:
    pad.state.toggle_asking()
    asked = []
    while (wish := pad.state.collection.wanted) is not None:
        asked.append(wish)
        assert f"draw a{'n' * (wish == 8)} {wish}" in shown(pad)
        pad.replay([THREE, [(10 + 2 * len(asked), 10)]])
        pad.state.keep_wanted()
        assert len(MyDigits(FILE)) == len(asked)
        assert pad.image is None
    assert sorted(asked[:10]) == sorted(asked[10:20]) == sorted(asked[20:]) == list(range(10))
    assert asked[:10] != list(range(10)), "in no obvious order"
    assert "All thirty digits are there" in shown(pad)
    assert len(MyDigits(FILE).split()[1]) == 10


def test_enter_on_the_paper_keeps_only_while_it_asks(pad: DrawingPad) -> None:
    def enter() -> None:
        event(pad, "key_down", key="Enter", shift_key=False, ctrl_key=False, meta_key=False)

    pad.replay([THREE])
    enter()
    assert len(pad.digits) == 0
    pad.state.toggle_asking()
    enter()
    assert "The pad is empty" in shown(pad)
    pad.replay([THREE])
    enter()
    assert len(pad.digits) == 1


def test_take_back_asks_for_the_digit_again(pad: DrawingPad) -> None:
    pad.state.toggle_asking()
    first = pad.state.collection.wanted
    pad.replay([THREE])
    pad.state.keep_wanted()
    assert pad.state.collection.wanted != first
    press(pad, "Delete the drawing saved last")
    assert pad.state.collection.wanted == first
    assert len(MyDigits(FILE)) == 0


def test_a_second_label_corrects_the_drawing_kept_first(
    pad: DrawingPad,
) -> None:
    pad.replay([SEVEN])
    press(pad, "Save as a 1 among my digits")
    press(pad, "Save as a 7 among my digits")
    digits = MyDigits(FILE)
    assert digits.labels.tolist() == [7]
    np.testing.assert_array_equal(digits.sketch(digits.ids[0]).to_mnist(), pad.image)
    pad.replay([THREE])
    press(pad, "Save as an 8 among my digits")
    assert MyDigits(FILE).labels.tolist() == [7, 8]


def test_the_digits_of_a_number_are_kept_with_their_strokes(
    pad: DrawingPad,
) -> None:
    pad.numbers.replay(written("2026", gap=40))
    truth, keep = part(pad, "That was"), "Save each digit of the number among my digits"
    press(pad, keep)
    digits = MyDigits(FILE)
    assert digits.labels.tolist() == [2, 0, 2, 6]
    for id, read in zip(digits.ids, pad.numbers.number.digits, strict=True):
        np.testing.assert_array_equal(digits.sketch(id).to_mnist(), read.image)
    truth.value = "2 0 2 5"
    press(pad, keep)
    assert MyDigits(FILE).labels.tolist() == [2, 0, 2, 5]
    pad.digits.delete(pad.digits.ids[1])
    press(pad, keep)
    assert sorted(MyDigits(FILE).labels.tolist()) == [0, 2, 2, 5], (
        "what was deleted comes back, and none is doubled"
    )
    truth.value = "205"
    press(pad, keep)
    assert "I see 4 digits on the page" in shown(pad)
    press(pad, "Delete the drawing saved last")
    assert len(MyDigits(FILE)) == 0


def test_a_full_disk_keeps_all_digits_of_a_number_or_none(
    pad: DrawingPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, back, replace = (
        "Save each digit of the number among my digits",
        "Delete the drawing saved last",
        os.replace,
    )
    room = 1  # for so many files

    def filling(*names: str) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(28, "No space left on device")
        replace(*names)

    monkeypatch.setattr(os, "replace", filling)
    pad.numbers.replay(written("2026", gap=40))
    press(pad, keep)
    assert MyDigits(FILE).labels.tolist() == [2, 0, 2, 6]
    press(pad, back)
    assert "No space left on device" in shown(pad)
    assert len(MyDigits(FILE)) == 4
    room = 9
    press(pad, back)
    assert len(MyDigits(FILE)) == 0


def test_an_empty_pad_is_not_saved_nor_too_few_digits_taught(pad: DrawingPad) -> None:
    press(pad, "Save as a 7 among my digits")
    assert "⚠" in shown(pad)
    assert "empty" in shown(pad)
    assert not FILE.exists()
    press(pad, "Teach the current network my digits")
    assert "too few digits" in shown(pad)


def test_digits_are_relabelled_deleted_and_brought_back(filled_pad: DrawingPad) -> None:
    gallery = filled_pad.gallery
    filled_pad.state.collection.refresh()
    part(gallery, "Digit number").value = 2
    part(gallery, "is a").value = 9
    press(filled_pad, "Change this digit's label to the chosen one")
    assert MyDigits(FILE).labels.tolist()[:3] == [0, 9, 0]
    press(filled_pad, "Delete this digit")
    assert len(MyDigits(FILE)) == 29
    press(filled_pad, "Restore the digit deleted last")
    assert MyDigits(FILE).labels.tolist()[-1] == 9
    assert part(gallery, "Digit number").value == 30
    assert shown(gallery).count("<img") == 30


def test_delete_changes_only_the_digit_that_is_shown(filled_pad: DrawingPad) -> None:
    filled_pad.state.collection.refresh()
    elsewhere = MyDigits(FILE)
    shown_id, next_id = elsewhere.ids[:2]
    elsewhere.delete(shown_id)  # in another notebook
    press(filled_pad, "Delete this digit")
    assert "deleted in another notebook" in shown(filled_pad)
    assert MyDigits(FILE).ids[0] == next_id
    assert shown(filled_pad.gallery).count("<img") == 29


def test_a_saved_drawing_returns_to_the_pad_with_its_strokes(pad: DrawingPad) -> None:
    pad.replay([THREE])
    pad.state.keep(3)
    image = pad.image
    pad.clear()
    press(pad, "Show this digit on the pad")
    np.testing.assert_array_equal(pad.image, image)
    assert len(pad.state.drawing.strokes) == 1
    pad.pictures.source.value = "one of my own digits"
    np.testing.assert_array_equal(pad.image, image)


def test_export_and_import(filled_pad: DrawingPad, workplace: Path, tiny: Mnist) -> None:
    press(filled_pad, "Write the digits as PNG files and CSV")
    press(filled_pad, "Write the digits as PNG files and CSV")
    assert "already exists" in shown(filled_pad)
    other = DrawingPad(tiny, digits="another.safetensors")
    part(other, "Import from this computer").value = upload(
        "friend.zip", Path("my_digits.zip").read_bytes()
    )
    assert MyDigits("another.safetensors").labels.tolist() == MyDigits(FILE).labels.tolist()
    part(other, "Import from this computer").value = upload("<b>song.mp3", b"la la la")
    assert "&lt;b&gt;song.mp3" in shown(other)
    assert len(MyDigits("another.safetensors")) == 30
    part(other.gallery, "File").value = "my_digits.zip"
    press(other, "Add the digits of this file or folder")
    assert "No digit was imported" in shown(other)
    press(other, "Delete the digits that the last import added")
    assert "Deleted: 30 digits" in shown(other)
    press(other, "Delete the digits that the last import added")
    assert "There is no import to undo" in shown(other)
    assert len(MyDigits("another.safetensors")) == 0


def test_a_pad_keeps_its_file_when_the_folder_changes(
    tiny: Mnist, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pad = DrawingPad(tiny)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    pad.replay([THREE])
    pad.state.keep(3)
    assert len(MyDigits(workplace / FILE)) == 1


def test_the_score_counts_and_shows_mistakes(filled_pad: DrawingPad) -> None:
    gallery = filled_pad.gallery
    read_before = gallery.score().n_correct
    part(gallery, "Digit number").value, part(gallery, "is a").value = (
        1,
        5,
    )  # the first 0 is labelled 5
    filled_pad.digits.relabel(filled_pad.digits.ids[0], 5)
    press(filled_pad, "How many of my digits does the network read?")
    score = gallery.score()
    assert score.n_correct == read_before - 1
    assert f"{score.n_correct} of your 30" in shown(gallery)
    assert "5, read 0" in shown(gallery)
    assert 'class="mistake"' in shown(gallery)


def test_teaching_saves_a_new_network_and_compares_both(
    filled_pad: DrawingPad, workplace: Path
) -> None:
    old = filled_pad.state.model
    before = copy.deepcopy(old)
    filled_pad.teaching.teach(wait=True)
    assert Path(filled_pad.state.model_key).name == "cnn.my-hand.safetensors"
    assert Path(filled_pad.state.model_key).is_file()
    assert filled_pad.state.model is not old
    assert same_weights(old, before)
    assert "of 10)" in shown(filled_pad)  # the third drawing of each digit was not taught
    assert "of 200)" in shown(filled_pad)
    assert not list(workplace.glob("cnn.safetensors"))
    filled_pad.choose("shipped:cnn")
    filled_pad.teaching.teach(wait=True)
    assert Path(filled_pad.state.model_key).name == "cnn.my-hand-2.safetensors"


def test_the_old_network_stays_if_it_would_forget(
    filled_pad: DrawingPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(model: Any, *args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            "the old weights were kept: MNIST would fall", ForgettingWarning, stacklevel=2
        )
        return load_pretrained()

    monkeypatch.setattr(teaching, "adapt", forgets)
    old = filled_pad.state.model
    filled_pad.teaching.teach(wait=True)
    assert filled_pad.state.model is old
    assert filled_pad.state.model_key == "shipped:cnn"
    assert "the old weights were kept" in shown(filled_pad)
    assert not list(Path().glob("*my-hand*"))


def test_teaching_works_again_after_an_error_that_is_shown(
    filled_pad: DrawingPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(teaching, "adapt", lambda *args, **kwargs: 1 / 0)
        filled_pad.teaching.teach(wait=True)
        assert "ZeroDivisionError" in shown(filled_pad)
    filled_pad.teaching.teach(wait=True)
    assert Path(filled_pad.state.model_key).name == "cnn.my-hand.safetensors"


def test_a_damaged_file_of_digits_is_named_and_left_alone(workplace: Path, tiny: Mnist) -> None:
    FILE.write_bytes(b"not digits")
    pad = DrawingPad(tiny)
    assert pad.replay([THREE]).digit == 3
    for title in (
        "Save as a 3 among my digits",
        "Ask me for digits, thirty in all",
        "Delete this digit",
    ):
        press(pad, title)
        assert "my_digits.safetensors is not a complete file of digits" in shown(pad)
    assert FILE.read_bytes() == b"not digits"
