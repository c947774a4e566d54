"""The base of every error of this package, and the check of a number's range."""


class MnistNbError(Exception):
    """The base of every error of this package; each is also a standard error such as ValueError."""


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Check that a number lies between `low` and `high`, both included.

    Raises:
        ValueError: if it does not; NaN and bools never do.
    """
    if isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be between {low:,} and {high:,}, got {value!r}")
