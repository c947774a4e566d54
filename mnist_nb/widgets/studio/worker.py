"""A thread for a single task."""

import threading
from collections.abc import Callable


class Worker(threading.Thread):
    """A daemon thread for one run.

    Its state depends on the thread alone, so it is consistent even after an interrupt during the
    start.

    Args:
        work: the function to run in the thread.
        afterwards: called in the thread when it no longer counts as working.

    Attributes:
        stop_requested: set it to end the work early.
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
        """Whether the thread has started and its work is not finished."""
        has_begun = self.ident is not None
        return has_begun and not self._has_worked.is_set()

    def run(self) -> None:
        """Do the work. Called by `start`."""
        try:
            self._work()
        finally:
            self._has_worked.set()
            try:
                self._afterwards()
            finally:
                self._has_ended.set()

    def wait(self) -> None:
        """Wait until the thread has ended; return immediately if it never started."""
        if self.ident is None:
            return
        while not self._has_ended.wait(0.2):  # in short waits, so that an interrupt is noticed
            pass
        self.join()
