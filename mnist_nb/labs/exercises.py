"""Checks of answers to the exercises.

`exercises.toml` has, for each exercise, the question, the right answer, and one sentence for each
outcome. The right answer is a range of numbers or the fingerprint of a word, so that nobody reads
it by accident.
"""

import hashlib
import re
import reprlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Exercise = dict[str, Any]
"""A row of the table: `asks`, `right`, `wrong`, and either `between` or `fingerprint`."""


@dataclass(frozen=True)
class Reply:
    """The result of `check`; a notebook shows the sentence."""

    right: bool
    sentence: str

    def __repr__(self) -> str:
        return self.sentence


def check(exercise: str, answer: object = ..., *more: object) -> Reply:
    """Check an answer to an exercise. The result explains why it is right, or gives a hint.

    Args:
        exercise: the notebook and the exercise's number in it, such as "02.3".
        answer: a number, a letter or word, or several of them. The placeholders in the notebooks,
            `...` and "...", mean that there is no answer yet.
        more: further numbers of the answer, if it was written without parentheses.
    """
    table = _table()
    if not isinstance(exercise, str) or exercise not in table:
        return _unknown_exercise(exercise)
    row = table[exercise]
    if more:
        answer = (answer, *more)
    is_placeholder = answer is ... or (isinstance(answer, str) and answer.strip() == "...")
    if is_placeholder:
        return Reply(False, f"Not answered yet. Replace the three dots with {row['asks']}.")
    if "fingerprint" in row:
        return _check_choice(exercise, row, answer)
    return _check_number(row, answer)


def fingerprint(exercise: str, answer: object) -> str:
    """Return twelve hexadecimal digits that identify the words and numbers of an answer.

    The notation does not matter: (5, 3), "5, 3" and [5, 3] give the same digits.
    """
    plain = answer.tolist() if hasattr(answer, "tolist") else answer
    words = re.findall(r"[\w.]+", str(plain).lower())
    text = f"{exercise}: {' '.join(words)}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _check_choice(exercise: str, row: Exercise, answer: object) -> Reply:
    try:
        is_right = fingerprint(exercise, answer) == row["fingerprint"]
    except RecursionError:  # a list that contains itself
        is_right = False
    return _right(row) if is_right else Reply(False, f"✗ Not yet. {row['wrong']}")


def _check_number(row: Exercise, answer: object) -> Reply:
    low, high = row["between"]
    try:
        value = float(answer)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        shown = reprlib.repr(answer)
        hint = " Decimals take a point, not a comma." if "," in shown else ""
        return Reply(False, f"✗ This exercise asks for {row['asks']}, not for {shown}.{hint}")
    if low <= value <= high:
        return _right(row)
    is_share = high <= 1
    if is_share and low <= value / 100 <= high:
        return Reply(False, f"✗ Nearly: give it as a share of 1, not in per cent: {value / 100:g}.")
    if value < low:
        fault = "too small"
    elif value > high:
        fault = "too large"
    else:
        fault = "not a number"
    return Reply(False, f"✗ {value:g} is {fault}. {row['wrong']}")


def _right(row: Exercise) -> Reply:
    return Reply(True, f"✓ Right. {row['right']}")


def _unknown_exercise(exercise: object) -> Reply:
    numbers = list(_table())
    shown = reprlib.repr(exercise)
    notebook = str(exercise)[:2]
    of_notebook = [number for number in numbers if number.startswith(notebook)]
    whole_range = f"{numbers[0]} to {numbers[-1]}"
    known = " ".join(of_notebook) or whole_range
    return Reply(False, f"✗ There is no exercise {shown}; the numbers, in quotes, are {known}.")


@cache
def _table() -> dict[str, Exercise]:
    file = resources.files(__package__).joinpath("exercises.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))
