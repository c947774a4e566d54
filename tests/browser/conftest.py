"""JupyterLab and browsers for the tests in this folder.

Tests are skipped if a browser is not found, and fail if MNIST_NB_REQUIRE_BROWSER names it.
Screenshots are saved in the folder MNIST_NB_SCREENSHOTS, or in a temporary one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserType, Page, Playwright, sync_playwright

from .windows import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-dev-shm-usage",
]
START_SECONDS = 90
NARROW = 700  # pixels
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

# Functions of the page: JupyterLab lets scripts in when it is started with --expose-app-in-browser.
READY = """async () => {
    const widget = window.jupyterapp?.shell?.currentWidget;
    if (!widget?.context || !widget.sessionContext) return false;
    await widget.context.ready;
    await widget.sessionContext.ready;
    return true;
}"""
RUN_ALL = """() => {
    window.runAll = "running";
    window.jupyterapp.commands.execute("notebook:run-all-cells").then(
        () => { window.runAll = "done" }, error => { window.runAll = "failed: " + error });
}"""
_PUT_CELLS = """sources => {
    const { sharedModel } = window.jupyterapp.shell.currentWidget.content.model;
    const empty = {cell_type: "code", metadata: {}, outputs: []};
    sharedModel.insertCells(0, sources.map(source => ({...empty, source})));
    sharedModel.deleteCellRange(sources.length, sharedModel.cells.length);
}"""
_CUT_OFF = """selector => {
    const panel = document.querySelector(selector);
    const right = panel.getBoundingClientRect().right + 1;
    const all = [...panel.querySelectorAll("*")];
    const parts = all.map(part => [part, part.getBoundingClientRect()]);
    return parts.filter(([, box]) => box.width > 0 && box.right > right)
        .map(([part]) => part.outerHTML.slice(0, 80));
}"""
_CELLS = """() => {
    const outputs = [];
    const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
    for (let index = 0; index < cells.length; index++) {
        const cell = cells.get(index);
        if (cell.type !== "code") continue;
        outputs.push({index, count: cell.executionCount, outputs: cell.outputs.toJSON()});
    }
    return outputs;
}"""


@dataclass(frozen=True)
class Server:
    """A running JupyterLab, or another server of notebooks: its address and its folder."""

    address: str
    folder: Path

    @property
    def port(self) -> int:
        return int(re.findall(r":(\d+)", self.address)[0])

    def through(self, port: int) -> Server:
        """Return the same server, reached through another port."""
        return Server(self.address.replace(f":{self.port}", f":{port}"), self.folder)


class NotebookPage:
    """A notebook that is open in JupyterLab, and the actions of its reader."""

    def __init__(self, page: Page, server: Server, screenshots: Path) -> None:
        self.page = page
        self.server = server
        self.screenshots = screenshots
        self.name = ""
        self.is_open = False

    def show(self, *sources: str) -> NotebookPage:
        """Run these code cells without an error, in place of those of the open notebook, or in a
        new one."""
        if self.is_open:
            self.page.evaluate(_PUT_CELLS, sources)
        else:
            self.open(write_notebook(self.server.folder, "shown.ipynb", *sources))
        self.run_all()
        assert self.errors() == []
        return self

    def open(self, name: str, timeout: float = START_SECONDS) -> NotebookPage:
        """Open a notebook of the server's folder and wait until its kernel is ready."""
        self.name = self.name or Path(name).stem
        self.page.goto(f"{self.server.address}/{name}?reset", wait_until="domcontentloaded")
        self.wait_until_ready(timeout)
        self.is_open = True
        return self

    def wait_until_ready(self, timeout: float = START_SECONDS) -> None:
        """Wait until the notebook is drawn and its kernel is ready, after it was opened, reloaded
        or restarted."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=timeout * 1000)
        self._wait_until(lambda: self.page.evaluate(READY), timeout, "the kernel to be ready")

    def run_all(self, timeout: float = 300) -> NotebookPage:
        """Run every cell and wait for the last. The outputs may contain errors; see `errors`."""
        self.page.evaluate(RUN_ALL)
        self._wait_until(
            lambda: self.page.evaluate("window.runAll") != "running", timeout, "all cells to run"
        )
        state = self.page.evaluate("window.runAll")
        assert state == "done", state
        return self

    def shut_down(self) -> None:
        """End all kernels."""
        self.page.evaluate(
            "async () => { await window.jupyterapp?.serviceManager?.sessions?.shutdownAll() }"
        )
        self.is_open = False

    def code_cells(self) -> list[dict[str, Any]]:
        """Return `index`, execution `count` and `outputs` of each code cell in the page."""
        cells: list[dict[str, Any]] = self.page.evaluate(_CELLS)
        return cells

    def errors(self) -> list[str]:
        """Return the tracebacks of cells without their colours, each after its cell's index."""
        return [
            f"cell {cell['index']}: {_plain(output)}"
            for cell in self.code_cells()
            for output in cell["outputs"]
            if output["output_type"] == "error"
        ]

    def widget_errors(self) -> list[str]:
        """Return the widgets that the page could not show ("model not found", a canvas as text)."""
        area = self.page.locator(
            ".jp-OutputArea-output", has_text=re.compile(r"not found|Error (creating|displaying)")
        )
        canvases = self.page.locator(
            ".jp-OutputArea-output pre", has_text=re.compile(r"^(Multi)?(Rough)?Canvas\(")
        )
        return [*area.all_inner_texts(), *canvases.all_inner_texts()]

    def output(self, cell: int) -> Any:
        """Return a locator of the output area of the cell with this index; markdown cells count
        too."""
        locator = self.page.locator(
            f'.jp-Notebook .jp-Cell[data-windowed-list-index="{cell}"] .jp-Cell-outputArea'
        )
        return (
            locator
            if locator.count()
            else self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-Cell-outputArea")
        )

    def reveal(self, selector: str, timeout: float = 30) -> Any:
        """Return a locator of the first visible match, scrolled into view: JupyterLab draws only
        cells in view."""
        locator = self.page.locator(selector).first
        deadline = time.monotonic() + timeout
        for position in self._positions():
            if locator.count() or time.monotonic() > deadline:
                break
            self._scroll(position)
        locator.wait_for(timeout=timeout * 1000)
        locator.scroll_into_view_if_needed()
        return locator

    def resize(self, width: int, height: int) -> None:
        """Resize the window. In a narrow one, the list of files is hidden."""
        self.page.set_viewport_size({"width": width, "height": height})
        if width < NARROW and self.page.locator("#filebrowser:visible").count():
            toggle = "window.jupyterapp.commands.execute('application:toggle-left-area')"
            self.page.evaluate(toggle)
        self.page.wait_for_timeout(500)

    def cut_off(self, panel: str) -> list[str]:
        """Return the elements that extend beyond the right edge of a panel, given by its
        selector."""
        parts: list[str] = self.page.evaluate(_CUT_OFF, panel)
        return parts

    def show_theme(self, name: str) -> None:
        """Choose JupyterLab's theme: "Light" or "Dark"."""
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        self.page.evaluate(change, f"JupyterLab {name}")
        is_light = str(name == "Light").lower()
        chosen = self.page.locator(f"[data-jp-theme-light={is_light}]").first
        chosen.wait_for(state="attached")

    def barriers(self, panel: str) -> list[str]:
        """Return serious and critical accessibility problems in a panel, given by its selector."""
        axe = pytest.importorskip(
            "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python"
        ).Axe()
        found = []
        for violation in axe.run(self.page, context=panel).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                places = [node["html"][:160] for node in violation["nodes"]]
                found.append(f"{violation['id']}: {places}")
        return found

    def screenshot(self, suffix: str = "") -> Path:
        """Save a screenshot of the window, and return its file."""
        path = self.screenshots / f"{self.name}{suffix and '-' + suffix}.png"
        self.page.screenshot(path=path)
        return path

    def screenshots_of_all(self) -> list[Path]:
        """Save screenshots of the notebook from top to bottom, one for each height of the
        window."""
        paths = []
        for number, position in enumerate(self._positions()):
            self._scroll(position)
            paths.append(self.screenshot(f"{number:02d}"))
        return paths

    def _positions(self) -> range:
        """Return scroll positions, in pixels, that show the notebook from top to bottom."""
        total, height = self.page.evaluate(
            "() => { const box = document.querySelector('.jp-WindowedPanel-outer') ?? "
            "document.documentElement;"
            " return [box.scrollHeight, box.clientHeight] }"
        )
        return range(0, max(1, int(total)), max(1, int(height) - 40))

    def _scroll(self, position: int) -> None:
        self.page.evaluate(
            "top => (document.querySelector('.jp-WindowedPanel-outer') ?? window).scrollTo(0, top)",
            position,
        )
        self.page.wait_for_timeout(300)

    def _wait_until(self, condition: Any, timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                self.screenshot("timeout")
                pytest.fail(
                    f"{self.name}: waited {timeout:.0f} s for {what}; errors so far: "
                    f"{self.errors()}"
                )
            self.page.wait_for_timeout(200)


def without(browser: str) -> NoReturn:
    """Skip the test, or fail it if the browser is required, because the browser was not found."""
    message = f"no {browser} found (.ci/run installs it on Debian and Ubuntu)"
    if browser in os.environ.get("MNIST_NB_REQUIRE_BROWSER", ""):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright's driver, of which there may be only one at a time."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium_path(playwright: Playwright) -> str:
    """Return the path of Chromium: the system's, or else playwright's build."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), own_build(playwright.chromium))
    if path is None:
        without("Chromium")
    return path


def own_build(kind: BrowserType) -> str | None:
    """Return the path of playwright's own build of a browser, if it was downloaded."""
    return kind.executable_path if Path(kind.executable_path).exists() else None


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    """A headless Chromium."""
    sandbox = ["--no-sandbox"] if IS_ROOT else []
    instance = playwright.chromium.launch(executable_path=chromium_path, args=[*QUIET, *sandbox])
    yield instance
    instance.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for screenshots."""
    chosen = os.environ.get("MNIST_NB_SCREENSHOTS")
    if not chosen:
        return tmp_path_factory.mktemp("screenshots")
    folder = Path(chosen).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def serving(
    base: Path, *program: str, place: str = "", ready: str = "", **variables: str
) -> Iterator[Server]:
    """Run a program of Jupyter with its own settings, on a free port, over a copy of the notebooks.

    Args:
        base: an empty folder.
        program: the command that starts it.
        place: the address of the notebooks on the server.
        ready: an address that answers once the server has started.
        variables: for the environment of the server and its kernels.
    """
    folder = base / "notebooks"
    shutil.copytree(
        NOTEBOOKS, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "*.safetensors")
    )
    port = free_port()
    kinds = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
    )
    environment = os.environ | {kind: str(base / kind.lower()) for kind in kinds} | variables
    command = [sys.executable, "-m", *program, f"--port={port}", "--no-browser"]
    with (base / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/{ready}", process, base / "server.log")
            yield Server(f"{address}/{place}", folder)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def open_to_tests(program: str) -> list[str]:
    """Return the command that starts JupyterLab ("lab") or Notebook ("notebook") with access for
    tests."""
    words = ["jupyter", program, "--ip=127.0.0.1", "--ServerApp.token=", "--ServerApp.password="]
    words += ["--ServerApp.port_retries=0", "--expose-app-in-browser", "--LabApp.news_url="]
    words += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    unbuilt = {
        "page_config_data": {"buildAvailable": False, "buildCheck": False}
    }  # otherwise every page starts Node
    words += [f"--ServerApp.tornado_settings={unbuilt}"]
    return words + (["--allow-root"] if IS_ROOT else [])


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab for these tests."""
    base = tmp_path_factory.mktemp("jupyter")
    with serving(base, *open_to_tests("lab"), place="lab/tree", ready="api/status") as server:
        yield server


@contextmanager
def blank_page(
    browser: Browser, server: Server, screenshots: Path, name: str = ""
) -> Iterator[NotebookPage]:
    """Open a new browser page for a notebook, with a name for its screenshots. Its kernel is shut
    down afterwards."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(30_000)
    notebook = NotebookPage(page, server, screenshots)
    notebook.name = name
    yield notebook
    notebook.shut_down()
    context.close()


@pytest.fixture
def notebook(browser: Browser, jupyter: Server, screenshots: Path) -> Iterator[NotebookPage]:
    """A page for one test."""
    with blank_page(browser, jupyter, screenshots) as notebook:
        yield notebook


@pytest.fixture(scope="module")
def page_of_file(browser: Browser, jupyter: Server, screenshots: Path) -> Iterator[NotebookPage]:
    """A page for all tests of a file, which use `shared_notebook`."""
    with blank_page(browser, jupyter, screenshots) as notebook:
        yield notebook


@pytest.fixture
def shared_notebook(page_of_file: NotebookPage, request: pytest.FixtureRequest) -> NotebookPage:
    """A notebook that the tests of a file `show` one after the other: to open one takes longer than
    most that they do.

    The panel of each is a new one in the same kernel. After a test that failed, the next begins
    with a new kernel.
    """
    if request.session.testsfailed:
        page_of_file.shut_down()
    page_of_file.name = request.node.name
    return page_of_file


def write_notebook(folder: Path, name: str, *sources: str) -> str:
    """Write a notebook of these code cells into the server's folder, and return its name."""
    content = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources]
    )
    content.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(content, folder / name)
    return name


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{address} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _plain(output: dict[str, Any]) -> str:
    text = "\n".join(output.get("traceback") or [f"{output.get('ename')}: {output.get('evalue')}"])
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
