"""In Chromium, Firefox and WebKit, the exported page reads as Python does, and the panels work in
JupyterLab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Playwright
from torch import nn

from mnist_nb import export_page, load_pretrained, predict, read_number

from .conftest import READY, RUN_ALL, Server, own_build, without, write_notebook
from .test_elsewhere import STUDIO
from .test_pad import CELLS, THREE
from .test_page import (
    HANDWRITING,
    READ_ALL,
    assert_numbers_read_alike,
    assert_read_alike,
    in_python,
    number,
    recorded,
    sketch_of,
)
from .windows import (
    ANSWER_SECONDS,
    Window,
    find_firefox,
    find_webkit,
    free_port,
    open_by_playwright,
    open_firefox,
    open_webkit,
    wait_until,
)

pytestmark = pytest.mark.browser

PENS = {280: 16, 560: 12}  # widths of the pen, by the size of the page's papers
# Runs before the page's own scripts and policy: records its messages and blocked requests.
EAR = """<script>
    window.heard = [];
    for (const kind of ["debug", "log", "info", "warn", "error"])
        console[kind] = (...words) => heard.push(words.join(" "));
    addEventListener("error", event => heard.push(event.message ?? event.target.outerHTML), true);
    addEventListener("unhandledrejection", event => heard.push(String(event.reason)));
    addEventListener("securitypolicyviolation", event => heard.push(`refused ${event.blockedURI}`));
</script>"""
POLICY = '<meta http-equiv="Content-Security-Policy"'
HEARD = """() => {
    const requests = performance.getEntriesByType("resource").map(request => request.name);
    return [...window.heard, ...requests.filter(name => !name.startsWith("data:"))];
}"""
TEXT = "selector => document.querySelector(selector).textContent"
IS_DARK = "() => matchMedia('(prefers-color-scheme: dark)').matches"
PANELS = f"{CELLS[-1].removesuffix('pad')}display(pad)\n{STUDIO}"  # both sliders are below one cell
PAPER = '.mnist-pad canvas[title="Paper to draw a digit on"]'
BUTTON = ".mnist-studio button"
SAYS = """(selector, words) => [...document.querySelectorAll(selector)]
    .some(part => part.textContent.includes(words))"""
DONE = "() => document.querySelector('.studio-done').value"
SCROLL = "top => document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, top)"
SHUT_DOWN = "() => window.jupyterapp.serviceManager.sessions.shutdownAll()"

LIGHT = [f"{name}-light" for name in ("Chromium", "Firefox", "WebKit")]
DARK = [label.replace("light", "dark") for label in LIGHT]
in_each_browser = pytest.mark.parametrize("window", LIGHT, indirect=True)


@pytest.fixture(scope="module")
def window(request: pytest.FixtureRequest, playwright: Playwright) -> Iterator[Window]:
    """A window of one browser, the system's or else playwright's own build, in light or dark.

    All tests of the file share it: starting a browser takes seconds.
    """
    name, scheme = request.param.split("-")
    is_dark = scheme == "dark"
    firefox, webkit = find_firefox(), find_webkit()
    with ExitStack() as stack:
        if name == "Chromium":
            opened = open_by_playwright(request.getfixturevalue("browser"), is_dark)
        elif name == "Firefox" and firefox:
            opened = open_firefox(firefox, is_dark)
        elif name == "WebKit" and webkit:
            opened = open_webkit(webkit, is_dark)
        else:
            kind = getattr(playwright, name.lower())
            if own_build(kind) is None:
                without(name)
            browser = kind.launch()
            stack.callback(browser.close)
            opened = open_by_playwright(browser, is_dark)
        yield stack.enter_context(opened)


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    return {name: load_pretrained(name) for name in ("cnn", "mlp")}


@pytest.fixture(scope="module")
def pages(
    networks: dict[str, nn.Module], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The address of a page for each network, with an ear."""
    folder = tmp_path_factory.mktemp("pages")
    addresses = {}
    for name, network in networks.items():
        path = folder / f"{name}.html"
        export_page(network, path)
        content = path.read_text(encoding="utf-8")
        assert content.count(POLICY) == 1
        path.write_text(content.replace(POLICY, EAR + POLICY), encoding="utf-8")
        addresses[name] = path.as_uri()
    return addresses


@in_each_browser
def test_messages_and_requests_of_a_page_are_recorded(window: Window, tmp_path: Path) -> None:
    path, server = tmp_path / "loud.html", f"http://127.0.0.1:{free_port()}"
    path.write_text(
        f"{EAR}{POLICY} content=\"img-src 'none'\"><img src='{server}/a.png'>"
        "<script>console.warn('beware'); setTimeout(() => { throw new Error('broken') })</script>"
        f"<link rel='stylesheet' href='{server}/a.css'>",
        encoding="utf-8",
    )
    window.open(path.as_uri())
    error = "broken|Script error"  # WebKit gives no details about a file's script
    for words in ("beware", error, f"refused {server}/a.png", f"{server}/a.css"):
        window.wait_for(f"words => ({HEARD})().some(said => said.match(words))", words)


@in_each_browser
def test_the_page_reads_as_python_reads(
    window: Window, pages: dict[str, str], networks: dict[str, nn.Module]
) -> None:
    drawings = recorded(60)
    generator = np.random.default_rng(5)
    texts = ["".join(generator.choice(list("0123456789"), 4)) for _ in range(20)]
    numbers = [number(text, seed) for seed, text in enumerate(texts)]
    for name, network in networks.items():
        window.open(pages[name])
        assert_read_alike(window.run(READ_ALL, "read", drawings), drawings, network)
        found = window.run(READ_ALL, "readNumber", numbers)
        assert_numbers_read_alike(found, numbers, network)
        assert window.run(HEARD) == []


@pytest.mark.parametrize("window", LIGHT + DARK, indirect=True)
def test_what_is_drawn_on_the_page_is_read(
    window: Window,
    pages: dict[str, str],
    networks: dict[str, nn.Module],
    screenshots: Path,
    request: pytest.FixtureRequest,
) -> None:
    """With a mouse in a light theme, and with touch or a pen in a dark one."""
    is_dark = request.node.callspec.params["window"] in DARK
    pointer = window.pointers[-1] if is_dark else "mouse"
    window.open(pages["cnn"])
    assert window.run(IS_DARK) == is_dark
    draw_digits(window, pointer, networks["cnn"])
    window.click("#many")
    write_number(window, pointer, networks["cnn"])
    window.screenshot(screenshots / f"{request.node.name}.png")
    assert window.run(HEARD) == []


def draw_on_paper(window: Window, drawing: dict[str, Any], pointer: str) -> dict[str, Any]:
    """Draw strokes on the paper. Return them at the pointer's positions, which are whole pixels of
    the window, and with the page's pen."""
    size = drawing["size"]
    box = window.box("#paper")
    corner, scale = np.array([box["left"], box["top"]]), box["width"] / size
    strokes = []
    for stroke in drawing["strokes"]:
        path = (np.array(stroke["points"]) * scale + corner).round()  # [point, (x, y)]
        window.draw(path.tolist(), pointer)
        points = ((path - corner) / scale).tolist()
        strokes.append({"points": points, "width": PENS[size], "erase": False})
    return {"strokes": strokes, "size": size}


def draw_digits(window: Window, pointer: str, network: nn.Module) -> None:
    """Draw each digit, and assert that the page reads it as Python does."""
    hand = json.loads(HANDWRITING.read_text())
    for digit in "0123456789":
        strokes = [{"points": path} for path in hand[digit]]
        drawing = draw_on_paper(window, {"strokes": strokes, "size": 280}, pointer)
        image = in_python(drawing)
        assert image is not None
        best = int(predict(network, image[None])[0].argmax())
        window.wait_for(f"best => ({TEXT})('#bars .best b') === best", str(best))
        window.click("#clear")


def write_number(window: Window, pointer: str, network: nn.Module) -> None:
    """Write a number, and assert that the page reads it as Python does."""
    drawing = draw_on_paper(window, number("2561", 0), pointer)
    text = read_number(sketch_of(drawing), network).text
    window.wait_for(f"text => ({TEXT})('#words').includes(text)", f" {text}")


@in_each_browser
def test_the_panels_work_in_jupyterlab(
    window: Window, jupyter: Server, screenshots: Path, request: pytest.FixtureRequest
) -> None:
    name = write_notebook(jupyter.folder, "panels.ipynb", *CELLS[:-1], PANELS)
    window.open(f"{jupyter.address}/{name}?reset")
    window.wait_for(READY)
    window.run(RUN_ALL)
    window.wait_for("() => window.runAll === 'done'")

    box = window.box(PAPER)
    window.draw([(box["left"] + x, box["top"] + y) for x, y in THREE])
    window.wait_for(SAYS, ".mnist-pad .pad-words", "I read a 3")
    picture = screenshots / f"{request.node.name}-pad.png"
    ink = ink_in_sight(window, picture)
    assert ink > 0.05
    window.run(SCROLL, 100_000)
    window.wait_for("() => document.querySelector('.jp-WindowedPanel-outer').scrollTop > 400")
    window.run(SCROLL, 0)
    wait_until(lambda: ink_in_sight(window, picture) == ink, ANSWER_SECONDS, "the ink to return")

    window.click(BUTTON, "Train")
    train_for_a_while(window)
    done = window.run(DONE)
    window.click(BUTTON, "Resume")
    train_for_a_while(window)
    assert window.run(DONE) > done
    window.box(".mnist-studio")
    window.screenshot(screenshots / f"{request.node.name}-studio.png")
    window.run(SHUT_DOWN)


def ink_in_sight(window: Window, path: Path) -> float:
    """Save a screenshot; return the share of the pad's paper that is dark in it."""
    box = window.box(PAPER)
    window.screenshot(path)
    picture = Image.open(path).convert("L")
    scale = picture.width / window.run("() => innerWidth")
    right, bottom = box["left"] + box["width"], box["top"] + box["height"]
    place = [round(scale * edge) for edge in (box["left"], box["top"], right, bottom)]
    return float((np.asarray(picture.crop(place)) < 64).mean())


def train_for_a_while(window: Window) -> None:
    """Wait until the studio has trained further, then stop it."""
    done = window.run(DONE)
    window.wait_for(f"done => ({DONE})() > done", done)
    window.click(BUTTON, "Stop")
    window.wait_for(SAYS, ".studio-say", "Stopped at epoch")
