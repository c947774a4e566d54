"""Each notebook is complete, clean and executed, and has the same structure."""

import ast
import re
import statistics
from itertools import pairwise
from pathlib import Path

import clean_notebooks
import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(
    path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
)
CHAPTERS = [path for path in NOTEBOOKS if path.parent.name == "notebooks" and path.stem != "draw"]
SOLUTIONS = [path for path in NOTEBOOKS if path.parent.name == "solutions"]
KINDS = (
    "Change and look",
    "Measure",
    "Build",
    "Think",
    "Think and prove",
)  # of exercises, the easiest first


def notebook(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT / "notebooks").with_suffix(""))


def prose(path: Path) -> str:
    """Return the text cells of a notebook without code blocks."""
    text = "\n\n".join(cell.source for cell in notebook(path).cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(path: Path) -> list[tuple[int, str]]:
    """Return the level and the text of each heading, in order."""
    return [
        (len(marks), words)
        for marks, words in re.findall(r"^(#+) (.+)$", prose(path), re.MULTILINE)
    ]


def title(path: Path) -> str:
    return headings(path)[0][1]


def section(path: Path, heading: str) -> str:
    """Return the text under a second-level heading, up to the next one or to the final line."""
    found = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |^---$|\Z)", prose(path), re.DOTALL | re.MULTILINE
    )
    assert len(found) == 1, f"there should be one section {heading!r}, but there are {len(found)}"
    return str(found[0])


def bullets(text: str) -> list[str]:
    return re.findall(r"^- (.+)$", text, re.MULTILINE)


def exercises(path: Path) -> list[tuple[int, str]]:
    """Return the number and the kind of each exercise."""
    found = re.findall(r"^(\d+)\. \*\*(.+?)\.\*\* \S", section(path, "Exercises"), re.MULTILINE)
    return [(int(number), kind) for number, kind in found]


def lines_without_imports(source: str) -> int:
    """Return the lines of a cell without imports: ruff puts each imported name on its own line."""
    count = source.count("\n") + 1
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            count -= node.end_lineno - node.lineno + 1
    return count


def shows_a_figure(cell: NotebookNode) -> bool:
    """Return whether a cell shows an image or a widget; cleaning keeps only the text of a
    widget."""
    results = [output.data for output in cell.get("outputs", []) if "data" in output]
    return any(
        any(kind.startswith(("image/", "application/vnd.jupyter.widget")) for kind in data)
        or re.match(r"[A-Z]\w*\(", data.get("text/plain", ""))
        for data in results
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
class TestNotebooks:
    def test_every_code_cell_was_run_in_order_without_error(self, path: Path) -> None:
        cells = [cell for cell in notebook(path).cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        kinds = {output.output_type for cell in cells for output in cell.outputs}
        assert "error" not in kinds

    def test_is_clean(self, path: Path) -> None:
        wanted = clean_notebooks.text(clean_notebooks.clean(notebook(path)))
        assert path.read_text(encoding="utf-8") == wanted, (
            f"run: python tools/clean_notebooks.py {path}"
        )

    def test_names_no_place_of_one_machine(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"(?:/home/|/Users/|/root/|/tmp/|/work/|[A-Z]:\\\\)[^\s\"]*", text) == []
        assert re.findall(r"0x[0-9a-f]{8,}", text) == [], "an object's address"

    def test_cells_are_short(self, path: Path) -> None:
        sources = [cell.source for cell in notebook(path).cells if cell.cell_type == "code"]
        lines = [lines_without_imports(source) for source in sources]
        long = [source for source, count in zip(sources, lines, strict=True) if count > 20]
        assert long == [], "code of more than twenty lines belongs into the package"
        assert statistics.median(lines) <= 7

    def test_every_figure_is_followed_by_text(self, path: Path) -> None:
        cells = notebook(path).cells
        last = nbformat.v4.new_code_cell("# the end of the notebook")
        alone = [
            before.source
            for before, after in pairwise([*cells, last])
            if shows_a_figure(before) and after.cell_type != "markdown"
        ]
        assert alone == [], "say what the figure showed in the cell after it"

    def test_headings_are_in_order(self, path: Path) -> None:
        levels = [level for level, _ in headings(path)]
        assert levels[0] == 1
        assert levels.count(1) == 1, "a notebook has one title"
        assert all(after - before <= 1 for before, after in pairwise(levels)), (
            "a heading's level was left out"
        )

    def test_its_links_lead_somewhere(self, path: Path) -> None:
        targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)[^)]*\)", prose(path))
        assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
class TestFrame:
    def test_begins_with_title_reason_goals_and_time(self, path: Path) -> None:
        first = notebook(path).cells[0].source.split("\n\n")
        assert len(first) == 6, (
            "title, why, 'By the end you will', its list, time, and how to: six paragraphs"
        )
        heading, why, will, goals, time, how = first
        assert re.fullmatch(rf"# {path.stem[:2]} · [^\n]+", heading)
        assert re.fullmatch(r"[^#*\n][^\n]+[.?]", why)
        assert will == "**By the end you will**"
        assert 3 <= len(bullets(goals)) <= 6
        assert goals.count("\n") + 1 == len(bullets(goals))
        assert re.fullmatch(
            r"\*\*Time:\*\* about \d+ minutes\. \*\*Before this:\*\* [^\n]+\.", time
        )
        assert re.fullmatch(
            r"\*\*How to:\*\* .+ runs a cell, .+Run All.+Clear Outputs.+\(glossary\.md\)\.", how
        )

    def test_every_prediction_is_answered_in_the_text(self, path: Path) -> None:
        waiting = None
        has_run = False  # a code cell after the question
        for cell in notebook(path).cells:
            if cell.cell_type == "code":
                has_run = True
                continue
            if waiting is not None and has_run:
                waiting = None
            if "**Predict first:**" in cell.source:
                assert waiting is None, f"not answered before the next question: {waiting}"
                waiting = cell.source.split("**Predict first:**")[-1].strip()
                assert "\n## " not in waiting, f"a new section begins before its answer: {waiting}"
                has_run = False
        assert waiting is None

    def test_the_summary_matches_the_goals(self, path: Path) -> None:
        goals = bullets(notebook(path).cells[0].source)
        assert len(bullets(section(path, "You learned"))) == len(goals)

    def test_ends_with_a_summary_and_exercises(self, path: Path) -> None:
        assert [words for level, words in headings(path) if level == 2][-2:] == [
            "You learned",
            "Exercises",
        ]

    def test_exercises_go_from_looking_to_thinking(self, path: Path) -> None:
        found = exercises(path)
        kinds = [KINDS.index(kind) for _, kind in found]
        assert 3 <= len(found) <= 5
        assert [number for number, _ in found] == list(range(1, len(found) + 1))
        assert kinds == sorted(kinds)
        assert KINDS[kinds[0]] == "Change and look"
        assert KINDS[kinds[-1]].startswith("Think")

    def test_hints_are_folded_and_the_solutions_linked(self, path: Path) -> None:
        text = section(path, "Exercises")
        hints = re.findall(
            r"^<details><summary>Hint for (\d+)</summary>\n\n.+?\n\n</details>$", text, re.S | re.M
        )
        assert hints
        assert len(hints) == text.count("<details>") == text.count("</details>")
        assert {int(number) for number in hints} <= {number for number, _ in exercises(path)}
        assert f"[solutions/{path.name}](solutions/{path.name})" in text
        assert (path.parent / "solutions" / path.name).exists()

    def test_the_last_cell_leads_to_its_neighbours(self, path: Path) -> None:
        place = CHAPTERS.index(path)
        neighbours = [
            ("Previous", CHAPTERS[place - 1 : place]),
            ("Next", CHAPTERS[place + 1 : place + 2]),
        ]
        links = [
            f"{word}: [{title(other)}]({other.name})"
            for word, others in neighbours
            for other in others
        ]
        assert notebook(path).cells[-1].source.split("\n---\n")[-1].strip() == " · ".join(links)


@pytest.mark.parametrize("path", SOLUTIONS, ids=name)
class TestSolutions:
    def test_there_is_one_for_each_exercise(self, path: Path) -> None:
        chapter = path.parent.parent / path.name
        numbers = [int(words.split(" · ")[0]) for level, words in headings(path) if level == 2]
        assert numbers == [number for number, _ in exercises(chapter)]

    def test_leads_back_to_its_notebook(self, path: Path) -> None:
        chapter = path.parent.parent / path.name
        assert title(path) == f"Solutions · {title(chapter).replace(' · ', ' ')}"
        assert f"[{title(chapter)}](../{path.name})" in notebook(path).cells[0].source


def test_every_chapter_has_a_number_of_its_own() -> None:
    assert [path.stem[:3] for path in CHAPTERS] == [
        f"{number:02}_" for number in range(1, len(CHAPTERS) + 1)
    ]
    assert [path.name for path in SOLUTIONS] == [path.name for path in CHAPTERS]
