"""Remove volatile metadata from notebooks.

python tools/clean_notebooks.py [--check] NOTEBOOK...

Sources, cell ids, tags, execution counts and outputs are kept. Execution times, widget state,
collapsed and scrolled marks and the Python version are removed, and so are widget views, which need
a running kernel (their text is kept). Consecutive printed lines are merged into one output. With
--check nothing is written, and the exit status is 1 if a notebook is not clean.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def clean(notebook: NotebookNode) -> NotebookNode:
    """Return a cleaned copy."""
    cleaned = copy.deepcopy(notebook)
    cleaned.metadata = NotebookNode(
        {"kernelspec": NotebookNode(KERNEL), "language_info": NotebookNode(name="python")}
    )
    for cell in cleaned.cells:
        cell.metadata = NotebookNode(
            {key: cell.metadata[key] for key in ("tags",) if cell.metadata.get(key)}
        )
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = NotebookNode()
            output.get("data", {}).pop(WIDGET_VIEW, None)
            output.pop("transient", None)
    return cleaned


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Merge consecutive printed lines, which the kernel splits at random, into one output."""
    parts: list[NotebookNode] = []
    for output in outputs:
        if parts and output.output_type == "stream" and output.get("name") == parts[-1].get("name"):
            parts[-1].text += output.text
        else:
            parts.append(output)
    return parts


def text(notebook: NotebookNode) -> str:
    """Return the notebook as the text of its file."""
    return str(nbformat.writes(notebook)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check",
        action="store_true",
        help="only list notebooks that are not clean",
    )
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    options = parser.parse_args()
    unclean = []
    for path in options.notebooks:
        wanted = text(clean(nbformat.read(path, as_version=4)))
        if path.read_text(encoding="utf-8").rstrip("\n") != wanted.rstrip("\n"):
            unclean.append(path)
            if not options.check:
                path.write_text(wanted, encoding="utf-8")
    for path in unclean:
        print(f"{'not clean' if options.check else 'cleaned'}: {path}")
    if options.check and unclean:
        sys.exit("Run: python tools/clean_notebooks.py " + " ".join(map(str, unclean)))


if __name__ == "__main__":
    main()
