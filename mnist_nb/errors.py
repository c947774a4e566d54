"""The base class of the package's errors, and a range check."""

from numbers import Real


class MnistNbError(Exception):
    """The base class of the package's errors. Each is also a standard error such as ValueError."""


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Check that a number is between `low` and `high`, both included.

    Raises:
        ValueError: if it is not. NaN, bools and text are rejected.
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be between {low:,} and {high:,}, got {value!r}")
