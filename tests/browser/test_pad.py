"""The drawing pad in a browser: its answers to a mouse, a finger and a keyboard."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from .conftest import NotebookPage

pytestmark = pytest.mark.browser

THREE = [(90, 60), (150, 50), (180, 90), (130, 130), (185, 160), (170, 220), (90, 225)]
SEVEN = [(80, 60), (195, 60), (150, 140), (120, 230)]
CELLS = (
    "import os\nos.environ['MNIST_NB_SOURCE'] = 'sample'\nfrom mnist_nb import DrawingPad",
    "from tempfile import mkdtemp\nplace = mkdtemp(dir='.')\n"
    "pad = DrawingPad(path=f'{place}/model.safetensors', digits=f'{place}/digits.safetensors')\n"
    "pad",
)
INK = """canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let ink = 0;
    for (let at = 0; at < pixels.length; at += 4) ink += pixels[at] < 128 && pixels[at + 3] > 0;
    return ink;
}"""

INK_BOX = """canvas => {  // left, top, right and bottom of the ink, in pixels of the window
    const { width, height } = canvas;
    const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const columns = [];
    const rows = [];
    for (let at = 0; at < pixels.length / 4; at++) {
        if (pixels[4 * at] >= 128) continue;
        columns.push(at % width);
        rows.push(Math.floor(at / width));
    }
    const extreme = (which, places) => places.reduce((one, other) => Math[which](one, other));
    const box = canvas.getBoundingClientRect();
    const across = (x) => box.left + canvas.clientLeft + x * canvas.clientWidth / width;
    const down = (y) => box.top + canvas.clientTop + y * canvas.clientHeight / height;
    return [
        across(extreme("min", columns)), down(extreme("min", rows)),
        across(extreme("max", columns) + 1), down(extreme("max", rows) + 1),
    ];
}"""
IN_KERNEL = """async ([code, wait]) => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const future = kernel.requestExecute({ code });
    let printed = "";
    future.onIOPub = message => { printed += message.content.text ?? "" };
    if (wait) await future.done;
    return printed;
}"""


class Pad:
    """A pad in a page, and the actions of its reader."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.find()

    def find(self) -> None:
        self.canvas = self.notebook.reveal('.mnist-pad canvas[title="Paper to draw a digit on"]')
        self.canvas.wait_for()

    def places(self, points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        box = self.canvas.bounding_box()
        assert box is not None
        return [(box["x"] + 1 + x, box["y"] + 1 + y) for x, y in points]

    def mouse(self, points: Iterable[tuple[float, float]], *, release: bool = True) -> None:
        self.canvas.hover(trial=True)  # waits until the paper no longer moves
        first, *others = self.places(points)
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for place in others:
            self.page.mouse.move(*place, steps=5)
        if release:
            self.page.mouse.up()

    def touch(self, points: Iterable[tuple[float, float]]) -> None:
        session = self.page.context.new_cdp_session(self.page)
        for number, (x, y) in enumerate(self.places(points)):
            kind = "touchMove" if number else "touchStart"
            session.send(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            )
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def rest_a_second_finger(self) -> None:
        """Touch the paper with one finger, then with a second, and lift both."""
        session = self.page.context.new_cdp_session(self.page)
        fingers = [{"x": x, "y": y} for x, y in self.places([(60, 60), (200, 200)])]
        for kind, touching in (("touchStart", 1), ("touchStart", 2), ("touchEnd", 0)):
            event = {"type": kind, "touchPoints": fingers[:touching]}
            session.send("Input.dispatchTouchEvent", event)
            self.page.wait_for_timeout(300)

    def press(self, title: str) -> None:
        """Press a button, and wait until the kernel has answered: what it shows may move the
        paper."""
        self.page.locator(f'.mnist-pad button[title^="{title}"]').click()
        self.in_kernel("")

    def undo(self) -> None:
        self.page.get_by_title("Undo the last stroke", exact=True).click()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def in_kernel(self, code: str, *, wait: bool = True) -> str:
        """Run code in the kernel, and return its output."""
        printed: str = self.page.evaluate(IN_KERNEL, [code, wait])
        return printed

    def strokes(self) -> list[list[list[float]]]:
        """Return the points of each stroke in the kernel."""
        points = "[stroke.points.tolist() for stroke in pad.state.drawing.strokes]"
        strokes: list[list[list[float]]] = json.loads(self.in_kernel(f"print({points})"))
        return strokes

    def says(self, text: str, where: str = ".pad-words") -> None:
        self.page.locator(f".mnist-pad {where}", has_text=text).first.wait_for()

    def bars(self) -> str:
        """Return the ten digits and their percentages, and the prediction with its mark."""
        return self.page.locator(".mnist-pad svg").text_content() or ""

    def ink(self) -> int:
        ink: int = self.canvas.evaluate(INK)
        return ink

    def settled_ink(self) -> int:
        """Return the ink once the page has drawn everything: when it has not changed for a
        second."""
        counts = [self.ink()]
        for _ in range(300):
            self.page.wait_for_timeout(100)
            counts.append(self.ink())
            if len(set(counts[-10:])) == 1 and len(counts) >= 10:
                break
        return counts[-1]

    def wait_for_ink(self, ink: int) -> None:
        for _ in range(100):
            if abs(self.ink() - ink) <= 0.02 * ink + 20:
                return
            self.page.wait_for_timeout(100)
        pytest.fail(f"the canvas shows {self.ink()} pixels of ink and not about {ink}")


@pytest.fixture
def pad(shared_notebook: NotebookPage) -> Pad:
    shared_notebook.page.set_viewport_size({"width": 1280, "height": 900})
    return Pad(shared_notebook.show(*CELLS))


def test_draw_leave_undo_and_reload(pad: Pad) -> None:
    pad.mouse(THREE)
    pad.says("I read a 3")
    assert pad.page.locator(".mnist-pad figure img").first.is_visible()
    assert "◀" in pad.bars()
    three = pad.settled_ink()
    pad.notebook.screenshot("three")

    # a stroke released outside ends there: when the mouse returns, it draws nothing
    pad.mouse([(40, 250), (-60, 250)], release=False)
    pad.page.mouse.up()
    more = pad.settled_ink()
    assert more > three
    pad.page.mouse.move(*pad.places([(140, 20)])[0], steps=5)
    assert (
        abs(pad.settled_ink() - more) < 0.02 * more
    )  # a line to that point would have several times this ink
    pad.undo()
    pad.wait_for_ink(three)
    pad.says("I read a 3")

    pad.press("Clear")
    pad.says("Draw a digit")
    pad.touch(SEVEN)
    pad.says("a 7")
    seven = pad.settled_ink()
    pad.notebook.screenshot("seven")

    # Tab leaves the paper, and Enter presses the focused button
    pad.mouse(THREE)
    pad.page.keyboard.press("Tab")
    pad.page.wait_for_function("document.activeElement.title.startsWith('Undo')")
    pad.page.keyboard.press("Enter")
    pad.wait_for_ink(seven)

    pad.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    pad.page.wait_for_timeout(1000)
    pad.page.reload()
    pad.page.wait_for_selector(".jp-Notebook .jp-Cell")
    pad.find()
    pad.says("a 7")
    pad.wait_for_ink(seven)
    pad.mouse([(20, 270), (40, 270)])  # and continues drawing
    pad.undo()
    pad.wait_for_ink(seven)


def test_collect_digits_and_teach_them(pad: Pad) -> None:
    pad.tab("Collect")
    pad.press("Ask me for digits")
    for number in range(1, 4):
        pad.says("Please draw")
        pad.mouse([(x + 4 * number * (at % 2), y) for at, (x, y) in enumerate(THREE)])
        pad.says("I read a 3")
        if number == 1:
            pad.page.keyboard.press("Enter")
            pad.in_kernel("")
        else:
            pad.press("Save this drawing")
        pad.says(f"{number} of 30", ".widget-html-content")
    pad.notebook.screenshot("collect")
    pad.press("Ask me for digits")
    for number in range(3):
        pad.press("Clear")
        pad.mouse([(x + 5 * number * (at % 2), y) for at, (x, y) in enumerate(SEVEN)])
        pad.says("I read a 7")
        pad.press("Save as a 7")
        pad.says(f"You have {number + 4} digits", ".pad-say")
    pad.tab("My digits")
    pad.press("How many of my digits")
    pad.says("of your 6 digits", ".pad-say")
    pad.notebook.screenshot("my-digits")

    pad.tab("Teach it my handwriting")
    pad.press("Teach the current network")
    pad.says("your digits that were not taught", ".pad-outcome")
    pad.page.wait_for_timeout(500)
    pad.notebook.screenshot("taught")
    assert pad.notebook.widget_errors() == []


def test_a_test_image_is_moved_with_the_keyboard_alone(pad: Pad) -> None:
    pad.page.locator('.mnist-pad button[title="Show this picture"]').focus()
    pad.page.keyboard.press("Enter")
    pad.says("I read a 7")  # the first test image
    before = pad.bars()
    pad.page.locator('.mnist-pad button[title^="Move right"]').focus()
    for _ in range(8):
        pad.page.keyboard.press("Enter")
    pad.page.wait_for_function(
        "before => document.querySelector('.mnist-pad svg').textContent !== before", arg=before
    )
    pad.notebook.screenshot("moved")


def test_a_letter_is_refused_unless_the_reader_switches_that_off(pad: Pad) -> None:
    for stroke in ([(80, 40), (80, 240)], [(210, 40), (85, 150), (220, 240)]):  # a K
        pad.mouse(stroke)
    pad.says("I do not think this is a digit (it looks most like")
    pad.notebook.screenshot("refused")
    pad.page.get_by_label("Say when it is not a digit").uncheck()
    words = pad.page.locator(".mnist-pad .pad-words")
    words.filter(has_not_text="I do not think").first.wait_for()
    pad.page.get_by_label("Say when it is not a digit").check()
    pad.says("I do not think this is a digit")
    pad.press("Clear")
    pad.says("Draw a digit")


def test_a_photo_is_shown_with_its_digit_in_a_frame_and_cropped(pad: Pad) -> None:
    """The artificial photo shows a 7 on ruled paper, half in shadow, next to a scribble to crop
    away."""
    page = Image.new("L", (640, 480), 210)
    pen = ImageDraw.Draw(page)
    for top in range(30, 480, 50):
        pen.line([(0, top), (640, top + 8)], 160, 2)
    pen.line([(180 + x, 80 + y) for x, y in SEVEN], 50, 12, joint="curve")
    pen.line([(560, 100), (600, 300), (570, 420)], 50, 12, joint="curve")
    light = np.where(np.arange(640) < 320, 0.7, 1.0) + np.random.default_rng(0).normal(
        0, 0.015, (480, 640)
    )
    file = io.BytesIO()
    Image.fromarray((np.asarray(page) * light).clip(0, 255).astype(np.uint8)).save(file, "JPEG")
    with pad.page.expect_file_chooser() as chooser:
        pad.page.locator(".mnist-pad .jupyter-button", has_text="Read a photo").click()
    chooser.value.set_files(
        {"name": "seven.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}
    )
    pad.says("the digit in a frame", "figcaption")
    whole = pad.page.locator('.mnist-pad img[alt^="your picture"]').get_attribute("height")
    handle = pad.page.locator(".mnist-pad .noUi-handle-upper").first
    handle.focus()
    for _ in range(25):
        pad.page.keyboard.press("ArrowLeft")
    pad.says("I read a 7")
    pad.page.wait_for_function(
        """whole => {
            const picture = document.querySelector('.mnist-pad img[alt^="your picture"]');
            return picture.height !== Number(whole);
        }""",
        arg=whole,
    )
    pad.says("seven.jpg was prepared", ".pad-say")
    pad.notebook.screenshot("photo")
    assert pad.notebook.widget_errors() == []


TWO = [(12, 42), (22, 26), (44, 24), (54, 44), (40, 74), (24, 98), (10, 118), (34, 114), (62, 116)]
ZERO = [(40, 22), (20, 36), (12, 70), (22, 106), (42, 116), (60, 96), (64, 60), (54, 30), (40, 22)]
SIX = [(54, 20), (32, 40), (16, 76), (22, 108), (42, 118), (58, 100), (52, 78), (34, 74), (18, 90)]
SLIM_SEVEN = [(10, 24), (60, 24), (40, 70), (28, 118)]
BAR = [(22, 70), (56, 68)]


def test_a_number_is_written_and_read(pad: Pad) -> None:
    """It is drawn with the mouse on the wide page, and its reading is shown above its digits and
    below."""
    page = pad.page
    page.set_viewport_size({"width": 1366, "height": 768})
    pad.tab("Whole numbers")
    pad.canvas = page.get_by_title("Paper to write a number on")
    pad.canvas.scroll_into_view_if_needed()
    pad.says("Write a number")
    for left, digit in zip((60, 190, 320, 450), (TWO, ZERO, TWO, SIX), strict=True):
        pad.mouse([(left + x, 40 + y) for x, y in digit])
    pad.says("I read 2026, ")
    assert page.locator(".mnist-pad .pad-thumbs figcaption").all_inner_texts()[0].startswith("2, ")
    page.locator(".mnist-pad .pad-thumbs").first.scroll_into_view_if_needed()
    for theme in ("Light", "Dark"):
        pad.notebook.show_theme(theme)
        pad.notebook.screenshot(f"2026-{theme}")
    pad.canvas.scroll_into_view_if_needed()

    page.get_by_label("That was").fill("2025")
    pad.press("Save each digit of the number")
    pad.says("Saved as a 2, a 0, a 2, a 5. You have 4 digits now.", ".pad-say")

    pad.press("Undo the last stroke of the number")
    pad.says("I read 202, ")
    for path in (SLIM_SEVEN, BAR):
        pad.mouse([(450 + x, 40 + y) for x, y in path])
    pad.says("I read 2027, ")

    # Tab leaves the paper, also backwards
    page.keyboard.press("Tab")
    page.wait_for_function(
        "document.activeElement.title.startsWith('Undo the last stroke of the number')"
    )
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    pad.says("I read 202, ")
    pad.press("Empty the wide page")
    pad.says("Write a number")
    page.wait_for_timeout(300)
    hint: int = pad.canvas.evaluate(INK)
    assert hint < 500  # only the hint


def test_a_number_on_the_small_paper_moves_to_its_page(pad: Pad) -> None:
    page = pad.page
    page.set_viewport_size({"width": 1366, "height": 768})
    offer = page.locator(".mnist-pad button", has_text="Open Whole numbers")
    assert not offer.is_visible()
    below = page.get_by_role("tab", name="Collect")
    place = below.bounding_box()
    pad.mouse([(60 + x, 60 + y) for x, y in TWO])
    pad.says("I read a 2")
    page.wait_for_timeout(500)  # until its bars have replaced those of earlier readings
    bars = page.locator(".mnist-bars").bounding_box()
    pad.mouse([(150 + x, 60 + y) for x, y in SIX])
    pad.says("This looks like 26.", ".widget-html-content")
    assert page.locator(".mnist-pad .pad-words").first.bounding_box()["height"] > 50  # two lines
    assert below.bounding_box() == place
    assert page.locator(".mnist-bars").bounding_box() == bars
    pad.notebook.screenshot("offer")
    offer.click()
    pad.says("I read 26, ")
    page.wait_for_function("document.activeElement.title == 'Paper to write a number on'")
    page.wait_for_timeout(500)
    pad.notebook.screenshot("opened")
    assert not offer.is_visible()


def test_nothing_moves_when_the_pad_says_something(pad: Pad) -> None:
    page = pad.page
    pad.tab("Networks")
    path = page.get_by_placeholder("folder/model.safetensors")
    for width, folders in ((1366, 1), (1366, 8), (1024, 8)):
        pad.notebook.resize(width, 900)
        pad.press("Clear")
        path.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)  # until the cleared pad has its final layout
        place = path.bounding_box()
        path.fill(f"{'a folder of mine/which is not there/' * folders}none.safetensors")
        page.locator(".mnist-pad button", has_text="Open").filter(visible=True).first.click()
        pad.says("does not exist", ".pad-say")
        page.wait_for_timeout(300)
        pad.notebook.screenshot(f"says-{width}-{folders}")
        assert (width, path.bounding_box()) == (width, place)


def test_no_part_of_the_pad_is_cut_off(pad: Pad) -> None:
    pad.mouse(THREE)
    pad.says("I read a 3")
    tabs = pad.page.locator(".mnist-pad [role=tab]").all_inner_texts()
    for width in (1366, 1024, 600, 390):
        pad.notebook.resize(width, 768)
        for name in tabs:
            pad.tab(name)
            pad.page.wait_for_timeout(200)
            pad.notebook.screenshot(f"{width}-{name}")
            assert (width, name, pad.notebook.cut_off(".mnist-pad")) == (width, name, [])
        bars = pad.page.locator(".mnist-bars").bounding_box()
        assert bars is not None
        assert bars["width"] >= 230


def test_ink_is_at_the_tip_at_each_zoom(pad: Pad) -> None:
    """A browser that zooms has fewer pixels, each of more pixels of the screen."""
    screen = pad.page.context.new_cdp_session(pad.page)
    for zoom, screen_scale, draw in (
        (0.8, 1, pad.mouse),
        (1.25, 2, pad.touch),
        (1.5, 3, pad.mouse),
    ):
        metrics = {"width": round(1366 / zoom), "height": round(900 / zoom), "mobile": False}
        zoomed = metrics | {"deviceScaleFactor": zoom * screen_scale}
        screen.send("Emulation.setDeviceMetricsOverride", zoomed)
        pad.press("Clear")
        pad.says("Draw a digit")
        pad.canvas.scroll_into_view_if_needed()
        pad.page.wait_for_timeout(300)
        assert pad.page.evaluate("devicePixelRatio") == pytest.approx(zoom * screen_scale)
        draw([(60, 80), (200, 190)])
        pad.settled_ink()
        (left, top), (right, bottom) = pad.places([(60, 80), (200, 190)])
        pen = 16 / 2
        expected = [left - pen, top - pen, right + pen, bottom + pen]
        assert pad.canvas.evaluate(INK_BOX) == pytest.approx(expected, abs=1)
        assert pad.notebook.cut_off(".mnist-pad") == []
    pad.notebook.resize(1366, 768)  # ends the emulation


def test_an_accessibility_scan_finds_nothing_serious(pad: Pad) -> None:
    pad.mouse(THREE)
    pad.says("I read a 3")
    tabs = pad.page.locator(".mnist-pad [role=tab]").all_inner_texts()
    for theme in ("Dark", "Light"):
        pad.notebook.show_theme(theme)
        for name in tabs:
            pad.tab(name)
            assert (theme, name, pad.notebook.barriers(".mnist-pad")) == (theme, name, [])


def test_a_stroke_with_shift_held_is_drawn_completely(pad: Pad) -> None:
    pad.page.keyboard.down("Shift")
    pad.mouse(THREE)
    pad.page.keyboard.up("Shift")
    pad.says("I read a 3")


def test_the_wheel_over_the_paper_scrolls_the_page(pad: Pad) -> None:
    top = pad.canvas.bounding_box()["y"]
    pad.page.mouse.move(*pad.places([(140, 140)])[0])
    pad.page.mouse.wheel(0, 60 if top > 100 else -60)
    pad.page.wait_for_timeout(500)
    assert abs(pad.canvas.bounding_box()["y"] - top) > 30


def test_a_stroke_continues_along_the_edge_and_ends_outside(pad: Pad) -> None:
    pad.mouse([(60, 140), (-40, 140), (-40, 200), (60, 200)])
    pad.settled_ink()
    [stroke] = pad.strokes()
    assert min(x for x, y in stroke) == 0
    assert stroke[-1][0] > 50
    pad.mouse([(200, 140), (330, 140)])  # released outside
    pad.page.mouse.move(*pad.places([(200, 60)])[0], steps=5)
    pad.settled_ink()
    [_, stroke] = pad.strokes()
    assert stroke[-1] == pytest.approx([280, 140], abs=1)


def test_the_page_says_that_the_kernel_is_busy_or_gone(pad: Pad) -> None:
    notice = pad.page.locator(".mnist-pad .pad-busy").first
    pad.mouse(SEVEN)
    pad.says("a 7")
    pad.rest_a_second_finger()
    pad.page.wait_for_timeout(2500)
    assert notice.is_hidden()
    pad.press("Clear")
    pad.in_kernel("import time; time.sleep(6)", wait=False)
    pad.mouse(THREE)
    notice.wait_for(state="visible")
    pad.notebook.screenshot("busy")
    pad.says("I read a 3")
    notice.wait_for(state="hidden")
    pad.notebook.shut_down()
    pad.mouse(SEVEN)
    notice.wait_for(state="visible")
