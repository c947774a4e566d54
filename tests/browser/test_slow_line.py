"""Over a slow connection, the pad does the same as over a fast one, only later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import NotebookPage, Server
from .slow import SlowLine, slow_line
from .test_pad import CELLS, SEVEN, THREE, Pad

pytestmark = pytest.mark.browser


@pytest.fixture
def line(jupyter: Server) -> Iterator[SlowLine]:
    with slow_line(jupyter.port) as line:
        yield line


@pytest.mark.promise("reload and restart")
def test_a_slow_line_loses_no_stroke(line: SlowLine, notebook: NotebookPage) -> None:
    notebook.server = notebook.server.through(line.port)
    pad = Pad(notebook.show(*CELLS))
    pad.mouse(THREE)
    pad.says("I read a 3")
    three = pad.settled_ink()
    pad.press("Clear")
    pad.says("Draw a digit")

    line.delay = 0.15
    pad.mouse(THREE)
    pad.says("I read a 3")
    pad.wait_for_ink(three)
    pad.mouse(SEVEN)  # more strokes, faster than the answers arrive
    pad.mouse(THREE)
    pad.undo()
    pad.undo()
    pad.wait_for_ink(three)
    pad.says("I read a 3")
    notebook.screenshot("slow")

    assert notebook.widget_errors() == []
