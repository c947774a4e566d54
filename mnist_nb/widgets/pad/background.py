"""Work that a panel does while it stays usable."""

from collections.abc import Callable
from threading import Thread

Work = Callable[[], object]


class BackgroundWork:
    """Pieces of work that are done one after the other, each on a thread.

    Args:
        report: is called with an error that a piece of work raised.

    Attributes:
        is_closed: whether nothing may be started any more.
    """

    def __init__(self, report: Callable[[Exception], object]) -> None:
        self.is_closed = False
        self._report = report
        self._last: Thread | None = None

    def start(self, work: Work) -> Thread | None:
        """Begin after the work that was started before; once closed, do nothing."""
        if self.is_closed:
            return None
        arguments = (self._last, work)
        thread = Thread(target=self._run, args=arguments, name="drawing pad", daemon=True)
        self._last = thread
        thread.start()
        return thread

    def check_open(self) -> None:
        """Raise RuntimeError if it was closed, so that work in progress ends."""
        if self.is_closed:
            raise RuntimeError("the pad was closed")

    def close(self) -> None:
        """Let the work in progress end, and wait for it."""
        self.is_closed = True
        if self._last is not None:
            self._last.join()

    def _run(self, previous: Thread | None, work: Work) -> None:
        if previous is not None:
            previous.join()
        if self.is_closed:
            return
        try:
            work()
        except Exception as error:
            self._report(error)
