"""Faults outside the package."""


def full_disk(*_: object, **__: object) -> None:
    """In place of one of the system's calls: nothing can be written any more."""
    raise OSError(28, "No space left on device")
