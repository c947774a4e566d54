"""Arguments that are what their annotations say, or one error that names them."""

import contextlib
import functools
import inspect
import os
import re
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    NamedTuple,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

from mnist_nb.errors import MnistNbError


class Between(NamedTuple):
    """The range of a number, both ends included; not a number lies in none. `Annotated[int,
    Between(1, 9)]`."""

    low: float
    high: float


Share = Annotated[float, Between(0, 1)]
Seed = Annotated[int, Between(0, 2**63 - 1)]

P = ParamSpec("P")
R = TypeVar("R")

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    NoneType: "None",
}
_WORDS[Callable] = "a function"
_STANDS_FOR: dict[Any, Any] = {
    int: int | np.integer,
    float: float | int | np.integer | np.floating,
    Path: os.PathLike,
}


class ArgumentError(MnistNbError, TypeError, ValueError):
    """An argument that is not what it must be; the message names it and says what was expected."""


def check_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse arguments of another type than annotated, with an error that names the argument and
    what was expected.

    Classes, unions of them, the keys and values of mappings, and the ranges of numbers are looked
    at; other annotations say nothing. NumPy's numbers are numbers, which the function is given as
    Python's own; a bool is none.

    Raises:
        ArgumentError: from the function, for an argument of another type, or a path that no file
            can have.
    """
    signature = inspect.signature(function)
    # the hints are looked at later, for they may name what the module defines further down
    hints = functools.cache(lambda: get_type_hints(function, include_extras=True))

    @functools.wraps(function)
    def with_checks(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            kind = hints().get(name, Any)
            if not _fits(value, kind):
                raise ArgumentError(f"{name} must be {_in_words(kind)}, got {reprlib.repr(value)}")
            if (
                isinstance(value, str | os.PathLike)
                and Path in get_args(kind)
                and not _can_be_a_path(value)
            ):
                raise ArgumentError(
                    f"{name} must be a path, and no file can be called {reprlib.repr(value)}"
                )
            if isinstance(value, np.number) and kind is not Any:
                bound.arguments[name] = value.item()  # PyTorch does not take all of them
        return function(*bound.args, **bound.kwargs)

    return with_checks


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Annotated and isinstance(parts[1], Between):
        return _fits(value, parts[0]) and parts[1].low <= value <= parts[1].high
    if origin is Mapping and isinstance(value, Mapping):
        return all(
            _fits(one, part)
            for pair in value.items()
            for one, part in zip(pair, parts, strict=True)
        )
    if origin is tuple and isinstance(value, tuple) and ... not in parts:
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if origin in (int, float) and isinstance(value, int):
        return not isinstance(value, bool) and -(2**63) <= value < 2**63
    try:
        return isinstance(value, _STANDS_FOR.get(origin, origin))
    except TypeError:  # Any, a protocol, the name of an array's type
        return True


def _can_be_a_path(value: str | os.PathLike[Any]) -> bool:
    with contextlib.suppress(UnicodeEncodeError):
        return re.search(rb"\0|[^/\\]{256}", os.fsencode(value)) is None
    return False


def _in_words(kind: Any) -> str:
    """ "a number or None", "a Mapping of text to text"."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(map(_in_words, parts))
    if origin is Annotated:
        return f"{_in_words(parts[0])} from {parts[1].low} to {parts[1].high}"
    if origin is Mapping:
        return f"a Mapping of {' to '.join(map(_in_words, parts))}"
    return _WORDS.get(origin) or f"a {getattr(origin, '__name__', origin)}"
