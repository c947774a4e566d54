"""The HTML pages that `make html` writes."""

import re
import runpy
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_every_notebook_becomes_a_page_with_working_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = str(ROOT / "tools" / "make_html.py")
    monkeypatch.setattr(sys, "argv", [tool, str(tmp_path)])
    runpy.run_path(tool, run_name="__main__")  # a new Python would import torch again
    notebooks = [
        path.relative_to(ROOT / "notebooks") for path in (ROOT / "notebooks").rglob("[0-9]*.ipynb")
    ]
    notebooks = [path for path in notebooks if ".ipynb_checkpoints" not in path.parts]
    pages = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.html")}
    assert pages == {path.with_suffix(".html") for path in notebooks} | {
        Path("index.html"),
        Path("pad.html"),
    }

    for page in pages - {Path("pad.html")}:
        content = (tmp_path / page).read_text(encoding="utf-8")
        links = {unquote(link) for link in re.findall(r'href="([^"#:]+\.(?:html|ipynb))"', content)}
        assert links, page
        for link in links:
            assert (tmp_path / page.parent / link).is_file(), f"{page} links to {link}"
    assert "data:image/png;base64" in (tmp_path / "03_evaluate.html").read_text(encoding="utf-8")
    pad = (tmp_path / "04_draw.html").read_text(encoding="utf-8")
    assert 'src="pad.html"' in pad, "it stands where the widget was"
    assert "window.mnistReader" in (tmp_path / "pad.html").read_text(encoding="utf-8")
