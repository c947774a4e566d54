"""The picture of the house is true."""

import architecture


def test_the_page_shows_the_imports_of_the_code() -> None:
    text = architecture.PAGE.read_text(encoding="utf-8")
    assert "```mermaid" in text
    assert text == architecture.page(text), "run: python tools/architecture.py"


def test_every_module_says_in_its_first_line_what_it_is() -> None:
    assert [
        name
        for name in architecture.modules()
        if not architecture.purpose(name).strip().endswith(".")
    ] == []


def test_an_arrow_that_a_longer_way_replaces_is_left_out() -> None:
    graph = {"c": {"a", "b"}, "b": {"a"}, "a": set()}
    assert architecture.direct(graph) == {"c": {"b"}, "b": {"a"}, "a": set()}
