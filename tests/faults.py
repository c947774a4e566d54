"""Simulated faults of the system."""


def full_disk(*_: object, **__: object) -> None:
    """Raise the error of a full disk, in place of a system call."""
    raise OSError(28, "No space left on device")
