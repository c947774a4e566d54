"""Background work, which keeps a panel responsive."""

from collections.abc import Callable
from threading import Thread

Work = Callable[[], object]


class BackgroundWork:
    """A queue of tasks that run one after another, each in a thread.

    Args:
        report: called with any error that a task raises.

    Attributes:
        is_closed: whether new tasks are ignored.
    """

    def __init__(self, report: Callable[[Exception], object]) -> None:
        self.is_closed = False
        self._report = report
        self._last: Thread | None = None

    def start(self, work: Work) -> Thread | None:
        """Run a task after all earlier ones. Do nothing if closed."""
        if self.is_closed:
            return None
        arguments = (self._last, work)
        thread = Thread(target=self._run, args=arguments, name="drawing pad", daemon=True)
        self._last = thread
        thread.start()
        return thread

    def check_open(self) -> None:
        """Raise RuntimeError if the queue was closed, to end the current task."""
        if self.is_closed:
            raise RuntimeError("the pad was closed")

    def close(self) -> None:
        """Let the current task end, and wait for it."""
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
