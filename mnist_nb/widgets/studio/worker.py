"""A thread that does one piece of work."""

import threading
from collections.abc import Callable


class Worker(threading.Thread):
    """A daemon thread for one run.

    Whether it is working follows from the thread alone: an interrupt while it is started leaves it
    either working or not, and nothing to repair.

    Args:
        work: done in the thread.
        afterwards: called in the thread when it no longer counts as working.

    Attributes:
        stop_requested: set by whoever wants the work to end early.
    """

    def __init__(self, work: Callable[[], None], afterwards: Callable[[], None]) -> None:
        super().__init__(name="training", daemon=True)
        self.stop_requested = threading.Event()
        self._work = work
        self._afterwards = afterwards
        self._has_worked = threading.Event()
        self._has_ended = threading.Event()

    @property
    def is_working(self) -> bool:
        """Whether the thread has begun and its work is not done."""
        has_begun = self.ident is not None
        return has_begun and not self._has_worked.is_set()

    def run(self) -> None:
        """Do the work; called by `start`."""
        try:
            self._work()
        finally:
            self._has_worked.set()
            try:
                self._afterwards()
            finally:
                self._has_ended.set()

    def wait(self) -> None:
        """Return when the thread has ended; at once if it never began."""
        if self.ident is None:
            return
        while not self._has_ended.wait(0.2):  # in pieces, so that an interrupt is noticed
            pass
        self.join()
