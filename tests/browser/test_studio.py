"""The training studio in a browser: the actions of a reader, click by click."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from mnist_nb import Hyperparameters

from .conftest import NotebookPage

pytestmark = pytest.mark.browser

PANEL = (
    "from mnist_nb import Hyperparameters, TrainingStudio, load_mnist\n"
    "data = load_mnist()\n"
    "batch_size = 4 if data.is_sample else 64\n"
    "settings = Hyperparameters(epochs=200, batch_size=batch_size)  # no test waits for the end\n"
    "studio = TrainingStudio(data, path=None, hyperparameters=settings)\n"
    "studio"
)
FIGURE = "studio.figure()"
STATE = (
    "import threading\n"
    "threads = sum(thread.name == 'training' for thread in threading.enumerate())\n"
    "weights = [weight for run in studio.runs for weight in run.weights.values()]\n"
    "finite = all(bool(weight.isfinite().all()) for weight in weights)\n"
    "state, warning = studio.session.state.value, studio.session.warning\n"
    "print(f'threads {threads}, {state}, finite {finite}, problem [{warning}]')"
)
LONG_WAIT = 90_000  # ms: the machine may be busy

_STOP = """async panel => {
    const buttons = [...panel.querySelectorAll("button")];
    const stop = buttons.find(button => button.innerText.trim() === "Stop");
    const begin = performance.now();
    stop.click();
    while (!panel.querySelector(".studio-say").innerText.includes("Stopped at epoch")) {
        if (performance.now() - begin > 60000) throw new Error("the run does not stop");
        await new Promise(resolve => setTimeout(resolve, 4));
    }
    return performance.now() - begin;
}"""
_BEYOND = """panel => {  // what reaches beyond the panel, which would be cut off
    const right = panel.getBoundingClientRect().right + 1;
    return [...panel.querySelectorAll("*")].filter(part => part.getBoundingClientRect().width > 0
        && part.getBoundingClientRect().right > right).map(part => part.outerHTML.slice(0, 80));
}"""
_STORM = """async ([panel, labels]) => {
    const buttons = [...panel.querySelectorAll("button")];
    for (const label of labels) {
        buttons.find(button => button.innerText.trim() === label).click();
        await new Promise(resolve => setTimeout(resolve, 15));
    }
}"""
_HIDE_LEFT_AREA = """async () => {
    await window.jupyterapp.commands.execute('application:toggle-left-area');
}"""
_SELECTED = "input => input.value.slice(input.selectionStart, input.selectionEnd)"
_TOP = """part => {
    const studio = part.closest(".mnist-studio");
    return part.getBoundingClientRect().top - studio.getBoundingClientRect().top;
}"""
_RUN_CELL = """async index => {
    window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
    await window.jupyterapp.commands.execute("notebook:run-cell");
}"""


class StudioPage:
    """A studio in a page, and the actions of its reader."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.notebook = notebook
        self.page = notebook.page
        self.panel: Locator = notebook.page.locator(".mnist-studio").first
        self.says = self.panel.locator(".studio-say")
        self.curves = self.panel.locator("polyline")
        self.rows = self.panel.locator(".studio-row")

    def button(self, name: str) -> Locator:
        return self.panel.locator("button").filter(has_text=re.compile(rf"^\s*{name}\s*$")).first

    def slider(self, label: str) -> Locator:
        """Return the slider with this label; one with a logarithmic scale has a number field next
        to it."""
        log_slider = self.panel.locator(".studio-log-slider", has_text=label)
        if log_slider.count():
            return log_slider.first
        return self.panel.locator(
            ".widget-hslider", has=self.page.locator(".widget-label", has_text=label)
        ).first

    def is_locked(self, label: str) -> bool:
        return bool(self.slider(label).locator("[disabled]").count())

    def readout(self, label: str) -> str:
        number = self.slider(label).locator("input[type=number]")
        if number.count():
            return number.input_value()
        return self.slider(label).locator(".widget-readout:visible").inner_text()

    def move(self, label: str, key: str = "ArrowRight") -> str:
        """Move a slider one step with the keyboard, and return its new label."""
        before = self.readout(label)
        self.slider(label).locator(".noUi-handle").press(key)
        self.until(lambda: self.readout(label) != before, f"{label} moves")
        return self.readout(label)

    def train(self) -> None:
        self.button("Train").click()
        expect(self.button("Stop")).to_be_enabled(timeout=LONG_WAIT)

    def stop(self) -> float:
        """Stop the run, and return the milliseconds until the sentence about it appears."""
        expect(self.button("Stop")).to_be_enabled(timeout=LONG_WAIT)
        milliseconds: float = self.panel.evaluate(_STOP)
        expect(self.button("Train")).to_be_enabled(timeout=LONG_WAIT)
        return milliseconds

    def done(self) -> float:
        """Return the share of the run that is done, in per cent."""
        return float(self.panel.locator(".studio-done").evaluate("bar => 100 * bar.value"))

    def points(self, curve: int = 0) -> int:
        return int(self.curves.nth(curve).evaluate("line => line.points.length"))

    def until(self, condition: Callable[[], Any], what: str) -> None:
        self.notebook._wait_until(condition, LONG_WAIT / 1000, what)

    def copied_code(self) -> str:
        """Return the code of the settings, which a click must select as a whole."""
        code = self.panel.locator(".studio-code")

        def click_selects_all() -> bool:
            code.click()  # again if the panel was just redrawn
            return code.evaluate(_SELECTED) == code.input_value()

        self.until(click_selects_all, "the code to be selected")
        return code.input_value()

    def run_cell(self, index: int) -> None:
        self.page.evaluate(_RUN_CELL, index)
        assert self.notebook.errors() == []


def show_studio(notebook: NotebookPage, *cells: str) -> StudioPage:
    notebook.page.set_viewport_size({"width": 1280, "height": 1300})
    notebook.show(*cells).reveal(".mnist-studio")
    assert notebook.widget_errors() == []
    return StudioPage(notebook)


@pytest.fixture
def studio(shared_notebook: NotebookPage) -> StudioPage:
    return show_studio(shared_notebook, PANEL, FIGURE, STATE)


def test_nothing_is_cut_off_and_a_laptop_shows_the_panel(
    studio: StudioPage,
) -> None:
    page = studio.page
    studio.train()
    studio.until(lambda: studio.panel.locator(".studio-inside").count(), "the look inside")
    digit = studio.panel.locator(".studio-pinned img").bounding_box()
    bars = studio.panel.locator(".studio-pinned svg").bounding_box()
    assert digit
    assert bars
    assert bars["x"] > digit["x"] + digit["width"]
    for width, height in ((1366, 768), (1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        if width < 700:
            page.evaluate(_HIDE_LEFT_AREA)
        page.wait_for_timeout(500)
        wide = studio.panel.evaluate(_BEYOND)
        assert (width, wide) == (width, [])
        if width == 1366:
            studio.panel.evaluate("panel => panel.scrollIntoView({block: 'start'})")
            shown = [
                studio.button("Train"),
                studio.slider("Momentum"),
                studio.panel.locator(".studio-pinned svg"),
            ]
            shown += [studio.panel.locator(".studio-plots"), studio.panel.locator(".studio-layers")]
            for part in shown:
                expect(part).to_be_in_viewport(ratio=1)
        studio.notebook.screenshot(str(width))
    studio.stop()


def test_an_accessibility_scan_finds_nothing_serious(studio: StudioPage) -> None:
    studio.train()
    studio.until(lambda: studio.panel.locator(".studio-inside").count(), "the look inside")
    assert studio.notebook.barriers(".mnist-studio") == []
    studio.stop()
    for theme in ("Dark", "Light"):
        studio.notebook.show_theme(theme)
        assert (theme, studio.notebook.barriers(".mnist-studio")) == (theme, [])


def test_numbers_are_typed_and_settings_copied(studio: StudioPage) -> None:
    rate = studio.slider("Learning rate").locator("input")
    rate.fill("0.0123")
    rate.press("Enter")
    batch = studio.slider("Batch size").locator("input")
    batch.fill("9999")
    batch.press("Enter")
    studio.until(lambda: studio.readout("Batch size") == "4096", "a limit to hold in sight")
    batch.fill("777")
    batch.press("Enter")
    studio.train()
    studio.stop()
    settings = eval(studio.copied_code(), {"Hyperparameters": Hyperparameters})
    assert (settings.learning_rate, settings.batch_size, settings.epochs) == (0.0123, 777, 200)


def test_nothing_moves_when_the_message_grows(studio: StudioPage) -> None:
    def tops() -> list[float]:
        parts = (".studio-say", ".studio-pinned", ".studio-plots")
        return [studio.panel.locator(part).evaluate(_TOP) for part in parts]

    studio.page.set_viewport_size({"width": 1366, "height": 1000})
    studio.page.wait_for_timeout(300)
    before = tops()
    studio.train()
    studio.stop()
    assert tops() == before
    studio.move("Epochs", "ArrowLeft")
    studio.move("Learning rate")
    studio.button("Resume").click()
    expect(studio.says).to_contain_text("from here on", timeout=LONG_WAIT)
    expect(studio.says).to_contain_text("keeps its settings: Epochs stays", timeout=LONG_WAIT)
    assert tops() == before
    studio.stop()


def test_twenty_rapid_clicks_leave_the_panel_alive(studio: StudioPage) -> None:
    labels = [("Train", "Stop", "Resume")[number * number % 7 % 3] for number in range(1, 21)]
    assert len(set(labels)) == 3
    studio.page.evaluate(_STORM, [studio.panel.element_handle(), labels])
    studio.run_cell(2)  # the kernel has handled all earlier clicks
    expect(studio.rows.first).to_be_visible(timeout=LONG_WAIT)
    studio.until(
        lambda: studio.button("Train").is_enabled() != studio.button("Stop").is_enabled(),
        "the panel to settle",
    )
    if studio.button("Stop").is_enabled():
        studio.stop()
    before = studio.rows.count()
    studio.train()
    expect(studio.rows).to_have_count(before + 1, timeout=LONG_WAIT)
    studio.until(lambda: studio.done() > 0, "the new run to go on")
    studio.stop()
    studio.run_cell(2)
    expect(studio.notebook.output(2)).to_contain_text(
        "threads 0, stopped, finite True, problem []", timeout=LONG_WAIT
    )
    assert studio.notebook.errors() == []


@pytest.mark.promise("reload and restart")
def test_a_page_reloaded_in_mid_run_finds_the_run_again(studio: StudioPage) -> None:
    studio.train()
    studio.until(lambda: studio.done() > 0, "the run to go on")
    studio.page.evaluate(
        "async () => { await window.jupyterapp.commands.execute('docmanager:save') }"
    )
    studio.page.reload()
    studio.notebook.wait_until_ready()
    studio.notebook.reveal(".mnist-studio")
    assert studio.notebook.widget_errors() == []
    expect(studio.button("Stop")).to_be_enabled(timeout=LONG_WAIT)
    stood = studio.done()
    studio.until(lambda: studio.done() > stood, "the page to follow the run")
    assert studio.rows.count() == 1
    studio.notebook.screenshot("reloaded")
    studio.stop()
    studio.run_cell(2)
    expect(studio.notebook.output(2)).to_contain_text(
        "threads 0, stopped, finite True, problem []", timeout=LONG_WAIT
    )


@pytest.mark.promise("reload and restart")
def test_a_kernel_restarted_in_mid_run_loses_no_finished_epoch(
    shared_notebook: NotebookPage,
) -> None:
    notebook = shared_notebook
    panel = PANEL.replace("path=None", "path='restarted.safetensors'").replace(
        "else 64", "else 256"
    )
    studio = show_studio(notebook, panel, STATE)
    studio.train()
    studio.until(
        lambda: studio.curves.count() == 2 and studio.points(1) >= 2, "two finished epochs"
    )
    studio.page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel() }"
    )
    notebook.wait_until_ready()

    notebook.run_all()
    assert notebook.errors() == []
    notebook.reveal(".mnist-studio")
    expect(studio.says).to_contain_text("There is an unfinished run", timeout=LONG_WAIT)
    notebook.screenshot("restarted")
    stood = studio.done()
    assert stood > 0
    studio.button("Resume").click()
    studio.until(lambda: studio.done() > stood, "the run to go on")
    studio.stop()


def test_train_stop_resume_change_the_rate_compare_and_reopen(
    studio: StudioPage, record_property: Callable[[str, object], None]
) -> None:
    notebook = studio.notebook
    notebook.screenshot("1-before")
    assert studio.move("Learning rate") == "0.0015"

    studio.train()
    studio.until(lambda: studio.curves.count() and studio.points() > 1, "the chart to grow")
    first = studio.points()
    studio.until(
        lambda: studio.points() != first, "the chart to grow on"
    )  # a long line is thinned out
    assert studio.is_locked("Momentum")
    assert not studio.is_locked("Learning rate")
    notebook.screenshot("2-during")
    latencies = [studio.stop()]
    assert studio.rows.count() == 1

    stood = studio.done()
    studio.button("Resume").click()
    studio.until(lambda: studio.done() > stood, "the run to go on")
    assert studio.move("Learning rate") == "0.002"  # while it runs
    expect(studio.rows.first).to_contain_text("0.0015 → 0.002", timeout=LONG_WAIT)
    studio.until(lambda: studio.curves.count() == 2, "the first epoch's accuracy")
    latencies.append(studio.stop())

    studio.move("Momentum", "ArrowLeft")
    studio.train()
    expect(studio.rows).to_have_count(2, timeout=LONG_WAIT)
    studio.until(lambda: studio.curves.count() == 4, "loss and accuracy of both runs")
    latencies.append(studio.stop())
    notebook.screenshot("3-after")
    expect(studio.rows.nth(1).locator(".studio-code")).to_have_value(re.compile("momentum=0.89"))

    studio.run_cell(1)
    notebook.output(1).locator("img").wait_for(timeout=LONG_WAIT)
    notebook.page.evaluate(
        "async () => { await window.jupyterapp.commands.execute('docmanager:save') }"
    )
    notebook.shut_down()
    notebook.page.reload()
    notebook.wait_until_ready()
    image = notebook.reveal(".jp-RenderedImage img", timeout=LONG_WAIT / 1000)
    studio.until(lambda: image.evaluate("image => image.complete"), "the figure to load")
    assert image.evaluate("image => image.naturalWidth") > 300
    notebook.screenshot("4-reopened")

    milliseconds = ", ".join(f"{latency:.0f}" for latency in latencies)
    record_property("stop_ms", milliseconds)
    print(f"\nfrom the click on Stop to the page that says so: {milliseconds} ms")
