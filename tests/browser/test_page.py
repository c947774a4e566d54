"""The exported page, opened from its file in Chromium, reads as the package does."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import ConvDropout, OneLayer
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from torch import nn

from mnist_nb import (
    EmptySketchError,
    Mnist,
    Sketch,
    Split,
    adapt,
    build_model,
    digit_score,
    export_page,
    load_pretrained,
    predict,
    read_number,
)
from mnist_nb.handwriting.pretrained import PRETRAINED
from mnist_nb.handwriting.refusal import add_refusal_head
from mnist_nb.models import Network

pytestmark = pytest.mark.browser
HANDWRITING = Path(__file__).resolve().parents[2] / "notebooks" / "handwriting.json"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
}
DESK: dict[str, Any] = {"viewport": {"width": 1366, "height": 768}}
READ_ALL = """(name, drawings) => drawings.map(({strokes, size}) => {
    try { return window.mnistReader[name](strokes, size) }
    catch (error) { if (error instanceof RangeError) return null; throw error }
})"""


@pytest.fixture(scope="module")
def networks(sample: Mnist) -> dict[str, nn.Module]:
    """Both shipped networks, one taught mirrored writing, one that never refuses, and networks of
    other layers, with and without a refusal head."""
    hand = Split(sample.test.images[:60].flip(2), sample.test.labels[:60], "mirrored")
    shipped = {name: load_pretrained(name) for name in ("cnn", "mlp")}
    plain = build_model("mlp", seed=0)
    plain.load_state_dict(shipped["mlp"].state_dict(), strict=False)
    return {
        **shipped,
        "taught": adapt(shipped["cnn"], hand, sample, max_forgetting=0.1),
        "plain": plain,
        "one-layer": with_refusal_head(OneLayer()),
        "conv-dropout": with_statistics(ConvDropout()),
        "conv-refusing": with_refusal_head(with_statistics(ConvDropout())),
    }


def with_statistics(network: Network) -> Network:
    """Return the network with statistics and distinct logits, as if it were trained."""
    generator = torch.Generator().manual_seed(0)
    for layer in network.layers.values():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.running_var, layer.weight, layer.bias):
                tensor.data.uniform_(0.5, 1.5, generator=generator)
    network.head.weight.data.mul_(20)
    return network


def with_refusal_head(network: Network) -> Network:
    add_refusal_head(network, seed=1)
    return network


@pytest.fixture(scope="module")
def pages(
    networks: dict[str, nn.Module], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A page for each network."""
    folder = tmp_path_factory.mktemp("pages")
    paths = {name: folder / f"{name}.html" for name in networks}
    for name, path in paths.items():
        shipped = PRETRAINED / f"{name}.safetensors"
        export_page(shipped if shipped.exists() else networks[name], path)
    return paths


@pytest.fixture
def open_page(browser: Browser, pages: dict[str, Path]) -> Iterator[Any]:
    """Open a network's page. The test fails if the page requests anything or writes to the
    console."""
    contexts, heard = [], []

    def start(name: str = "cnn", **options: Any) -> Page:
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on(
            "request",
            lambda request: heard.append(request.url) if request.url.startswith("http") else None,
        )
        page.goto(pages[name].as_uri())
        return page

    yield start
    for context in contexts:
        context.close()
    assert not heard


def recorded(count: int) -> list[dict[str, Any]]:
    """Return recorded drawings, varied by seed: digits, turned and stretched, and scribbles, partly
    erased or off the canvas."""
    generator = np.random.default_rng(7)
    hand = list(json.loads(HANDWRITING.read_text()).values())
    drawings = []
    for number in range(count):
        size = float(generator.choice([100, 280, 333.3, 1000]))
        if number % 4 == 3:
            steps = generator.normal(
                0, 0.1, (generator.integers(1, 4), generator.integers(1, 30), 2)
            )
            paths = list(generator.uniform(0.1, 0.9, (len(steps), 1, 2)) + steps.cumsum(axis=1))
        else:
            paths = [np.asarray(path, float) for path in hand[generator.integers(len(hand))]]
            everything = np.concatenate(paths)
            middle, extent = everything.mean(axis=0), np.ptp(everything, axis=0).max()
            matrix = (
                (np.eye(2) + generator.normal(0, 0.15, (2, 2)))
                * generator.uniform(0.2, 0.9)
                / max(extent, 1e-6)
            )
            place = generator.uniform(0.3, 0.7, 2)
            paths = [(path - middle) @ matrix.T + place for path in paths]
        width = generator.uniform(0.02, 0.12) * size
        strokes = [
            {"points": (path * size).round(3).tolist(), "width": width, "erase": False}
            for path in paths
        ]
        if number % 5 == 0:
            path = generator.uniform(0.2, 0.8, (3, 2)) * size
            strokes.insert(
                int(generator.integers(1, len(strokes) + 1)),
                {"points": path.tolist(), "width": 0.08 * size, "erase": True},
            )
        drawings.append({"strokes": strokes, "size": size})
    return drawings


def dense_scribble() -> dict[str, Any]:
    """Return a scribble with more points than are drawn."""
    angle = np.linspace(0, 40, 6_000)
    path = 140 + 100 * np.stack([np.sin(angle), np.cos(1.3 * angle)], axis=1)
    line = {"points": path.round(3).tolist(), "width": 9, "erase": False}
    eraser = {"points": [[60, 60], [200, 90]], "width": 15, "erase": True}
    return {"strokes": [line, eraser], "size": 280}


PUNCTUATION = {  # a stroke of each, in heights of a digit
    "/": [(0.6, -0.3), (0, 1.3)],
    ",": [(0.3, 0.75), (0.32, 0.95), (0.2, 1.2)],
    "-": [(0, 0.5), (0.5, 0.5)],
    "(": [(0.5, -0.2), (0.35, 0.1), (0.3, 0.5), (0.35, 0.9), (0.5, 1.2)],
    ")": [(0.1, -0.2), (0.25, 0.1), (0.3, 0.5), (0.25, 0.9), (0.1, 1.2)],
}


def number(text: str, seed: int) -> dict[str, Any]:
    """Return a number in lines, with signs between its digits. Each digit varies a little."""
    generator, hand = np.random.default_rng(seed), json.loads(HANDWRITING.read_text())
    strokes, place, high = [], np.array([20.0, 20.0]), generator.uniform(40, 60)
    for sign in text:
        if sign == "\n":
            place = np.array([20.0, place[1] + 1.8 * high])
            continue
        if sign in PUNCTUATION:
            points = place + high * np.array(PUNCTUATION[sign])
            strokes.append({"points": points.tolist(), "width": high / 8, "erase": False})
            place[0] += 0.75 * high
            continue
        paths = [np.asarray(path, float) for path in hand[sign]]
        everything = np.concatenate(paths)
        matrix = (
            (np.eye(2) + generator.normal(0, 0.06, (2, 2)))
            * high
            / np.ptp(everything, axis=0).max()
        )
        paths = [(path - everything.min(axis=0)) @ matrix.T + place for path in paths]
        place = np.array(
            [
                max(path[:, 0].max() for path in paths) + high * generator.uniform(0.15, 0.5),
                place[1],
            ]
        )
        strokes += [
            {"points": path.round(3).tolist(), "width": high / 8, "erase": False} for path in paths
        ]
    return {"strokes": strokes, "size": 560}


def sketch_of(drawing: dict[str, Any]) -> Sketch:
    sketch = Sketch(drawing["size"])
    for stroke in drawing["strokes"]:
        sketch.add_stroke(stroke["points"], stroke["width"], stroke["erase"])
    return sketch


def in_python(drawing: dict[str, Any]) -> np.ndarray[Any, Any] | None:
    try:
        return sketch_of(drawing).to_mnist()
    except EmptySketchError:
        return None


def in_page(page: Page, function: str, drawings: list[dict[str, Any]]) -> Any:
    """Return the answers of a function of the page to drawings, None if there is no ink. As JSON
    this is ten times as fast."""
    script = f"([name, drawings]) => JSON.stringify(({READ_ALL})(name, JSON.parse(drawings)))"
    return json.loads(page.evaluate(script, [function, json.dumps(drawings)]))


def assert_read_alike(found: list[Any], drawings: list[dict[str, Any]], network: nn.Module) -> None:
    """Assert that the page has read drawings as Python reads them."""
    expected = [in_python(drawing) for drawing in drawings]
    assert [reading is None for reading in found] == [image is None for image in expected]
    with_ink = np.stack([image for image in expected if image is not None])  # [N, 28, 28]
    readings = [reading for reading in found if reading]
    images = np.array([reading["image"] for reading in readings]).reshape(-1, 28, 28)
    off = np.abs(images - with_ink.astype(int))
    assert off.max() <= 1
    assert (off == 0).mean() >= 0.999
    probabilities = np.array([reading["probabilities"] for reading in readings])
    by_python, scores = (ask(network, with_ink).numpy() for ask in (predict, digit_score))
    assert np.abs(probabilities - by_python).max() <= 1e-4
    assert (probabilities.argmax(axis=1) == by_python.argmax(axis=1)).all()
    assert np.abs([reading["score"] for reading in readings] - scores).max() <= 1e-4


def assert_numbers_read_alike(
    found: list[Any], drawings: list[dict[str, Any]], network: nn.Module
) -> None:
    """Assert that the page has read numbers as Python reads them."""
    for drawing, reading in zip(drawings, found, strict=True):
        expected = read_number(sketch_of(drawing), network)
        assert reading["text"] == expected.text
        assert reading["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
        for digit, other in zip(reading["digits"], expected.digits, strict=True):
            assert digit["box"] == pytest.approx(other.box, abs=1e-4)
            assert digit["probabilities"] == pytest.approx(other.probabilities, abs=1e-4)
            assert digit["score"] == pytest.approx(other.score, abs=1e-4)


def test_hundreds_of_drawings_are_read_as_python_reads_them(
    open_page: Any, networks: dict[str, nn.Module]
) -> None:
    drawings = [*recorded(300), dense_scribble()]
    assert sum(in_python(drawing) is not None for drawing in drawings) >= 294
    for name, network in networks.items():
        assert_read_alike(in_page(open_page(name), "read", drawings), drawings, network)


def test_numbers_are_read_as_python_reads_them(
    open_page: Any, networks: dict[str, nn.Module]
) -> None:
    generator = np.random.default_rng(3)
    texts = [
        "".join(generator.choice(list("0123456789"), generator.integers(1, 7))) for _ in range(11)
    ]
    texts += ["20\n26", "23/12/1987", "3/4/26", "2/3", "3,14", "-5", "(36)4"]
    drawings = [number(text, seed) for seed, text in enumerate(texts)]
    drawings[0]["strokes"].append({"points": [[30, 10], [30, 90]], "width": 9, "erase": True})
    dots = [
        {"points": [[x, 50]], "width": 9, "erase": False} for x in (40, 120)
    ]  # without height: they are read if there are no larger digits
    drawings.append({"strokes": dots, "size": 300})
    for name in ("cnn", "mlp", "plain"):
        found = in_page(open_page(name), "readNumber", drawings)
        assert_numbers_read_alike(found, drawings, networks[name])
        counts = {"23/12/1987": 8, "3,14": 3, "(36)4": 3}
        if name != "plain":  # it does not refuse dashes
            counts["-5"] = 1
        for text, count in counts.items():
            read = found[texts.index(text)]["text"]
            assert len(read) == count, f"without punctuation, got {read}"


def test_lists_of_points_are_strokes_and_no_strokes_an_error(open_page: Any) -> None:
    page = open_page()
    reading = page.evaluate("window.mnistReader.read([[[140, 40], [140, 240]]], 280)")
    assert np.argmax(reading["probabilities"]) == 1
    said = page.evaluate(
        "() => { try { window.mnistReader.read([], 280) } catch (error) { return error.message } }"
    )
    assert said == "there is no ink on the canvas: draw something first"


@pytest.mark.parametrize("read", ["read", "readNumber"])
def test_more_ink_than_a_sketch_takes_is_refused(open_page: Any, read: str) -> None:
    page = open_page()
    said = page.evaluate(
        """(read) => {
          const strokes = Array.from({ length: 100000 }, (_, i) => [[i % 280, i / 400]]);
          try { window.mnistReader[read](strokes, 280); } catch (error) { return String(error); }
        }""",
        read,
    )
    assert said.startswith("RangeError: there is too much ink here, over 1000 strokes")


def draw_seven(page: Page, touch: bool = False) -> None:
    box = page.locator("#paper").bounding_box()
    assert box
    corner, side = np.array([box["x"], box["y"]]), box["width"]
    corners = corner + side * np.array([(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)])
    path = np.concatenate([np.linspace(*corners[:2], 9), np.linspace(*corners[1:], 9)]).tolist()
    if not touch:
        page.mouse.move(*path[0])
        page.mouse.down()
        for point in path:
            page.mouse.move(*point)
        page.mouse.up()
        return
    finger = page.context.new_cdp_session(page)

    def send(kind: str, touches: list[dict[str, float]]) -> None:
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", [{"x": path[0][0], "y": path[0][1]}])
    for x, y in path:
        send("touchMove", [{"x": x, "y": y}])
    send("touchEnd", [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("kind", "options"), [("phone", PHONE), ("desk", DESK)])
def test_a_seven_is_drawn_undone_rubbed_out_and_read(
    open_page: Any, kind: str, options: dict[str, Any], scheme: str, screenshots: Path
) -> None:
    page = open_page(color_scheme=scheme, **options)
    words = page.locator("#words")
    expect(words).to_have_text("Draw a digit: zero to nine.")
    draw_seven(page, touch=kind == "phone")
    expect(words).to_contain_text("a 7")
    page.screenshot(path=screenshots / f"page-{kind}-{scheme}.png")
    assert page.evaluate("window.scrollY") == 0, "nothing scrolls under the finger"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#undo").click()
    expect(words).to_have_text("Draw a digit: zero to nine.")
    page.locator("#redo").click()
    expect(words).to_contain_text("a 7")
    page.locator("#erase").click()
    draw_seven(page, touch=kind == "phone")
    expect(words).to_have_text("Draw a digit: zero to nine.")
    page.locator("#undo").click()
    page.locator("#clear").click()
    expect(words).to_have_text("Draw a digit: zero to nine.")


def test_every_digit_can_be_drawn_and_read_with_the_keyboard(open_page: Any) -> None:
    page = open_page(**DESK)
    for _ in range(3):  # past the two buttons that choose the paper
        page.keyboard.press("Tab")
    expect(page.locator("#paper")).to_be_focused()
    for digit in range(10):
        page.keyboard.press(str(digit))
        expect(page.locator("li.best b")).to_have_text(str(digit))
        page.keyboard.press("Control+z")
    page.keyboard.press("Space")
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("li.best b")).to_have_text("1")


@pytest.mark.parametrize(("kind", "options"), [("phone", PHONE), ("desk", DESK)])
def test_a_number_is_written_and_a_scribble_is_refused(
    open_page: Any, kind: str, options: dict[str, Any], screenshots: Path
) -> None:
    page = open_page(color_scheme="dark", **options)
    page.locator("#many").click()
    page.locator("#paper").focus()
    page.keyboard.type("2561")
    expect(page.locator("#words")).to_contain_text("2561")
    expect(page.locator("#digits b")).to_have_text(["2", "5", "6", "1"])
    page.screenshot(path=screenshots / f"page-{kind}-number.png")
    page.keyboard.press("Control+z")
    expect(page.locator("#words")).to_contain_text("256")
    page.locator("#one").click()
    expect(page.locator("#words")).to_have_text("Draw a digit: zero to nine.")
    box = page.locator("#paper").bounding_box()
    assert box
    for across in (0.1, 0.3, 0.5, 0.7, 0.9):  # a fence, which is not a digit
        page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * 0.1)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * 0.9)
        page.mouse.up()
    expect(page.locator("#words")).to_contain_text(
        "I do not think this is a digit (it looks most like"
    )
    expect(page.locator("#bars")).to_have_class("refused")
    page.screenshot(path=screenshots / f"page-{kind}-refused.png")


def test_a_label_stands_below_a_digit_at_the_upper_edge(open_page: Any, screenshots: Path) -> None:
    page = open_page(**DESK)
    page.evaluate(
        """() => {
          window.labels = [];
          const context = CanvasRenderingContext2D.prototype;
          const { fillText } = context;
          context.fillText = function (text, x, y) {
            window.labels.push([text, y]);
            fillText.call(this, text, x, y);
          };
        }"""
    )
    page.locator("#many").click()
    box = page.locator("#paper").bounding_box()
    assert box
    for x, top in ((0.3, 0.3), (0.6, 0.01)):
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * top)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * 0.7)
        page.mouse.up()
    expect(page.locator("#words")).to_contain_text("11")
    page.wait_for_function("window.labels.slice(-2).every(([text]) => text === '1')")
    page.screenshot(path=screenshots / "page-labels.png")
    (_, above), (_, below) = page.evaluate("window.labels.slice(-2)")
    height = 280  # of the paper
    assert above < 0.3 * height
    assert below > 0.7 * height


def upright_lines(count: int) -> list[dict[str, Any]]:
    """Return upright lines, close to each other in a row."""
    return [
        {"points": [[x, y], [x + 1, y + 24], [x, y + 48]], "width": 5, "erase": False}
        for x, y in ((20 + 3 * n, 100) for n in range(count))
    ]


def test_one_more_stroke_reads_only_what_it_changes(open_page: Any) -> None:
    page = open_page("mlp")
    script = """strokes => {
        const seconds = (count) => {
            const start = performance.now();
            window.mnistReader.readNumber(strokes.slice(0, count), 560);
            return performance.now() - start;
        };
        return [seconds(69), seconds(70)];
    }"""
    everything, one_more = page.evaluate(script, upright_lines(70))
    assert one_more < everything / 2


def test_slow_readings_leave_time_to_draw(open_page: Any, pages: dict[str, Path]) -> None:
    page = open_page()
    page.add_init_script("""
        let slowed;
        Object.defineProperty(window, "mnistReader", { get: () => slowed, set: (reader) => {
            const read = (...given) => {
                const end = performance.now() + 200;
                while (performance.now() < end);
                window.readings = (window.readings ?? 0) + 1;
                return reader.read(...given);
            };
            slowed = { ...reader, read };
        } });""")
    page.goto(pages["cnn"].as_uri())
    box = page.locator("#paper").bounding_box()
    assert box
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    before, start = page.evaluate("window.readings ?? 0"), time.monotonic()
    while time.monotonic() - start < 3:
        page.mouse.move(box["x"] + 50 + 30 * (time.monotonic() - start), box["y"] + 90)
    busy = 0.2 * (page.evaluate("window.readings") - before) / (time.monotonic() - start)
    page.mouse.up()
    assert busy < 0.6


def test_unreadable_ink_is_not_reported_as_no_ink(open_page: Any, pages: dict[str, Path]) -> None:
    page = open_page("mlp")
    page.add_init_script("""
        let refusing;
        Object.defineProperty(window, "mnistReader", { get: () => refusing, set: (reader) => {
            const read = (strokes, size) => {
                if (!strokes.length) return reader.read(strokes, size);
                throw new RangeError("there are 401 pieces of ink here");
            };
            refusing = { ...reader, read };
        } });""")
    page.goto(pages["mlp"].as_uri())
    expect(page.locator("#words")).to_have_text("Draw a digit: zero to nine.")
    page.locator("#paper").focus()
    page.keyboard.press("7")
    expect(page.locator("#words")).to_have_text("There are 401 pieces of ink here.")


def test_a_pen_wins_over_a_resting_palm(open_page: Any) -> None:
    page = open_page(**PHONE)
    box = page.locator("#paper").bounding_box()
    assert box
    corner, side = np.array([box["x"], box["y"]]), box["width"]
    devices = page.context.new_cdp_session(page)

    def pen(kind: str, place: tuple[float, float]) -> None:
        x, y = (corner + side * np.array(place)).tolist()
        event = {"type": kind, "x": x, "y": y, "button": "left", "pointerType": "pen"}
        devices.send("Input.dispatchMouseEvent", event | {"buttons": 1, "clickCount": 1})

    palm = [{"x": float(corner[0] + 0.9 * side), "y": float(corner[1] + 0.9 * side)}]
    devices.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": palm})
    pen("mousePressed", (0.25, 0.2))
    for across in np.linspace(0.25, 0.75, 9):
        pen("mouseMoved", (across, 0.2))
    for part in np.linspace(0, 1, 9):
        pen("mouseMoved", (0.75 - 0.3 * part, 0.2 + 0.65 * part))
    pen("mouseReleased", (0.45, 0.85))
    expect(page.locator("#words")).to_contain_text("a 7")
    devices.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator("#words")).to_contain_text("a 7")
    page.locator("#undo").click()
    expect(page.locator("#words")).to_have_text("Draw a digit: zero to nine.")


def test_a_page_saved_from_the_browser_is_the_same(
    open_page: Any, browser: Browser, tmp_path: Path
) -> None:
    page = open_page()
    page.locator("#many").click()
    page.locator("#paper").focus()
    page.keyboard.press("7")
    page.locator("#erase").click()
    saved = tmp_path / "saved.html"
    saved.write_text(f"<!DOCTYPE html>{page.content()}", encoding="utf-8")
    with browser.new_context(
        offline=True
    ) as context:  # the policy blocks the old widths of its bars, with messages
        page = context.new_page()
        page.goto(saved.as_uri())
        expect(page.locator("#bars li")).to_have_count(10)
        expect(page.locator("#one")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#draw")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#bars")).to_be_visible()
        page.locator("#paper").focus()
        page.keyboard.press("3")
        expect(page.locator("li.best b")).to_have_text("3")


def test_no_bar_says_100_per_cent_of_a_digit(open_page: Any) -> None:
    page = open_page()
    reading = page.evaluate("window.mnistReader.read([[[140, 40], [140, 240]]], 280)")
    assert max(reading["probabilities"]) >= 0.9995
    box = page.locator("#paper").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["width"] / 7)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["width"] * 6 / 7, steps=9)
    page.mouse.up()
    expect(page.locator("#words")).to_have_text("I read a 1, over 99 % sure.")
    expect(page.locator("li.best .share")).to_have_text("> 99.9 %")


def key_in(page: Page, keys: str) -> None:
    """Type on the paper: the key of a digit draws it."""
    page.locator("#paper").focus()
    page.keyboard.type(keys)


def wait_until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression or function is true. Playwright's own function needs
    `eval`, which the page forbids."""
    deadline = time.monotonic() + 5
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


class Fingers:
    """Fingers on the paper of a page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._screen = page.context.new_cdp_session(page)

    def send(self, kind: str, *places: tuple[float, float], radius: float = 10) -> None:
        """Send an event with the place of each finger, in parts of the paper's width, and its
        radius in pixels."""
        box = self._page.locator("#paper").bounding_box()
        assert box
        points = []
        for finger, (x, y) in enumerate(places):
            place = {"x": box["x"] + box["width"] * x, "y": box["y"] + box["width"] * y}
            points.append(place | {"id": finger, "radiusX": radius, "radiusY": radius})
        self._screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.mark.parametrize("reason", ["no script", "damaged"])
def test_without_a_running_script_the_page_explains_what_to_do(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, reason: str
) -> None:
    path = tmp_path / "page.html"
    text = pages["cnn"].read_text(encoding="utf-8")
    if reason == "damaged":
        text = re.sub('("weights": ".{1000}).{50}', r"\1", text)
    path.write_text(text, encoding="utf-8")
    with browser.new_context(offline=True, java_script_enabled=reason == "damaged") as context:
        page = context.new_page()
        page.goto(path.as_uri())
        expect(page.locator("#words")).to_contain_text("Open the file in a browser")
        expect(page.locator("#words")).to_contain_text("put it on a web server")


def test_sureness_means_the_same_for_a_digit_and_a_number(open_page: Any) -> None:
    page = open_page("mlp")
    key_in(page, "1")
    expect(page.locator("#words")).to_have_text("I read a 1, over 99 % sure.")
    page.locator("#many").click()
    key_in(page, "1")
    expect(page.locator("#words")).to_have_text("I read 1, over 99 % sure.")
    expect(page.locator("#digits span")).to_have_text(["over 99 %"])


def test_a_button_keeps_the_focus(open_page: Any) -> None:
    page = open_page(**DESK)
    key_in(page, "7")
    for name in ("undo", "redo", "clear"):
        page.locator(f"#{name}").press("Enter")
        expect(page.locator(f"#{name}")).to_be_focused()
        expect(page.locator(f"#{name}")).to_be_disabled()
        page.keyboard.press("Enter")  # does nothing
    page.locator("#undo").click()
    expect(page.locator("#words")).to_contain_text("a 7")


def test_the_paper_stays_sharp_when_a_large_screen_is_zoomed(open_page: Any) -> None:
    page = open_page(viewport={"width": 2560, "height": 1440})
    screen = page.context.new_cdp_session(page)
    before = page.locator("#paper").bounding_box()
    for zoom in (2, 1):
        metrics = {"width": 2560 // zoom, "height": 1440 // zoom, "mobile": False}
        zoomed = metrics | {"deviceScaleFactor": zoom}
        screen.send("Emulation.setDeviceMetricsOverride", zoomed)
        wait_until(
            page, "paper => document.getElementById('paper').width === 540 * devicePixelRatio"
        )
        assert page.evaluate("devicePixelRatio") == zoom
    assert page.locator("#paper").bounding_box() == before


def test_bars_and_pressed_buttons_show_in_forced_colours(open_page: Any) -> None:
    page = open_page(forced_colors="active", **DESK)
    key_in(page, "7")
    colour = "part => getComputedStyle(part).backgroundColor"
    track = page.locator("li.best .track")
    assert track.evaluate(colour) != track.locator("span").evaluate(colour)
    assert page.locator("#draw").evaluate(colour) != page.locator("#erase").evaluate(colour)


def test_a_reload_keeps_the_drawings(open_page: Any) -> None:
    page = open_page(**PHONE)
    key_in(page, "3")
    page.locator("#wrong").click()
    key_in(page, "7")
    page.locator("#right").click()
    page.locator("#many").click()
    key_in(page, "25")
    page.reload()
    expect(page.locator("#words")).to_contain_text("25")
    expect(page.locator("#score")).to_have_text("1 of 2 right")
    expect(page.locator("#earlier b")).to_have_text(["7 ✓", "3 ✗"])
    page.locator("#one").click()
    expect(page.locator("#words")).to_contain_text("a 7")
    expect(page.locator("#right")).to_have_attribute("aria-pressed", "true")
    page.locator("#clear").click()
    expect(page.locator("#earlier b")).to_have_count(2)


def test_damaged_storage_is_ignored(open_page: Any) -> None:
    page = open_page(**DESK)
    key_in(page, "3")
    whole = page.evaluate("Object.values(sessionStorage)[0]")
    damaged = ["", "{", "7", "{}", "[]", whole.replace('"points":[[', '"points":[["a",')]
    damaged += [whole.replace(name, "other") for name in ("papers", "earlier", "score", "width")]
    for content in damaged:
        page.evaluate(
            "text => sessionStorage.setItem(Object.keys(sessionStorage)[0], text)", content
        )
        page.reload()
        key_in(page, "7")
        expect(page.locator("#words")).to_contain_text("a 7")
        page.locator("#clear").click()
        expect(page.locator("#earlier b")).to_have_text(["7"])


@pytest.mark.parametrize("mode", ["one", "many"])
@pytest.mark.parametrize("size", [(667, 375), (844, 390), (1366, 600), (683, 384), (568, 320)])
def test_sideways_both_paper_and_reading_are_in_view(
    open_page: Any, size: tuple[int, int], mode: str
) -> None:
    width, height = size
    page = open_page(viewport={"width": width, "height": height})
    page.locator(f"#{mode}").click()
    key_in(page, "2561" if mode == "many" else "8")
    paper = page.locator("#paper").bounding_box()
    read = page.locator(".read").bounding_box()
    tools = page.locator(".tools").bounding_box()
    assert paper
    assert read
    assert tools
    assert paper["x"] + paper["width"] < read["x"]
    for box in (paper, tools, read):
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height


@pytest.mark.parametrize("size", [(320, 568), (390, 844), (667, 375), (768, 1024), (320, 256)])
def test_every_control_is_large_and_nothing_is_cut_off(
    open_page: Any, size: tuple[int, int]
) -> None:
    page = open_page(viewport={"width": size[0], "height": size[1]})
    for mode, keys in (("one", "8"), ("many", "2560137489")):
        page.locator(f"#{mode}").click()
        key_in(page, keys)
        page.locator("#clear").click()
        key_in(page, keys)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 44
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0]


@pytest.mark.parametrize("size", [(390, 844), (667, 375)])
def test_text_of_twice_the_size_overlaps_nothing(open_page: Any, size: tuple[int, int]) -> None:
    page = open_page(viewport={"width": size[0], "height": size[1]})
    page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
    key_in(page, "8")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.locator(".tools button").all():
        assert button.evaluate("button => button.scrollWidth <= button.clientWidth")
    rows = [row.bounding_box() for row in page.locator("#bars li").all()]
    text_height = page.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('ol')).fontSize)"
    )
    assert all(row and row["height"] >= 1.2 * text_height for row in rows)


def test_a_stroke_continues_when_the_finger_returns(open_page: Any) -> None:
    page = open_page(**PHONE)
    fingers = Fingers(page)
    down = [(0.5, 0.2), (0.5, 0.6), (0.6, 1.2), (0.5, 0.9)]  # beyond the lower edge, and back
    fingers.send("touchStart", down[0])
    for place in down:
        fingers.send("touchMove", place)
    fingers.send("touchEnd")
    page.locator("#undo").click()
    expect(page.locator("#words")).to_have_text("Draw a digit: zero to nine.")
    expect(page.locator("#undo")).to_be_disabled()


def test_a_second_finger_and_a_palm_draw_nothing(open_page: Any) -> None:
    page = open_page(**PHONE)
    fingers = Fingers(page)
    fingers.send("touchStart", (0.8, 0.8), radius=60)  # a palm, then a finger next to it
    fingers.send("touchEnd")
    expect(page.locator("#undo")).to_be_disabled()
    fingers.send("touchStart", (0.5, 0.1))
    fingers.send("touchStart", (0.5, 0.1), (0.9, 0.9))
    for y in (0.3, 0.5, 0.7, 0.9):
        fingers.send("touchMove", (0.5, y), (0.1, y))
    fingers.send("touchEnd")
    expect(page.locator("#words")).to_contain_text("a 1")
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_be_disabled()


def test_a_palm_draws_nothing_between_strokes_of_a_pen(open_page: Any) -> None:
    page = open_page(**PHONE)
    fingers = Fingers(page)
    box = page.locator("#paper").bounding_box()
    assert box
    devices = page.context.new_cdp_session(page)
    for kind, y in (("mousePressed", 0.1), ("mouseMoved", 0.5), ("mouseReleased", 0.9)):
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["width"] * y}
        event = {"type": kind, "button": "left", "pointerType": "pen", "buttons": 1}
        devices.send("Input.dispatchMouseEvent", event | place | {"clickCount": 1})
    fingers.send("touchStart", (0.9, 0.9))
    fingers.send("touchEnd")
    expect(page.locator("#words")).to_contain_text("a 1")
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_be_disabled()


def test_a_double_tap_does_not_zoom_and_turning_keeps_drawings(open_page: Any) -> None:
    page = open_page(**PHONE, is_mobile=True)
    draw_seven(page, touch=True)
    expect(page.locator("#words")).to_contain_text("a 7")
    assert page.evaluate("getComputedStyle(document.documentElement).touchAction") == "manipulation"
    for selector in ("#words", "#bars", "footer"):
        for _ in range(2):
            page.locator(selector).tap()
    assert page.evaluate("visualViewport.scale") == 1
    page.set_viewport_size({"width": 844, "height": 390})
    expect(page.locator("#words")).to_contain_text("a 7")
    wait_until(
        page,
        """() => {
        const paper = document.getElementById("paper");
        const { data } = paper.getContext("2d").getImageData(0, 0, paper.width, paper.height);
        return data.some((value) => value < 100);
    }""",
    )


def test_a_screen_reader_announces_each_drawing_once(open_page: Any) -> None:
    page = open_page(**DESK)
    page.evaluate("""() => {
        window.heard = [];
        const note = (changes) => window.heard.push(changes.at(-1).target.textContent);
        new MutationObserver(note).observe(document.getElementById("said"), { childList: true });
    }""")
    assert page.locator("#words").get_attribute("role") is None
    wait_until(page, "window.heard.length === 1")
    box = page.locator("#paper").bounding_box()
    assert box
    for path in ([(0.4, 0.1), (0.2, 0.6), (0.8, 0.6)], [(0.6, 0.3), (0.6, 0.95)]):
        places = [(box["x"] + box["width"] * x, box["y"] + box["width"] * y) for x, y in path]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=5)
        page.mouse.up()
    wait_until(page, "window.heard.length > 1")
    heard = page.evaluate("window.heard")
    assert heard == ["Draw a digit: zero to nine.", page.locator("#words").inner_text()]
    assert "a 4" in heard[-1]


def test_earlier_drawings_can_be_looked_at_again_and_judged(open_page: Any) -> None:
    page = open_page(**DESK)
    expect(page.locator("#right")).to_be_disabled()
    key_in(page, "7")
    page.locator("#right").click()
    expect(page.locator("#score")).to_have_text("1 of 1 right")
    page.locator("#wrong").click()  # on second thoughts
    expect(page.locator("#score")).to_have_text("0 of 1 right")
    page.locator("#clear").click()
    page.locator("#many").click()
    key_in(page, "25")
    page.locator("#clear").click()
    earlier = page.locator("#earlier button")
    expect(page.locator("#earlier b")).to_have_text(["25", "7 ✗"])
    page.get_by_role("button", name="Look again: read as 7, wrong").click()
    expect(page.locator("#words")).to_contain_text("a 7")
    expect(page.locator("#wrong")).to_have_attribute("aria-pressed", "true")
    page.locator("#undo").click()
    expect(page.locator("#words")).to_have_text("Draw a digit: zero to nine.")
    key_in(page, "0123456789012")
    expect(earlier).to_have_count(10)


def test_a_picture_is_saved_and_shared(open_page: Any, pages: dict[str, Path]) -> None:
    page = open_page(**DESK)
    expect(page.locator("#save")).to_be_disabled()
    key_in(page, "7")
    for name in ("save", "share"):  # there is no share sheet here
        with page.expect_download() as download:
            page.locator(f"#{name}").click()
        assert download.value.suggested_filename == "read-as-7.png"
        picture = np.asarray(Image.open(download.value.path()).convert("L"))
        assert picture.shape[0] == picture.shape[1] >= 200
        assert 0.01 < (picture < 100).mean() < 0.5
    page.add_init_script("""
        navigator.canShare = ({ files }) => files.length === 1;
        navigator.share = async ({ files, text }) => { window.shared = [files[0].name, text] };""")
    page.goto(pages["cnn"].as_uri())
    key_in(page, "7")
    page.locator("#share").click()
    wait_until(page, "window.shared")
    assert page.evaluate("window.shared")[0] == "read-as-7.png"
    assert "a 7" in page.evaluate("window.shared")[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_scan_finds_nothing(open_page: Any, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python"
    ).Axe()
    for options in (PHONE, DESK):
        page = open_page(color_scheme=scheme, bypass_csp=True, **options)
        for mode in ("one", "many"):
            page.locator(f"#{mode}").click()
            draw_seven(page, touch="has_touch" in options)
            page.locator("#right").click()
            page.locator("#clear").click()  # adds one to the earlier drawings
            draw_seven(page, touch="has_touch" in options)
            results = axe.run(page)
            assert not results.response["violations"], results.generate_report()
