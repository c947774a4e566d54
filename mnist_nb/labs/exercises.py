"""Answers to the exercises: what a reader found is compared with what there was to find.

`exercises.toml` holds, for each exercise, what it asks for; what is right, either the two ends of a
range or the fingerprint of a word, so that nobody reads a choice by accident; and one sentence for
each outcome.
"""

import contextlib
import hashlib
import re
import reprlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from mnist_nb.errors import MnistNbError


class UnknownExerciseError(MnistNbError, ValueError):
    """There is no exercise of that number. Names those of its notebook."""


@dataclass(frozen=True)
class Reply:
    """What `check` says of an answer; a notebook shows the sentence."""

    right: bool
    sentence: str

    def __repr__(self) -> str:
        return self.sentence


def check(exercise: str, answer: object = ...) -> Reply:
    """Whether an answer to an exercise is right, and one sentence that explains or helps.

    Args:
        exercise: the notebook and the exercise's number in it, such as "02.3".
        answer: a number, a letter or word, or several of them; `...`, which stands in the
            notebooks, is no answer yet.

    Raises:
        UnknownExerciseError: there is no such exercise.
    """
    table = _table()
    if not isinstance(exercise, str) or exercise not in table:
        shown = reprlib.repr(exercise)
        near = [number for number in table if number.startswith(shown[1:3])] or [
            "01.1",
            "to",
            *list(table)[-1:],
        ]
        raise UnknownExerciseError(
            f"there is no exercise {shown}; the numbers are {' '.join(near)}"
        )
    row = table[exercise]
    if answer is ...:
        return Reply(False, f"Not answered yet. Replace the three dots by {row['asks']}.")
    if "fingerprint" in row:
        right = False
        with contextlib.suppress(RecursionError):  # lists in lists without end
            right = fingerprint(exercise, answer) == row["fingerprint"]
        return Reply(right, f"✓ Right. {row['right']}" if right else f"✗ Not yet. {row['wrong']}")
    low, high = row["between"]
    try:
        value = float(answer)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return Reply(False, f"✗ This asks for {row['asks']}, and not for {reprlib.repr(answer)}.")
    if low <= value <= high:
        return Reply(True, f"✓ Right. {row['right']}")
    if high <= 1 and low <= value / 100 <= high:
        return Reply(False, f"✗ Nearly: as a share of 1, not in per cent; {value / 100:g}.")
    side = "too small" if value < low else "too large" if value > high else "not a number"
    return Reply(False, f"✗ {value:g} is {side}. {row['wrong']}")


def fingerprint(exercise: str, answer: object) -> str:
    """Twelve digits that the same words and numbers always give, however they are written: (5, 3),
    "5, 3", [5, 3]."""
    plain = answer.tolist() if hasattr(answer, "tolist") else answer
    words = " ".join(re.findall(r"[\w.]+", str(plain).lower()))
    return hashlib.sha256(f"{exercise}: {words}".encode()).hexdigest()[:12]


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(
        resources.files(__package__).joinpath("exercises.toml").read_text(encoding="utf-8")
    )
