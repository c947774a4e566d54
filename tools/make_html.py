"""Copies of all notebooks, as they were executed, that any browser shows without Jupyter.

python tools/make_html.py [FOLDER]

They go to build/html (or FOLDER), with a page index.html that lists them; links between notebooks
lead to the copies. Where a notebook shows the drawing pad, its copy shows pad.html: the shipped
network in a page that needs no kernel. Formulas are set by MathJax, which a page fetches from the
network; everything else is inside it.
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
from mnist_nb.checkpoints import PRETRAINED

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
# on a phone the bars come under the paper
HIGH = "clamp(44rem, (760px - 100vw) * 99, 60rem)"
PAD = (
    '<iframe src="{}pad.html" title="drawing pad" style="width: 100%; height: '
    + HIGH
    + '; border: 0"></iframe>'
)
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mnist_nb</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1.1rem/1.6 sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }}
ul {{ list-style: none }}</style></head>
<body><h1>mnist_nb</h1>
<p>How a neural network learns to read handwritten digits. These pages show the notebooks as they
were last run; the sliders live in JupyterLab only: <code>make lab</code>. The
<a href="pad.html">drawing pad</a> works here too.</p>
<ul>{items}</ul><p>Solutions of the exercises:</p><ul>{solutions}</ul></body></html>
"""


def title(notebook: NotebookNode) -> str:
    """The first heading."""
    return next(
        line.lstrip("# ") for line in notebook.cells[0].source.splitlines() if line.startswith("# ")
    )


def main(folder: Path) -> None:
    """Write the pages."""
    exporter = HTMLExporter()
    items: dict[str, list[str]] = {"": [], "solutions": []}
    folder.mkdir(parents=True, exist_ok=True)
    export_page(
        PRETRAINED / "cnn.safetensors",
        folder / "pad.html",
        title="Draw a digit: the network reads it",
    )
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")) + sorted(
        NOTEBOOKS.glob("solutions/[0-9]*.ipynb")
    ):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = re.sub(r"(\]\([\w./-]+)\.ipynb\)", r"\1.html)", cell.source)
        where = path.relative_to(NOTEBOOKS).with_suffix(".html")
        for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
            if output.get("data", {}).get("text/plain") == "DrawingPad()":
                output["data"] = {"text/html": PAD.format("../" * (len(where.parts) - 1))}
        page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title(notebook)}})
        (folder / where).parent.mkdir(parents=True, exist_ok=True)
        (folder / where).write_text(page, encoding="utf-8")
        part = "" if where.parent == Path() else where.parent.name
        items[part].append(f'<li><a href="{where.as_posix()}">{escape(title(notebook))}</a></li>')
    index = PAGE.format(items="".join(items[""]), solutions="".join(items["solutions"]))
    (folder / "index.html").write_text(index, encoding="utf-8")
    print(f"Open {folder / 'index.html'} in a browser.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "html")
