"""The pad over a slow line: as much as on a quick one, only later, and it says so."""

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


def test_no_stroke_is_lost_or_bent_with_150_ms_added_each_way(
    line: SlowLine, notebook: NotebookPage
) -> None:
    notebook.server = notebook.server.through(line.port)
    pad = Pad(notebook.show(*CELLS))
    lag = pad.page.locator(".mnist-pad .pad-say", has_text="The kernel answers after")
    pad.mouse(THREE)
    pad.says("I read a 3")
    three = pad.settled_ink()
    pad.press("Clear")
    pad.says("Draw a digit")

    line.delay = 0.15
    pad.mouse(THREE)
    lag.wait_for()
    pad.says("I read a 3")
    pad.wait_for_ink(three)
    pad.mouse(SEVEN)  # more at once, faster than anything comes back
    pad.mouse(THREE)
    pad.press("Undo")
    pad.press("Undo")
    pad.wait_for_ink(three)
    pad.says("I read a 3")
    notebook.screenshot("slow")

    line.delay = 0.0
    for _ in range(20):  # the machine may be busy itself
        pad.mouse([(20, 270), (40, 270)])
        pad.page.wait_for_timeout(500)
        if not lag.count():
            break
    assert not lag.count()
    assert notebook.widget_errors() == []
