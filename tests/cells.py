"""Run a notebook's cells in this process, which is quicker than in a kernel, and draw no
figures."""

import contextlib
import io
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
IN_BROWSER = ("02_train.ipynb", "04_draw.ipynb")
"""Notebooks that run with the sample in a browser, to see a studio and a pad there; the others do
without one."""


def printed_by_cells(
    path: Path,
    names: dict[str, Any] | None = None,
    until: str | None = None,
    after: str | None = None,
) -> list[tuple[str, str, str]]:
    """Return (source, text printed now, text committed) for each code cell that is compared.

    Args:
        path: the notebook; its cells run in the current folder.
        names: the namespace of the cells; a new one if None.
        until: the text of the last cell to run; all cells run if None.
        after: the text of a cell; only the cells after it are compared. None compares all.
    """
    names = {"__name__": "__main__"} if names is None else names
    results = []
    has_begun = after is None
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        if not has_begun:
            has_begun = str(after) in cell.source
            continue
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(cell.source, f"{path.stem}:{cell.id}", "exec"), names)
        kept = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            results.append((cell.source, said.getvalue(), kept))
        if until is not None and until in cell.source:
            break
    return results
