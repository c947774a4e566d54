"""Draw which module imports which into docs/architecture.md, from the code itself.

python tools/architecture.py [--check]

The figure leaves out an arrow where a longer way says the same, so that one sees the levels. With
--check nothing is written, and the exit status says whether the page is true.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mnist_nb"
PAGE = ROOT / "docs" / "architecture.md"
Graph = dict[str, set[str]]
READING_ORDER = {
    "training/plain.py": "the whole idea in one plain loop",
    "data/mnist.py": "the images, and proof that they are the real ones",
    "models/networks.py": "the two networks, and the one way to ask them",
    "drawing/preprocessing.py": "the five steps from any grey image to one such as MNIST's",
    "training/hyperparameters.py": "the settings, their ranges, and the presets",
    "training/run.py": "the loop that can be stopped anywhere and resumed exactly",
    "training/backpropagation.py": "the gradient, by autograd and written out",
    "training/optimizers.py": "how a gradient becomes a step",
    "files.py": "how every file is written and read",
    "checkpoints.py": "models and runs in files",
    "evaluation/metrics.py": "how good a model is",
}
"""What everyone reads to understand the main job, in this order."""


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, by its full name, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def modules() -> Graph:
    """Each module of ours with those of ours that it imports; a folder, such as `widgets`, counts
    as one."""
    found: Graph = {}
    names = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    for path in sorted(PACKAGE.rglob("*.py")):
        if (
            path == PACKAGE / "__init__.py"
        ):  # the front door names everything, and imports it only when asked
            continue
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        ours = {
            imported.split(".")[1]
            for imported in imports_of(path)
            if imported.startswith("mnist_nb.")
        }
        found.setdefault(name, set()).update((ours & names) - {name})
    return found


def direct(graph: Graph) -> Graph:
    """The graph without the arrows that a longer way replaces (its transitive reduction)."""
    reached: Graph = {}
    for name in TopologicalSorter(graph).static_order():
        reached[name] = graph[name].union(*(reached[below] for below in graph[name]))
    return {name: {below for below in all_ if not any(below in reached[other] for other in all_ - {below})}
            for name, all_ in graph.items()}  # fmt: skip


def code_lines(path: Path) -> int:
    """Lines of code in a file: no blank lines, comments or docstrings."""
    source = path.read_text(encoding="utf-8")
    texts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    texts = [
        node
        for node in texts
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    documented = {line for node in texts for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    empty = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in empty
    ]
    return len(
        {line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - documented
    )


def purpose(name: str) -> str:
    """The first line of a module's docstring."""
    folder = PACKAGE / name
    path = folder / "__init__.py" if folder.is_dir() else PACKAGE / f"{name}.py"
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def drawn() -> str:
    """The figure, as Mermaid, and the list of rooms; those that import nobody come last."""
    graph = modules()
    order = [
        *TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order()
    ][::-1]
    arrows = [f"    {name} --> {below}" for name in order for below in sorted(direct(graph)[name])]
    loose = [
        f"    {name}"
        for name in sorted(graph)
        if not graph[name] and name not in set().union(*graph.values())
    ]
    lines = [
        "```mermaid",
        "flowchart TD",
        *arrows,
        *loose,
        "```",
        "",
        "| module | what it is |",
        "| --- | --- |",
    ]
    for name in sorted(graph):
        where = f"mnist_nb/{name}/" if (PACKAGE / name).is_dir() else f"mnist_nb/{name}.py"
        what = purpose(name).replace("|", "\\|")
        lines.append(f"| [{name}](../{where}) | {what} |")
    lines += [
        "",
        "## To be read in this order",
        "",
        "| file | what it is | lines of code |",
        "| --- | --- | --- |",
    ]
    counts = {name: code_lines(PACKAGE / name) for name in READING_ORDER}
    lines += [
        f"| [{name}](../mnist_nb/{name}) | {what} | {counts[name]} |"
        for name, what in READING_ORDER.items()
    ]
    everything = sum(code_lines(path) for path in PACKAGE.rglob("*.py"))
    lines += [
        "",
        f"Together {sum(counts.values()):,} of the package's {everything:,} lines of code: the main job.",
    ]
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with what the code says between its two marks."""
    mark = r"(<!-- drawn -->\n)(?:.*?\n)?(?=<!-- end -->)"
    return re.sub(mark, lambda found: found[1] + drawn() + "\n", text, flags=re.DOTALL)


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    after = page(before)
    if "--check" in sys.argv:
        sys.exit(
            0
            if after == before
            else "docs/architecture.md is not true any more: python tools/architecture.py"
        )
    PAGE.write_text(after, encoding="utf-8")
