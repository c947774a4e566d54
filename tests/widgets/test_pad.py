"""The drawing pad reads its image as the network does, whatever a reader does with mouse or
keyboard."""

import datetime as dt
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipycanvas import Canvas
from ipywidgets import ToggleButtons
from networks import same_weights
from PIL import Image
from tree import part, shown, widgets

from mnist_nb import build_model, load_pretrained, predict, save_checkpoint
from mnist_nb.data import Mnist
from mnist_nb.handwriting.numbers import Number, ReadDigit
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.widgets.canvas import RESOLUTION, InkCanvas, Sheet, drawing
from mnist_nb.widgets.markup import probability_bars
from mnist_nb.widgets.model_catalog import ModelCatalog
from mnist_nb.widgets.pad import DrawingPad
from mnist_nb.widgets.pad.drawing import Drawing
from mnist_nb.widgets.pad.image_transform import ImageTransform
from mnist_nb.widgets.pad.state import SIZE
from mnist_nb.widgets.prediction import Prediction, number_sentence, photo_sentence

THREE = [(90, 60), (150, 50), (180, 90), (130, 130), (185, 160), (170, 220), (90, 225)]
SEVEN = [(80, 60), (195, 60), (150, 140), (120, 230)]


def event(pad: DrawingPad | InkCanvas, kind: str, **content: Any) -> None:
    """Send an event as ipycanvas receives it from the page."""
    part(pad, Canvas)._handle_frontend_event(None, {"event": kind, **content}, [])


def mouse(pad: DrawingPad, points: list[tuple[float, float]], last: str = "mouse_up") -> None:
    """Draw a stroke with the mouse, in pixels of the page."""
    places = [{"x": x * RESOLUTION, "y": y * RESOLUTION} for x, y in points]
    event(pad, "mouse_down", **places[0])
    for place in places[1:]:
        event(pad, "mouse_move", **place)
    event(pad, last, **places[-1])


# ---- Drawing


def test_mouse_and_finger_draw_digits_that_are_read(pad: DrawingPad) -> None:
    mouse(pad, THREE)
    assert pad.guess.digit == 3
    assert "I read a 3" in shown(pad)
    pad.clear()
    touches = [[{"x": x * RESOLUTION, "y": y * RESOLUTION}] for x, y in SEVEN]
    event(pad, "touch_start", touches=touches[0])
    for touch in touches[1:]:
        event(pad, "touch_move", touches=touch)
    event(pad, "touch_end", touches=[])
    assert pad.guess.digit == 7
    assert "a 7" in shown(pad)


def test_replayed_strokes_are_read_like_drawn_ones(pad: DrawingPad) -> None:
    replayed = pad.replay([THREE])
    image = pad.image
    pad.clear()
    mouse(pad, THREE)
    np.testing.assert_array_equal(pad.image, image)
    np.testing.assert_array_equal(pad.guess.probabilities, replayed.probabilities)


def test_leaving_ends_a_stroke_and_moves_alone_draw_nothing(
    pad: DrawingPad,
) -> None:
    event(pad, "mouse_move", x=10, y=10)
    assert pad.state.drawing.strokes == ()
    event(pad, "mouse_down", x=100, y=100)
    event(pad, "mouse_move", x=300, y=100)
    event(pad, "mouse_out", x=900, y=100)
    event(pad, "mouse_move", x=200, y=300)  # the release outside was not reported
    (stroke,) = pad.state.drawing.strokes
    np.testing.assert_array_equal(stroke.points, [(50, 50), (150, 50), (SIZE, 50)])
    event(pad, "touch_start", touches=[{"x": 40, "y": 40}])
    event(pad, "touch_cancel", touches=[])
    assert len(pad.state.drawing.strokes) == 2
    assert not pad.page.paper.canvas.points


def test_the_eraser_takes_ink_away_and_the_brush_sets_the_width(pad: DrawingPad) -> None:
    part(pad, "Brush").value = 30
    mouse(pad, THREE)
    assert pad.state.drawing.strokes[0].width == 30
    part(pad, ToggleButtons).value = "Erase"
    part(pad, "Brush").value = 40
    for y in range(30, 260, 20):
        mouse(pad, [(20, y), (260, y)])
    assert pad.image is None
    assert pad.guess is None
    assert "Draw a digit" in shown(pad)


def test_undo_redo_and_clear(pad: DrawingPad) -> None:
    mouse(pad, THREE)
    mouse(pad, SEVEN)
    both = pad.image
    pad.undo()
    alone = pad.image
    assert (both != alone).any()
    pad.redo()
    np.testing.assert_array_equal(pad.image, both)
    pad.clear()
    assert pad.image is None
    pad.undo()
    np.testing.assert_array_equal(pad.image, both)
    pad.undo(), pad.undo(), pad.undo()
    assert pad.image is None
    assert "nothing to undo" in shown(pad)
    press(pad, "Move left by one pixel")
    assert "The pad is empty: draw a digit or pick a picture" in shown(pad)


EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["mouse_down", "mouse_move", "mouse_up", "mouse_out"]),
            st.floats(-100, 700) | st.none() | st.just(float("nan")),
            st.floats(-100, 700),
        ),
        st.tuples(
            st.sampled_from(["touch_start", "touch_move", "touch_end", "touch_cancel"]),
            st.lists(st.tuples(st.floats(-100, 700), st.floats(-100, 700)), max_size=2),
        ),
        st.tuples(
            st.sampled_from(
                ["undo", "redo", "clear", "client_ready", "erase", "draw", "pick", "move", "key"]
            )
        ),
    ),
    max_size=25,
)


def apply(pad: DrawingPad, kind: str, values: list[Any]) -> None:
    """Do a reader's action of this kind."""
    if kind.startswith("mouse"):
        event(pad, kind, x=values[0], y=values[1])
    elif kind.startswith("touch"):
        event(pad, kind, touches=[{"x": x, "y": y} for x, y in values[0]])
    elif kind == "client_ready":
        event(pad, kind)
    elif kind == "key":
        event(pad, "key_down", key="Enter", shift_key=False, ctrl_key=False, meta_key=False)
    elif kind in ("erase", "draw"):
        part(pad, ToggleButtons).value = kind.capitalize()
    elif kind == "pick":
        pad.pick(np.eye(28, dtype=np.uint8) * 255)
    elif kind == "move":
        if pad.image is not None:
            pad.state.drawing.modify(ImageTransform(right=2))
    else:
        {"undo": pad.undo, "redo": pad.redo, "clear": pad.clear}[kind]()


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(events=EVENTS)
@pytest.mark.promise("any events")
def test_no_order_of_events_confuses_it(
    events: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("pad")
    pad = DrawingPad(
        model=_MODEL, path=place / "model.safetensors", digits=place / "digits.safetensors"
    )
    kept = 0
    for kind, *values in events:
        apply(pad, kind, values)
        if kind == "mouse_out" or kind.startswith(("touch_end", "touch_cancel")):
            assert not pad.page.paper.canvas.points
        kept = max(kept, len(pad.state.drawing.strokes))
        assert "⚠" not in shown(pad) or kind == "key", shown(pad)
        image, guess = pad.image, pad.guess
        assert (image is None) == (guess is None)
        if image is not None and guess is not None:
            assert image.shape == (28, 28)
            np.testing.assert_array_equal(guess.probabilities, predict(_MODEL, image[None])[0])
    strokes = [len(pad.state.drawing.strokes)]
    while pad.state.drawing.undo():
        strokes.append(len(pad.state.drawing.strokes))
    assert strokes[-1] == 0
    assert max(strokes) >= strokes[0]


_MODEL = build_model("mlp", seed=0)


def test_a_second_finger_draws_nothing() -> None:
    strokes: list[Any] = []
    ink = InkCanvas(100)
    ink.ended = strokes.append
    event(ink, "touch_start", touches=[{"x": 0, "y": 0}])
    event(ink, "touch_start", touches=[{"x": 0, "y": 0}, {"x": 90, "y": 90}])
    event(ink, "touch_move", touches=[{"x": 20, "y": 0}, {"x": 99, "y": 90}])
    event(ink, "touch_end", touches=[{"x": 99, "y": 90}])
    event(ink, "touch_move", touches=[{"x": 20, "y": 20}])
    assert strokes == [[(0, 0), (10, 0)]]


def test_a_view_that_comes_later_gets_the_whole_drawing(
    pad: DrawingPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    mouse(pad, THREE)
    sent: list[Any] = []
    manager = part(pad, Canvas)._canvas_manager
    monkeypatch.setattr(
        manager, "_send_custom", lambda command, buffers=(): sent.append(str(command))
    )
    event(pad, "client_ready")
    assert len(sent) == 1  # one message, which names its canvas and draws every point of the stroke
    assert part(pad, Canvas).model_id in sent[0]
    assert all(f"{x * RESOLUTION:.1f}, {y * RESOLUTION:.1f}" in sent[0] for x, y in THREE)


def test_an_error_while_drawing_blocks_no_other_canvas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ink = InkCanvas(50)
    with pytest.raises(RuntimeError, match="in the middle"), drawing(ink):
        raise RuntimeError("in the middle")
    sent: list[Any] = []
    monkeypatch.setattr(ink._canvas_manager, "send", lambda *args, **kwargs: sent.append(args))
    ink.fill_rect(0, 0, 5, 5)
    assert sent


# ---- Sentences


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({3: 0.97}, "I read a 3, 97 % sure."),
        ({8: 0.9999}, "I read an 8, over 99 % sure."),
        ({4: 0.7, 9: 0.3}, "Probably a 4, perhaps a 9."),
        ({4: 0.45, 9: 0.4}, "Unsure: a 4 or a 9?"),
    ],
)
def test_it_says_how_sure_it_is(shares: dict[int, float], expected: str) -> None:
    probabilities = np.zeros(10, np.float32)
    for digit, share in shares.items():
        probabilities[digit] = share
    assert Prediction(int(probabilities.argmax()), probabilities).sentence == expected


@pytest.mark.parametrize(
    ("text", "shares", "expected"),
    [
        ("25", [0.99, 0.98], "I read 25, 97 % sure."),
        ("2\n5", [0.9999, 0.9999], "I read 2 / 5, over 99 % sure."),
        ("25", [0.8, 0.8], "Probably 25."),
        ("25", [0.7, 0.7], "Unsure: 25?"),
        ("2?", [0.99, 0.5], "I read 2? (? marks ink that is not a digit)."),
        ("?", [0.99], "I do not think that there is a number here."),
    ],
)
def test_it_says_how_sure_it_is_of_a_number(text: str, shares: list[float], expected: str) -> None:
    number = number_of(text, shares)
    assert number_sentence(number) == expected
    if "?" not in text:
        doubt = number_sentence(number._replace(confidence=0.1))
        assert doubt.startswith("I am not sure that there is a number here: it looks most like 2")


def number_of(text: str, shares: list[float]) -> Number:
    """Return a number whose digits are read with these probabilities."""
    digits = []
    for sign, share in zip(text.replace("\n", ""), shares, strict=True):
        probabilities = np.zeros(10, np.float32)
        probabilities[0 if sign == "?" else int(sign)] = share
        image = np.zeros((28, 28), np.uint8)
        digits.append(ReadDigit(sign, (0, 0, 1, 1), image, probabilities, score=0.5))
    return Number(text, digits, confidence=0.5)


def test_no_bar_says_100_per_cent() -> None:
    probabilities = np.eye(10)[3]
    assert "> 99.9 %" in probability_bars(probabilities)
    assert "100" not in re.sub("<[^>]*>", "", probability_bars(probabilities))


def test_its_text_is_the_same_every_time(pad: DrawingPad) -> None:
    assert repr(pad) == "DrawingPad()"
    assert pad._repr_mimebundle_()["text/plain"] == "DrawingPad()"


# ---- Without a pen


def press(pad: DrawingPad, title: str) -> None:
    """Click the button with this tooltip, anywhere on the pad."""
    next(one for one in widgets(pad) if getattr(one, "tooltip", None) == title).click()


def test_a_test_image_is_picked_moved_turned_and_thickened(pad: DrawingPad, tiny: Mnist) -> None:
    pad.pictures.number.value = 7
    image = tiny.test.images[7].numpy()
    np.testing.assert_array_equal(pad.image, image)
    press(pad, "Move right by one pixel")
    press(pad, "Move down by one pixel")
    np.testing.assert_array_equal(pad.image[1:, 1:], image[:-1, :-1])
    before = pad.guess.probabilities
    for _ in range(4):
        press(pad, "Turn left by 5 degrees")
    press(pad, "Thicken the line by half a pixel")
    press(pad, "Make smaller by a tenth")
    assert pad.state.drawing.transform == ImageTransform(
        1, 1, -20, pytest.approx(1 / 1.1, abs=1e-4), 0.5
    )
    assert (pad.guess.probabilities != before).any()
    press(pad, "Undo all changes")
    np.testing.assert_array_equal(pad.image, image)


def test_a_moved_digit_is_centred_again_on_request(pad: DrawingPad) -> None:
    pad.replay([THREE])
    drawn = pad.image
    for _ in range(3):
        press(pad, "Move left by one pixel")
    np.testing.assert_array_equal(pad.image, np.roll(drawn, -3, axis=1))
    pad.pictures.centred.value = True
    columns = np.arange(28)
    assert 13.5 <= (columns * pad.image).sum() / pad.image.sum() <= 14.5
    pad.undo()
    np.testing.assert_array_equal(pad.image, drawn)
    assert len(pad.state.drawing.strokes) == 1


def test_a_stroke_on_a_picture_begins_a_new_drawing(pad: DrawingPad) -> None:
    pad.replay([SEVEN])
    pad.pick(np.eye(28, dtype=np.uint8) * 255)
    mouse(pad, THREE)
    assert len(pad.state.drawing.strokes) == 1
    assert pad.guess.digit == 3


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (ImageTransform(thickness=1), lambda before, after: after.sum() > 1.2 * before.sum()),
        (ImageTransform(thickness=-1), lambda before, after: after.sum() < 0.8 * before.sum()),
        (
            ImageTransform(scale=1.5),
            lambda before, after: after.any(1).sum() > 1.3 * before.any(1).sum(),
        ),
        (
            ImageTransform(turn=90),
            lambda before, after: np.abs(np.rot90(before, -1).astype(int) - after).mean() < 8,
        ),
        (ImageTransform(right=30), lambda before, after: not after.any()),
    ],
)
def test_what_a_change_does(
    change: ImageTransform, check: Callable[[Any, Any], bool], sample: Mnist
) -> None:
    image = sample.test.images[0].numpy()
    assert check(image, change.apply(image))


def upload(name: str, content: bytes) -> tuple[dict[str, Any], ...]:
    """Return the value of a file chosen in the browser."""
    about = {"type": "", "size": len(content), "last_modified": dt.datetime.now(dt.UTC)}
    return ({"name": name, "content": memoryview(content), **about},)


def test_a_photo_is_read_and_any_other_file_is_named(pad: DrawingPad, tiny: Mnist) -> None:
    image = 255 - np.kron(np.pad(tiny.test.images[0].numpy(), 8), np.ones((6, 6), np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    pad.photo.upload.value = upload("seven.png", buffer.getvalue())
    assert pad.guess.digit == 7
    pad.photo.upload.value = upload("<b>song.mp3", b"not a picture")
    assert "&lt;b&gt;song.mp3" in shown(pad)
    assert pad.guess.digit == 7
    assert pad.photo.result.layout.display == "none", "the pictures of the photo before are gone"


def photo_of_digits(tiny: Mnist, count: int) -> bytes:
    """Return a PNG file with the first test digits in a row: 7, 2, 1, 0."""
    row = np.concatenate(list(tiny.test.images[:count].numpy()), axis=1)
    image = 255 - np.kron(np.pad(row, 8), np.ones((4, 4), np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def test_a_photo_of_a_number_is_read_shown_and_cropped(pad: DrawingPad, tiny: Mnist) -> None:
    photo = pad.numbers.photo
    photo.upload.value = upload("number.png", photo_of_digits(tiny, 4))
    assert "7210" in photo.shown.value
    assert photo.shown.value.count("<img") == 2, "the digits in frames, and the ink"
    photo.across.value = (0, 52)
    assert "I read 72," in photo.shown.value
    pad.models.widget.value = "shipped:mlp"
    assert "I read 72," in photo.shown.value


def test_an_error_below_the_button_goes_with_the_next_photo(pad: DrawingPad, tiny: Mnist) -> None:
    photo = pad.numbers.photo
    photo.upload.value = upload("song.mp3", b"not a picture")
    assert "song.mp3: this is not a readable picture" in photo.problem.value
    photo.upload.value = upload("number.png", photo_of_digits(tiny, 4))
    assert photo.problem.value == ""
    assert "7210" in photo.shown.value


def test_a_wide_photo_of_a_number_is_shown_larger(pad: DrawingPad, tiny: Mnist) -> None:
    photo = pad.numbers.photo
    for count, width in ((3, 330), (5, 676)):
        photo.upload.value = upload("number.png", photo_of_digits(tiny, count))
        assert photo.shown.value.count(f'width="{width}"') == 2


def test_a_scribble_on_the_page_for_numbers_replaces_the_reading(pad: DrawingPad) -> None:
    pad.numbers.replay([[(100, 60), (100, 120)]])
    assert pad.numbers.number.text == "1"
    dashes = [[(x, y), (x + 14, y)] for x in range(10, 680, 18) for y in range(10, 210, 14)]
    pad.numbers.replay(dashes)
    assert pad.numbers.number.text == ""
    assert "at most 400" in pad.numbers.children[2].value


def test_a_drawing_whose_file_was_removed_is_saved_again(pad: DrawingPad) -> None:
    pad.replay([THREE])
    pad.state.keep(7)
    pad.state.collection.digits.path.unlink()
    pad.state.keep(1)
    assert [digit.label for digit in pad.state.collection.kept] == [1]


def test_a_reading_stands_below_a_digit_at_the_upper_edge(
    pad: DrawingPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets: list[Sheet] = []
    monkeypatch.setattr(InkCanvas, "show", lambda self, sheet: sheets.append(sheet))
    for top in (40, 8):
        pad.numbers.replay([[(100, top), (100, top + 100)]])
    above, below = [sheet.notes[0] for sheet in sheets if sheet.notes]
    assert above.text == below.text == "1"
    assert above.y < 40
    assert below.y > 108


def test_a_photo_of_no_number_is_shown_with_the_reason(pad: DrawingPad) -> None:
    pattern = 255 * np.random.default_rng(0).integers(0, 2, (25, 25)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.kron(pattern, np.ones((8, 8), np.uint8))).save(buffer, "png")
    pad.numbers.photo.upload.value = upload("code.png", buffer.getvalue())
    assert "This picture does not look like a number" in pad.numbers.photo.shown.value
    assert "<figcaption>your picture</figcaption>" in pad.numbers.photo.shown.value
    pad.numbers.photo.upload.value = upload("song.mp3", b"not a picture")
    assert "song.mp3" in shown(pad)
    assert pad.numbers.photo.result.layout.display == "none"


def test_a_doubtful_number_in_a_photo_may_be_none() -> None:
    doubtful = Number("72", [], 0.1)
    assert photo_sentence(doubtful).startswith("I am not sure that there is a number")
    assert photo_sentence(doubtful._replace(confidence=0.97)) == "I read 72, 97 % sure."
    unclear = doubtful._replace(text="7?")
    assert photo_sentence(unclear).endswith("7? (? marks ink that is not a digit).")


# ---- The choice of the network


def test_the_best_shipped_network_reads_until_another_is_chosen(
    pad: DrawingPad,
) -> None:
    assert pad.state.model_key == "shipped:cnn"
    pad.replay([THREE], width=9)
    np.testing.assert_array_equal(pad.image, pad.state.drawing.sketch.to_mnist())
    for name in ("cnn", "mlp"):
        pad.models.widget.value = f"shipped:{name}"
        assert pad.state.model.name == name
        np.testing.assert_array_equal(
            pad.guess.probabilities, predict(load_pretrained(name), pad.image[None])[0]
        )


def test_the_reader_s_network_is_offered_a_damaged_one_named(workplace: Path, tiny: Mnist) -> None:
    save_checkpoint(build_model("mlp", seed=1), "model.safetensors")
    Path("bad.safetensors").write_bytes(b"nothing")
    pad = DrawingPad(tiny)
    pad.choose("model.safetensors")
    own = pad.state.model
    with pytest.raises(ValueError, match=r"bad\.safetensors"):
        pad.choose("bad.safetensors")
    assert pad.state.model is own
    Path("model.safetensors").write_bytes(b"nothing")
    pad.models.widget.value = "shipped:cnn"
    pad.models.widget.value = str(workplace / "model.safetensors")
    assert "model.safetensors" in shown(pad)
    assert pad.state.model_key == pad.models.widget.value == "shipped:cnn"


def test_a_network_is_opened_from_an_upload(pad: DrawingPad, workplace: Path) -> None:
    save_checkpoint(build_model("mlp", seed=1), "elsewhere.safetensors")
    content = Path("elsewhere.safetensors").read_bytes()
    part(pad, "Open from this computer").value = upload("mine.safetensors", content)
    assert pad.state.model_key == "opened:mine.safetensors"
    assert "Opened mine.safetensors" in shown(pad)
    part(pad, "Open from this computer").value = upload("<i>cut.safetensors", content[:1000])
    assert "&lt;i&gt;cut.safetensors" in shown(pad)
    assert pad.state.model_key == "opened:mine.safetensors"


@pytest.mark.parametrize("name", ["model.safetensors", "shipped:cnn", "model", "taken"])
def test_an_upload_replaces_no_other_network(workplace: Path, tiny: Mnist, name: str) -> None:
    own, friends = build_model("mlp", seed=1), build_model("mlp", seed=2)
    save_checkpoint(own, "model.safetensors")
    save_checkpoint(friends, "friend.safetensors")
    pad = DrawingPad(tiny, model=build_model("mlp", seed=3))
    options = dict(pad.state.model_options)
    content = Path("friend.safetensors").read_bytes()
    part(pad, "Open from this computer").value = upload(name, content)
    labels = {key: label for label, key in pad.models.widget.options}
    assert labels == {key: label for label, key in options.items()} | {
        pad.state.model_key: f"{name}, opened"
    }
    assert same_weights(pad.state.model, friends)
    pad.choose("model.safetensors")
    assert same_weights(pad.state.model, own)
    pad.choose("model")
    assert same_weights(pad.state.model, build_model("mlp", seed=3))
    pad.choose("shipped:cnn")
    assert pad.state.model.name == "cnn"


@pytest.mark.parametrize("label", ["Read a photo", "Open from this computer"])
def test_an_empty_upload_is_mentioned(pad: DrawingPad, label: str) -> None:
    part(pad, label).value = upload("nothing.png", b"")
    assert "nothing.png is empty" in shown(pad)


def test_upload_buttons_state_the_size_that_arrives(pad: DrawingPad) -> None:
    for label in ("Read a photo", "Import from this computer", "Open from this computer"):
        assert part(pad, label).tooltip == f"{label} (up to 10 MB)"
    pad.photo.upload.value = upload("large.png", bytes(10_000_001))
    assert "large.png is larger than 10 MB" in shown(pad)


@pytest.mark.parametrize("name", ["", f"{'long' * 1250}.safetensors"])
def test_an_upload_may_have_any_name(pad: DrawingPad, workplace: Path, name: str) -> None:
    save_checkpoint(build_model("mlp", seed=1), "mine.safetensors")
    content = Path("mine.safetensors").read_bytes()
    part(pad, "Open from this computer").value = upload(name, content)
    assert re.search(r"Opened (the file|long.+\.safetensors)\. It now reads", shown(pad))
    label, key = pad.state.model_options[-1]
    assert len(label) < 100
    pad.state.save_page()
    assert pad.state.catalog.taught_path(key).parent == workplace
    part(pad, "Open from this computer").value = upload(name, b"no network")
    assert len(pad.state.message.text) < 300
    assert pad.state.message.text.startswith(("the file", "long"))


def test_without_any_network_it_says_so_and_still_draws(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_nb.handwriting.pretrained.PRETRAINED", workplace)
    pad = DrawingPad()
    assert "no network" in shown(pad)
    mouse(pad, THREE)
    assert pad.image is not None
    assert pad.guess is None
    save_checkpoint(build_model("mlp", seed=1), "model.safetensors")
    press(pad, "Update the list of files")
    assert pad.guess is not None


@pytest.mark.parametrize(
    "key", ["shipped:cnn", "cnn.safetensors", "elsewhere/cnn.safetensors", "cnn"]
)
def test_each_taught_network_gets_a_name_of_its_own(workplace: Path, key: str) -> None:
    readers, names = ModelCatalog(path="model.safetensors"), []
    for _ in range(3):
        path = readers.taught_path(key)
        path.write_bytes(b"")
        names.append(str(path))
        key = names[-1]
    assert [Path(name).name for name in names] == [
        "cnn.my-hand.safetensors",
        "cnn.my-hand-2.safetensors",
        "cnn.my-hand-3.safetensors",
    ]


def test_networks_stay_in_their_folder_after_chdir(
    pad: DrawingPad, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = workplace / "other"
    other.mkdir()
    own = build_model("mlp", seed=1)
    save_checkpoint(own, "model.safetensors")
    pad.choose("model.safetensors")
    monkeypatch.chdir(other)
    part(pad, "Refresh").click()
    assert "list of networks is up to date" in shown(pad)
    pad.choose(pad.state.model_key)
    assert same_weights(pad.state.model, own)
    assert pad.state.save_page() == workplace / "model.html"


# ---- The state without widgets


def test_an_invalid_stroke_or_picture_changes_nothing() -> None:
    drawing = Drawing(SIZE)
    drawing.add_stroke(THREE, 10)
    drawing.pick(np.full((28, 28), 9, np.uint8))
    with pytest.raises(ValueError, match="finite"):
        drawing.add_stroke([(0, float("nan"))], 10)
    with pytest.raises(ValueError, match="width"):
        drawing.add_stroke(THREE, -1)
    with pytest.raises(ValueError, match="uint8"):
        drawing.pick(np.zeros((28, 28)))
    assert drawing.content.picture is not None
    assert len(drawing.strokes) == 1


def test_a_drawing_of_another_size_is_read_the_same(pad: DrawingPad) -> None:
    sketch = Sketch(560)
    sketch.add_stroke(np.array(THREE) * 2, 32)
    guess = pad.draw(sketch)
    assert guess.digit == 3
    assert len(pad.state.drawing.strokes) == 1
