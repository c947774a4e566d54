"""The page that needs no Python, opened by its file in a real Chromium: it reads as the package
does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import ConvDropout, OneLayer
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


@pytest.fixture(scope="module")
def networks(sample: Mnist) -> dict[str, nn.Module]:
    """Both that are shipped, one taught mirrored writing, one that never refuses, and networks of
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
    """The network as if trained: with other statistics, and logits that differ."""
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
    """Open a network's page; whatever it asks the network for or says in the console fails the
    test."""
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
    """Drawings by seed: a made-up hand, turned and stretched, and scribbles; some are rubbed out,
    some cut off."""
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
    """More points than are all drawn."""
    angle = np.linspace(0, 40, 6_000)
    path = 140 + 100 * np.stack([np.sin(angle), np.cos(1.3 * angle)], axis=1)
    line = {"points": path.round(3).tolist(), "width": 9, "erase": False}
    eraser = {"points": [[60, 60], [200, 90]], "width": 15, "erase": True}
    return {"strokes": [line, eraser], "size": 280}


def number(text: str, seed: int) -> dict[str, Any]:
    """A number as the made-up hand writes it, each digit a little otherwise; in lines."""
    generator, hand = np.random.default_rng(seed), json.loads(HANDWRITING.read_text())
    strokes, place, high = [], np.array([20.0, 20.0]), generator.uniform(40, 60)
    for sign in text:
        if sign == "\n":
            place = np.array([20.0, place[1] + 1.8 * high])
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
    """What a function of the page answers to each drawing; None where it has no ink. As JSON, ten
    times as fast."""
    script = """([name, drawings]) => JSON.stringify(JSON.parse(drawings).map(({strokes, size}) => {
        try { return window.mnistReader[name](strokes, size) }
        catch (error) { if (error instanceof RangeError) return null; throw error }
    }))"""
    return json.loads(page.evaluate(script, [function, json.dumps(drawings)]))


def test_hundreds_of_drawings_are_read_as_python_reads_them(
    open_page: Any, networks: dict[str, nn.Module]
) -> None:
    drawings = [*recorded(300), dense_scribble()]
    expected = [in_python(drawing) for drawing in drawings]
    there = [image for image in expected if image is not None]
    assert len(there) >= 294
    for name, network in networks.items():
        found = in_page(open_page(name), "read", drawings)
        assert [reading is None for reading in found] == [image is None for image in expected]
        readings = [reading for reading in found if reading]
        images = np.array([reading["image"] for reading in readings]).reshape(-1, 28, 28)
        off = np.abs(images - np.stack(there).astype(int))
        assert off.max() <= 1
        assert (off == 0).mean() >= 0.999
        probabilities = np.array([reading["probabilities"] for reading in readings])
        by_python, scores = (
            ask(network, np.stack(there)).numpy() for ask in (predict, digit_score)
        )
        assert np.abs(probabilities - by_python).max() <= 1e-4
        assert (probabilities.argmax(axis=1) == by_python.argmax(axis=1)).all()
        assert np.abs([reading["score"] for reading in readings] - scores).max() <= 1e-4


def test_numbers_are_read_as_python_reads_them(
    open_page: Any, networks: dict[str, nn.Module]
) -> None:
    generator = np.random.default_rng(3)
    texts = [
        "".join(generator.choice(list("0123456789"), generator.integers(1, 7))) for _ in range(11)
    ] + ["20\n26"]
    drawings = [number(text, seed) for seed, text in enumerate(texts)]
    drawings[0]["strokes"].append({"points": [[30, 10], [30, 90]], "width": 9, "erase": True})
    dots = [
        {"points": [[x, 50]], "width": 9, "erase": False} for x in (40, 120)
    ]  # of no height: without larger digits beside them they are read
    drawings.append({"strokes": dots, "size": 300})
    for name in ("cnn", "mlp", "plain"):
        found = in_page(open_page(name), "readNumber", drawings)
        for drawing, reading in zip(drawings, found, strict=True):
            expected = read_number(sketch_of(drawing), networks[name])
            assert reading["text"] == expected.text
            assert reading["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
            for digit, other in zip(reading["digits"], expected.digits, strict=True):
                assert digit["box"] == pytest.approx(other.box, abs=1e-4)
                assert digit["probabilities"] == pytest.approx(other.probabilities, abs=1e-4)
                assert digit["score"] == pytest.approx(other.score, abs=1e-4)


def test_lists_of_points_are_strokes_and_none_is_an_error(open_page: Any) -> None:
    page = open_page()
    reading = page.evaluate("window.mnistReader.read([[[140, 40], [140, 240]]], 280)")
    assert np.argmax(reading["probabilities"]) == 1
    said = page.evaluate(
        "() => { try { window.mnistReader.read([], 280) } catch (error) { return error.message } }"
    )
    assert said == "there is no ink on the canvas: draw something first"


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
    screenshots.mkdir(parents=True, exist_ok=True)
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
    for _ in range(3):  # past the two that choose what to draw
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
    screenshots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=screenshots / f"page-{kind}-number.png")
    page.keyboard.press("Control+z")
    expect(page.locator("#words")).to_contain_text("256")
    page.locator("#one").click()
    expect(page.locator("#words")).to_have_text("Draw a digit: zero to nine.")
    box = page.locator("#paper").bounding_box()
    assert box
    for across in (0.1, 0.3, 0.5, 0.7, 0.9):  # a fence, which is no digit
        page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * 0.1)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * 0.9)
        page.mouse.up()
    expect(page.locator("#words")).to_contain_text(
        "I do not think this is a digit (it looks most like"
    )
    expect(page.locator("#bars")).to_have_class("refused")
    page.screenshot(path=screenshots / f"page-{kind}-refused.png")


def upright_lines(count: int) -> list[dict[str, Any]]:
    """So many upright lines close to each other, in one row."""
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


def test_what_cannot_be_read_is_not_called_no_ink(open_page: Any, pages: dict[str, Path]) -> None:
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
    page.locator("#paper").focus()
    page.keyboard.press("7")
    saved = tmp_path / "saved.html"
    saved.write_text(f"<!DOCTYPE html>{page.content()}", encoding="utf-8")
    with browser.new_context(offline=True) as context:  # its bars' old widths are blocked, aloud
        page = context.new_page()
        page.goto(saved.as_uri())
        expect(page.locator("#bars li")).to_have_count(10)
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_scan_finds_nothing(open_page: Any, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python"
    ).Axe()
    for options in (PHONE, DESK):
        page = open_page(color_scheme=scheme, bypass_csp=True, **options)
        draw_seven(page, touch="has_touch" in options)
        results = axe.run(page)
        assert not results.response["violations"], results.generate_report()
