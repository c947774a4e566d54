"""Measure the pad in a browser, locally and over a slow connection: `make bench ARGS=page`, or

    python benchmarks/page.py

It needs Chromium and the extra `test`. It measures the time from the click that runs the cell to
the first bars, the delay of ink and bars behind the pen, and the messages sent: without added
delay, and with 75 and 150 ms added each way.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import keep
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browser.conftest import (
    CHROMIUM_NAMES,
    QUIET,
    NotebookPage,
    Server,
    open_to_tests,
    serving,
    write_notebook,
)
from browser.slow import slow_line
from browser.test_pad import THREE, Pad

CELL = """from mnist_nb import DrawingPad
pad = DrawingPad(path='none/model.safetensors', digits='none/d.safetensors')
pad"""
DELAYS = (0.0, 0.075, 0.15)
STROKES = 8

# Moves the mouse 60 times a second, and records when ink appears at each of its positions.
_STROKE = """async ([canvas, points]) => {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    const fire = (kind, [x, y]) => canvas.dispatchEvent(new MouseEvent(
        kind, {clientX: box.left + x, clientY: box.top + y, bubbles: true, buttons: 1}));
    const open = [], late = [];
    const look = () => {
        for (const place of [...open]) {
            const pixel = pen.getImageData(place.x * scale, place.y * scale, 1, 1).data;
            if (pixel[0] < 128 && pixel[3] > 0) {
                late.push(performance.now() - place.at);
                open.splice(open.indexOf(place), 1);
            }
        }
    };
    const frame = () => new Promise(resolve => setTimeout(resolve, 16));
    for (let at = 0; at < points.length; at++) {
        fire(at ? "mousemove" : "mousedown", points[at]);
        open.push({x: points[at][0], y: points[at][1], at: performance.now()});
        await frame();
        look();
    }
    fire("mouseup", points[points.length - 1]);
    const released = performance.now();
    while (open.length && performance.now() - released < 5000) { await frame(); look(); }
    return {late, lost: open.length};
}"""
_BARS = """async () => {
    const begin = performance.now();
    while (performance.now() - begin < 20000) {
        if (document.querySelector(".mnist-pad svg")) return performance.now() - begin;
        await new Promise(resolve => setTimeout(resolve, 4));
    }
}"""


def curve() -> list[list[float]]:
    """Return a 3 of 60 points, as many as a mouse sends in a second."""
    corners = np.array(THREE, float)
    along = np.linspace(0, len(corners) - 1, 60)
    return np.stack(
        [np.interp(along, range(len(corners)), corners[:, axis]) for axis in (0, 1)], axis=1
    ).tolist()


def opening(page: Any, server: Server) -> tuple[NotebookPage, dict[str, float]]:
    """Return the notebook, and the milliseconds from the click that runs its cell to the pad, and
    from there to the first bars."""
    notebook = NotebookPage(page, server, Path(tempfile.gettempdir()))
    notebook.open(write_notebook(server.folder, "page.ipynb", CELL))
    started = time.perf_counter()
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(".mnist-pad canvas").wait_for()
    shown = time.perf_counter()
    pad = Pad(notebook)
    page.evaluate(_STROKE, [pad.canvas.element_handle(), curve()[:12]])
    bars = page.evaluate(_BARS)
    assert bars is not None
    ended = time.perf_counter()
    pad.press("Clear")
    page.wait_for_timeout(1000)
    return notebook, {"pad": 1000 * (shown - started), "bars": 1000 * (ended - shown)}


def strokes(notebook: NotebookPage, messages: dict[str, int]) -> dict[str, Any]:
    """Return the delay of the ink of some strokes, the points lost, and the messages of each stroke
    in each direction."""
    pad = Pad(notebook)
    late, lost, sent, received = [], 0, [], []
    for _ in range(STROKES):
        pad.press("Clear")
        pad.says("Draw a digit")
        notebook.page.wait_for_timeout(500)
        messages.update(sent=0, received=0)
        result = notebook.page.evaluate(_STROKE, [pad.canvas.element_handle(), curve()])
        pad.says("I read a 3")
        notebook.page.wait_for_timeout(500)
        late += result["late"]
        lost += result["lost"]
        sent.append(messages["sent"])
        received.append(messages["received"])
    return {"late": late, "lost": lost, "sent": sent, "received": received}


def count(socket: Any, messages: dict[str, int]) -> None:
    """Count the messages of a connection, except for those about the kernel's status."""

    def counted(way: str) -> Any:
        def one(data: str | bytes) -> None:
            text = data if isinstance(data, str) else data.decode("latin1")
            first = re.search(
                r'"msg_type": ?"(\w+)"', text
            )  # its own; a second one is of what it answers
            messages[way] += first is not None and first[1] == "comm_msg"

        return one

    socket.on("framesent", counted("sent"))
    socket.on("framereceived", counted("received"))


def main() -> None:
    """Measure and print the table."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*QUIET, "--no-sandbox"]
        )
        lab = serving(Path(folder), *open_to_tests("lab"), place="lab/tree", ready="api/status")
        with lab as server, slow_line(server.port) as line:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(60_000)
            messages = {"sent": 0, "received": 0}
            page.on("websocket", lambda socket: count(socket, messages))
            notebook, first = opening(page, server.through(line.port))
            results: dict[str, Any] = {"first": first}
            for delay in DELAYS:
                line.delay = delay
                results[f"{1000 * delay:.0f} ms"] = strokes(notebook, messages)
        browser.close()
    lines = ["| the pad in JupyterLab | ms |", "| --- | --- |"]
    lines.append(f"| from the click that runs the cell to the pad | {first['pad']:.0f} |")
    lines.append(f"| from there to the bars of the first short stroke | {first['bars']:.0f} |")
    lines += [
        "",
        "| added each way | ink behind the pen, ms, median (95 % under) | points without ink | "
        "messages |",
    ]
    lines.append("| --- | --- | --- | --- |")
    for delay in DELAYS:
        one = results[f"{1000 * delay:.0f} ms"]
        late = f"{np.median(one['late']):.0f} ({np.quantile(one['late'], 0.95):.0f})"
        many = f"{np.median(one['sent']):.0f} to the kernel, {np.median(one['received']):.0f} back"
        lines.append(
            f"| {1000 * delay:.0f} ms | {late} | {one['lost']} of {60 * STROKES} | {many} |"
        )
    keep("page", results, lines, None)


if __name__ == "__main__":
    main()
