"""The pages: links, make targets, lengths, promises and examples."""

import re
from pathlib import Path

import pytest

import mnist_nb
from mnist_nb import Mnist

WORD_LIMITS = {"README.md": 800, "docs": 600}  # so that people read each page to its end
ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s]*)\)", page.read_text(encoding="utf-8"))
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_target_of_make_exists(page: Path) -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    code = re.findall(
        r"`make ([a-z-]+)|^make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {first or second for first, second in code} <= targets


def test_make_alone_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_are_short(page: Path) -> None:
    place = page.relative_to(ROOT).parts[0]
    words = page.read_text(encoding="utf-8").split()
    assert len(words) <= WORD_LIMITS.get(place, len(words))


def test_the_readme_begins_with_what_the_project_is() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    places = [page.index(text) for text in ("images/pad.png", "make lab", "## Notebooks")]
    assert places == sorted(places)
    assert "OWNER" not in page
    assert page.count("Rust") <= 1


def test_the_readmes_example_runs(
    sample: Mnist, workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(mnist_nb, "load_mnist", lambda: sample)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {})
    assert Path("model.safetensors").exists()
    assert capsys.readouterr().out.splitlines()[-1] == "1"


def test_every_promise_is_held_by_a_marked_test() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    promises = re.findall(r"^- \*\*(.+?)\*\*:", page, re.MULTILINE)
    marked = re.findall(r"@pytest\.mark\.promise\(\"(.+?)\"\)", tests)
    assert promises
    assert set(promises) == set(marked)


def test_the_pictures_open_at_once() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert sum(picture.stat().st_size for picture in pictures) < 300_000


def test_the_tables_of_speed_are_those_that_were_measured() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    tables = dict(re.findall(r"<!-- ([\w-]+) -->\n(.*?)<!-- end -->", page, re.DOTALL))
    measured = {
        file.stem: file.read_text(encoding="utf-8")
        for file in (ROOT / "benchmarks/results").glob("*.md")
    }
    assert {name: table.strip() for name, table in tables.items()} == {
        name: table.strip() for name, table in measured.items()
    }
