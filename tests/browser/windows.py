"""A small common interface to Chromium, Firefox and WebKit: open a page, run a script, move a
pointer.

Playwright drives Chromium. It cannot drive stock Firefox and WebKitGTK, which are driven with
WebDriver BiDi (JSON over a websocket) and WebDriver (JSON over HTTP). Where these browsers are
missing, on macOS and Windows, playwright's own builds are used.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import websocket
from playwright.sync_api import Browser, Page

Path2D = Sequence[tuple[float, float]]  # (x, y) in pixels of the page
WIDTH, HEIGHT = 1280, 1000  # pixels of a window
START_SECONDS = 60
ANSWER_SECONDS = 90

_BOX = """(selector, text) => {
    const isMeant = part => part.getClientRects().length
        && (!text || part.textContent.trim() === text);
    const part = [...document.querySelectorAll(selector)].find(isMeant);
    if (!part) return null;
    part.scrollIntoView({ block: "nearest" });
    const { left, top, width, height } = part.getBoundingClientRect();
    return { left, top, width, height };
}"""


class Window(ABC):
    """A window of a browser that shows one page.

    Attributes:
        pointers: what can draw in it: "mouse", and "touch" or "pen" where the driver has them.
    """

    pointers: tuple[str, ...] = ("mouse",)

    @abstractmethod
    def open(self, address: str) -> None:
        """Load a page."""

    @abstractmethod
    def draw(self, path: Path2D, pointer: str = "mouse") -> None:
        """Press at the first point, move through the others, and release at the last."""

    @abstractmethod
    def screenshot(self, path: Path) -> None:
        """Save a screenshot of the window as PNG."""

    @abstractmethod
    def _evaluate(self, expression: str) -> str:
        """Return the text that a promise resolves to."""

    def run(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function, which may be asynchronous. Arguments and results are JSON."""
        call = f"({function})(...{json.dumps(arguments)})"
        [result] = json.loads(self._evaluate(f"(async () => JSON.stringify([await {call}]))()"))
        return result

    def wait_for(self, function: str, *arguments: Any, seconds: float = ANSWER_SECONDS) -> Any:
        """Call a JavaScript function until its result is truthy, and return it."""
        return wait_until(lambda: self.run(function, *arguments), seconds, function)

    def box(self, selector: str, text: str = "") -> dict[str, float]:
        """Scroll the first visible match, with this text if one is given, into view. Return its
        left, top, width and height."""
        box: dict[str, float] = self.wait_for(_BOX, selector, text)
        return box

    def click(self, selector: str, text: str = "") -> None:
        """Click the centre of the first visible match, with this text if one is given."""
        box = self.box(selector, text)
        self.draw([(box["left"] + box["width"] / 2, box["top"] + box["height"] / 2)])


class PlaywrightWindow(Window):
    """A window of a browser that playwright drives."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._is_chromium = page.context.browser.browser_type.name == "chromium"
        if self._is_chromium:
            self.pointers = ("mouse", "touch")

    def open(self, address: str) -> None:
        self._page.goto(address, timeout=1000 * ANSWER_SECONDS)

    def draw(self, path: Path2D, pointer: str = "mouse") -> None:
        if pointer == "touch":
            self._touch(path)
            return
        mouse = self._page.mouse
        mouse.move(*path[0])
        mouse.down()
        for point in path[1:]:
            mouse.move(*point)
        mouse.up()

    def screenshot(self, path: Path) -> None:
        self._page.screenshot(path=path)

    def _evaluate(self, expression: str) -> str:
        text: str = self._page.evaluate(expression)
        return text

    def _touch(self, path: Path2D) -> None:
        session = self._page.context.new_cdp_session(self._page)
        kind = "touchStart"
        for x, y in path:
            event = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            session.send("Input.dispatchTouchEvent", event)
            kind = "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


class FirefoxWindow(Window):
    """A window of stock Firefox, driven by WebDriver BiDi: https://w3c.github.io/webdriver-bidi/."""

    pointers = ("mouse", "touch")

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(
            f"{address}/session", timeout=ANSWER_SECONDS, suppress_origin=True
        )
        self._n_sent = 0
        self._send("session.new", capabilities={})
        # JupyterLab needs a tab with the focus to have a current notebook
        self._tab = self._send("browsingContext.create", type="tab")["context"]
        viewport = {"width": WIDTH, "height": HEIGHT}
        self._send("browsingContext.setViewport", context=self._tab, viewport=viewport)

    def open(self, address: str) -> None:
        self._send("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def draw(self, path: Path2D, pointer: str = "mouse") -> None:
        self._send("input.performActions", context=self._tab, actions=[_stroke(path, pointer)])

    def screenshot(self, path: Path) -> None:
        answer = self._send("browsingContext.captureScreenshot", context=self._tab)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        self._send("browser.close")
        self._socket.close()

    def _evaluate(self, expression: str) -> str:
        target = {"context": self._tab}
        answer = self._send(
            "script.evaluate", expression=expression, target=target, awaitPromise=True
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        text: str = answer["result"]["value"]
        return text

    def _send(self, method: str, **parameters: Any) -> Any:
        self._n_sent += 1
        message = {"id": self._n_sent, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        answer = json.loads(self._socket.recv())
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['message']}")
        return answer["result"]


class WebKitWindow(Window):
    """A window of WebKitGTK's MiniBrowser, driven by WebDriver: https://www.w3.org/TR/webdriver2/."""

    pointers = ("mouse", "pen")

    def __init__(self, address: str, program: Path) -> None:
        self._session = f"{address}/session"
        options = {"binary": str(program), "args": ["--automation"]}
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        name = self._send("POST", "", capabilities=capabilities)["sessionId"]
        self._session += f"/{name}"
        self._send("POST", "/window/rect", width=WIDTH, height=HEIGHT)

    def open(self, address: str) -> None:
        self._send("POST", "/url", url=address)

    def draw(self, path: Path2D, pointer: str = "mouse") -> None:
        self._send("POST", "/actions", actions=[_stroke(path, pointer)])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._send("GET", "/screenshot")))

    def close(self) -> None:
        self._send("DELETE", "")

    def _evaluate(self, expression: str) -> str:
        text: str = self._send("POST", "/execute/sync", script=f"return {expression}", args=[])
        return text

    def _send(self, method: str, path: str, **parameters: Any) -> Any:
        body = json.dumps(parameters).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self._session}{path}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()}") from error


def find_firefox() -> str | None:
    """Return the path of a stock Firefox on Linux; elsewhere playwright's own build is tested."""
    if sys.platform != "linux":
        return None
    return shutil.which("firefox-esr") or shutil.which("firefox")


def find_webkit() -> Path | None:
    """Return the path of WebKitGTK's MiniBrowser, if its driver and a display for it are
    installed."""
    if not shutil.which("WebKitWebDriver") or not shutil.which("Xvfb"):
        return None
    return next(Path("/usr").glob("lib*/**/webkit2gtk-4.*/MiniBrowser"), None)


@contextmanager
def open_by_playwright(browser: Browser, is_dark: bool) -> Iterator[Window]:
    """Open a window of a browser that playwright has started."""
    scheme = "dark" if is_dark else "light"
    page = browser.new_page(color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT})
    yield PlaywrightWindow(page)
    page.close()


@contextmanager
def open_firefox(program: str, is_dark: bool) -> Iterator[Window]:
    """Open a window of stock Firefox in a new profile."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        scheme = 0 if is_dark else 1
        preference = "layout.css.prefers-color-scheme.content-override"
        Path(profile, "user.js").write_text(f'user_pref("{preference}", {scheme});\n')
        command = [program, "--headless", "--no-remote", "--profile", profile]
        with _running([*command, "--remote-debugging-port=0"]):
            place = Path(profile, "WebDriverBiDiServer.json")  # written once it is listening
            wait_until(lambda: place.exists() and place.read_text(), START_SECONDS, "Firefox")
            server = json.loads(place.read_text())
            address = f"ws://{server['ws_host']}:{server['ws_port']}"
            window = FirefoxWindow(address)
            yield window
            window.close()


@contextmanager
def open_webkit(program: Path, is_dark: bool) -> Iterator[Window]:
    """Open a window of WebKitGTK on a virtual screen."""
    screen = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{WIDTH}x{HEIGHT}x24"]
    with _running([*screen, "-nolisten", "tcp"], stdout=subprocess.PIPE) as server:
        display = server.stdout.readline().decode().strip()
        variables = {"DISPLAY": f":{display}", "GTK_THEME": f"Adwaita{':dark' if is_dark else ''}"}
        port = free_port()
        driver = ["WebKitWebDriver", f"--port={port}"]
        with _running(driver, env=os.environ | variables):
            wait_until(lambda: _answers(port), START_SECONDS, "WebKitWebDriver")
            window = WebKitWindow(f"http://127.0.0.1:{port}", program)
            yield window
            window.close()


def free_port() -> int:
    """Return a port of this machine that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first truthy result of a condition; on a timeout, fail with the description of the
    condition."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends."""
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, **(silent | options), stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _stroke(path: Path2D, pointer: str) -> dict[str, Any]:
    """Return WebDriver's actions that draw a path."""
    moves = [{"type": "pointerMove", "x": round(x), "y": round(y)} for x, y in path]
    press = {"type": "pointerDown", "button": 0}
    release = {"type": "pointerUp", "button": 0}
    return {
        "type": "pointer",
        "id": pointer,
        "parameters": {"pointerType": pointer},
        "actions": [moves[0], press, *moves[1:], release],
    }
