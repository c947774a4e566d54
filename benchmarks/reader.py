"""Measure the time of a reading in the exported page: `make bench ARGS=reader`, or

    python benchmarks/reader.py

It needs Chromium and the extra `test`. The page reads two hundred recorded drawings, after ten
others to warm up, and a number of eight digits, as a whole and again after one more stroke.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measure import keep
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browser.conftest import CHROMIUM_NAMES, QUIET
from browser.test_page import number, recorded

from mnist_nb import export_page
from mnist_nb.handwriting.pretrained import PRETRAINED

_TIMES = """([name, calls]) => {
    const read = ({strokes, size}) => {
        const started = performance.now();
        try { window.mnistReader[name](strokes, size) } catch (error) { return null }
        return performance.now() - started;
    };
    return calls.map(read).filter(time => time !== null);
}"""


def main() -> None:
    """Measure and print the table."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    drawings, long = recorded(210), number("20481973", 0)
    more = {**long, "strokes": [*long["strokes"], {"points": [[5, 5], [5, 60]], "width": 6}]}
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*QUIET, "--no-sandbox"]
        )
        for name in ("mlp", "cnn"):
            path = Path(folder) / f"{name}.html"
            export_page(PRETRAINED / f"{name}.safetensors", path)
            page = browser.new_page()
            page.goto(path.as_uri())
            results[f"a digit, {name}"] = page.evaluate(_TIMES, ["read", drawings])[10:]
            whole, again = page.evaluate(_TIMES, ["readNumber", [long, more]])
            results[f"a number of eight digits, {name}"] = [whole]
            results[f"the same after one more stroke, {name}"] = [again]
        browser.close()
    lines = ["| in the page, without Python | ms, median | 95 % under |", "| --- | --- | --- |"]
    for name, times in results.items():
        lines.append(f"| {name} | {np.median(times):.1f} | {np.quantile(times, 0.95):.1f} |")
    keep("reader", results, lines, None)


if __name__ == "__main__":
    main()
