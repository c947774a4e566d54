"""Answers to the exercises: right ones are recognized, wrong ones get a hint."""

import re
import tomllib
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from mnist_nb import check
from mnist_nb.labs import exercises

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
TABLE = tomllib.loads(Path(exercises.__file__).with_suffix(".toml").read_text(encoding="utf-8"))
CHECKED = re.compile(r'^check\("(\d\d\.\d)", (.*?)\)(?:  #.*)?$', re.MULTILINE)
PATHS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


def checks(path: Path) -> dict[str, tuple[str, str]]:
    """Return, for each exercise that a notebook checks, its answer as written and the cell's
    reply."""
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        for number, answer in CHECKED.findall(cell.source) if cell.cell_type == "code" else ():
            said = [output.data["text/plain"] for output in cell.outputs if "data" in output]
            found[number] = (answer, said[-1] if said else "")
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
class TestNotebooks:
    def test_every_exercise_has_a_cell_that_waits_for_an_answer(self, path: Path) -> None:
        text = "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        numbers = [
            f"{path.stem[:2]}.{number}"
            for number in re.findall(r"^(\d)\. \*\*", text.split("## Exercises\n")[1], re.MULTILINE)
        ]
        waiting = checks(path)
        assert (
            list(waiting)
            == numbers
            == [number for number in TABLE if number.startswith(path.stem[:2])]
        )
        for number, (answer, _) in waiting.items():
            is_letter = TABLE[number]["asks"].startswith("the letter")
            assert answer == ('"..."' if is_letter else "...")  # so that nobody forgets the quotes
        assert all(said.startswith("Not answered yet") for _, said in waiting.values())

    def test_every_solution_is_right(self, path: Path) -> None:
        solved = checks(path.parent / "solutions" / path.name)
        assert sorted(solved) == [number for number in TABLE if number.startswith(path.stem[:2])]
        assert {
            number: said for number, (_, said) in solved.items() if not said.startswith("✓ Right.")
        } == {}


@pytest.mark.parametrize("number", TABLE)
def test_an_exercise_asks_and_helps_in_whole_sentences(number: str) -> None:
    row = TABLE[number]
    assert set(row) - {"between", "fingerprint"} == {"asks", "right", "wrong"}
    assert ("between" in row) != ("fingerprint" in row)
    assert not row["asks"].endswith(".")
    assert all(re.fullmatch(r"[A-Z].*[.?]", row[outcome]) for outcome in ("right", "wrong"))
    assert check(number).sentence == f"Not answered yet. Replace the three dots with {row['asks']}."
    assert not check(number).right


@pytest.mark.parametrize("answer", [0.01, np.float32(0.01), torch.tensor(0.01), "0.01"])
def test_a_number_within_the_range_is_right(answer: object) -> None:
    reply = check("02.3", answer)
    assert reply.right
    assert repr(reply).startswith("✓ Right. Momentum")


@pytest.mark.parametrize(
    ("answer", "help_"),
    [
        (0.0001, "✗ 0.0001 is too small. With momentum"),
        (3, "✗ 3 is too large. With momentum"),
        (float("nan"), "✗ nan is not a number. With momentum"),
        (
            "fast",
            "✗ This exercise asks for the learning rate without momentum, such as 0.5, "
            "not for 'fast'.",
        ),
        (None, "✗ This exercise asks for"),
        (torch.ones(2), "✗ This exercise asks for"),
    ],
)
def test_another_number_gets_help(answer: object, help_: str) -> None:
    reply = check("02.3", answer)
    assert not reply.right
    assert reply.sentence.startswith(help_)


def test_a_share_in_per_cent_gets_a_hint() -> None:
    reply = check("02.1", 95.5)
    assert (reply.right, reply.sentence) == (
        False,
        "✗ Nearly: give it as a share of 1, not in per cent: 0.955.",
    )


@pytest.mark.parametrize(
    "answer", [(0, 400), [0, 400], "0, 400", "(0 and 400)", torch.tensor([0, 400])]
)
def test_several_numbers_may_be_written_in_any_way(answer: object) -> None:
    expected = answer != "(0 and 400)"
    assert check("03.4", answer).right == expected


@pytest.mark.parametrize("answer", ["c", "C", " c "])
def test_a_letter_may_be_large_or_small(answer: str) -> None:
    assert check("01.1", answer).right
    assert not check("01.1", "a").right


@pytest.mark.parametrize(
    ("number", "known"),
    [("02.9", "are 02.1 02.2 02.3 02.4."), ("2", "are 01.1 to 09.3."), (2.3, "are 01.1 to")],
)
def test_an_unknown_exercise_names_those_there_are(number: str, known: str) -> None:
    reply = check(number, 1)
    assert not reply.right
    assert reply.sentence.startswith("✗ There is no exercise")
    assert known in reply.sentence


def test_a_decimal_comma_gets_a_sentence() -> None:
    reply = check("02.1", 0, 95)
    assert not reply.right
    assert reply.sentence.endswith("not for (0, 95). Decimals take a point, not a comma.")


def test_several_numbers_need_no_parentheses() -> None:
    assert check("03.4", 0, 400).right


@pytest.mark.parametrize("placeholder", [..., "...", " ... "])
def test_the_placeholder_counts_as_no_answer(placeholder: object) -> None:
    assert check("01.1", placeholder).sentence.startswith("Not answered yet.")
