"""Copy the notebooks to a folder of your own: python tools/reader_copies.py [FOLDER]

The copies have no outputs, so that they do not give away the answers; solutions keep theirs.
Existing files are never overwritten.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from clean_notebooks import text

from mnist_nb.files import write_atomically

SERIES = Path(__file__).resolve().parent.parent / "notebooks"


def without_outputs(path: Path) -> str:
    """Return the text of a notebook without its outputs."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return text(notebook)


def copy_missing(folder: Path, series: Path = SERIES) -> list[Path]:
    """Copy the files that are missing in the folder, and return the copies."""
    copies = []
    for path in sorted(file for file in series.rglob("*") if file.is_file()):
        inside = path.relative_to(series)
        copy = folder / inside
        if copy.exists() or any(part.startswith(".") for part in inside.parts):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if inside.suffix == ".ipynb" and inside.parent == Path():
            content = without_outputs(path).encode()
        else:
            content = path.read_bytes()
        write_atomically(copy, content)  # an incomplete copy would never be replaced
        copies.append(copy)
    return copies


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "my_notebooks")
    try:
        copies = copy_missing(folder)
    except OSError as error:
        sys.exit(
            f"The copies in {folder} are not complete ({error.strerror}): "
            "free some space or name another folder."
        )
    if copies:
        print(
            f"Your own notebooks are in {folder}, without outputs. "
            "Delete one and it is recreated on the next run."
        )


if __name__ == "__main__":
    main()
