"""Write the executed notebooks as HTML pages for any browser.

python tools/make_html.py [FOLDER]

The pages are written to build/html (or FOLDER), with a list of them in index.html. Links between
notebooks become links between pages. The drawing pad is replaced by pad.html, which contains the
shipped network and needs no kernel. Formulas need MathJax, which a page downloads; everything else
is in the page.
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from mnist_nb import export_page
from mnist_nb.handwriting.pretrained import PRETRAINED

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
# on narrow screens the bars are below the paper, so the frame is higher
HEIGHT = "clamp(44rem, (760px - 100vw) * 99, 60rem)"
PAD = (
    '<iframe src="{}pad.html" title="drawing pad" style="width: 100%; height: '
    + HEIGHT
    + '; border: 0"></iframe>'
)
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mnist_nb</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1.1rem/1.6 sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}
ul {{ list-style: none }}</style></head>
<body><h1>mnist_nb</h1>
<p>How a neural network learns to read handwritten digits. These pages show the notebooks with
their outputs. The <a href="pad.html">drawing pad</a> works here too; sliders work only in
JupyterLab: <code>make lab</code>.</p>
<ul>{items}</ul><p>Solutions to the exercises:</p><ul>{solutions}</ul></body></html>
"""


def main(folder: Path) -> None:
    """Write the pages into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    cnn = PRETRAINED / "cnn.safetensors"
    export_page(cnn, folder / "pad.html", title="Draw a digit: the network reads it")
    chapters = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    solutions = sorted(NOTEBOOKS.glob("solutions/[0-9]*.ipynb"))
    index = PAGE.format(
        items="".join(write_page(path, folder) for path in chapters),
        solutions="".join(write_page(path, folder) for path in solutions),
    )
    (folder / "index.html").write_text(index, encoding="utf-8")
    print(f"Open {folder / 'index.html'} in a browser.")


def write_page(path: Path, folder: Path) -> str:
    """Write a notebook as a page, and return its entry in the index."""
    place = path.relative_to(NOTEBOOKS).with_suffix(".html")
    notebook = nbformat.read(path, as_version=4)
    heading = title(notebook)
    link_to_pages(notebook)
    show_pad(notebook, to_root="../" * (len(place.parts) - 1))
    content, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": heading}})
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_text(content, encoding="utf-8")
    return f'<li><a href="{place.as_posix()}">{escape(heading)}</a></li>'


def title(notebook: NotebookNode) -> str:
    """Return the heading of the first cell."""
    (heading,) = re.findall(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    return str(heading)


def link_to_pages(notebook: NotebookNode) -> None:
    """Turn links to notebooks into links to their pages."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"(\]\([\w./-]+)\.ipynb\)", r"\1.html)", cell.source)


def show_pad(notebook: NotebookNode, to_root: str) -> None:
    """Replace the widget with the page with the pad."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("data", {}).get("text/plain") == "DrawingPad()":
                output["data"] = {"text/html": PAD.format(to_root)}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "html")
