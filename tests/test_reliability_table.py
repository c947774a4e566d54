"""Every test that docs/reliability.md names is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"


def names_in(path: Path) -> set[str]:
    """The tests of a file, as pytest calls them: `test_x`, or `TestY::test_x`."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}::{part.name}"
                for part in node.body
                if isinstance(part, ast.FunctionDef)
            }
    return names


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::([\w:]+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [(file, test) for file, test in named if not (ROOT / file).is_file()]
    assert missing == []
    assert [
        f"{file}::{test}" for file, test in named if test and test not in names_in(ROOT / file)
    ] == []


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    faults = [row for row in rows if not row.startswith(("| fault", "| ---"))]
    assert [row for row in faults if "`tests/" not in row] == []
