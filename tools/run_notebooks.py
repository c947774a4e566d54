"""Run notebooks anew, in order, and keep their outputs: python tools/run_notebooks.py [NOTEBOOK...]

Without names it is all of notebooks/. They run in a clean copy of the folder, so that a reader's
own models neither change the outputs nor are changed. A cell that fails stops everything, and no
notebook is rewritten.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from clean_notebooks import clean, text
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from mnist_nb import load_mnist

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def run(path: Path, copy: Path) -> str:
    """The executed, cleaned notebook as text; it runs in the copy's folder."""
    notebook = nbformat.read(path, as_version=4)
    place = copy / path.parent.relative_to(FOLDER)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(place)}}
    ).execute()
    return text(clean(notebook))


def main() -> None:
    paths = [Path(name).resolve() for name in sys.argv[1:]] or [
        *sorted(FOLDER.rglob("[0-9]*.ipynb")),
        FOLDER / "draw.ipynb",
    ]
    paths = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
    if load_mnist().is_sample:
        sys.exit(
            "Notebooks are kept with the outputs of the full MNIST, which is not at hand (see above)"
        )
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "notebooks"
        shutil.copytree(
            FOLDER, copy, ignore=shutil.ignore_patterns("*.safetensors", ".ipynb_checkpoints")
        )
        for path in paths:
            start = time.monotonic()
            try:
                results[path] = run(path, copy)
            except CellExecutionError as error:
                sys.exit(f"{path.name} failed; nothing was written.\n{error}")
            print(f"{path.relative_to(FOLDER)}: {time.monotonic() - start:.1f} s")
    for path, content in results.items():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
