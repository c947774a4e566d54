"""The table of runs under the studio's chart: what each was and reached, its name, and what can be done with it."""

from collections.abc import Callable
from functools import partial

from ipywidgets import HTML, HBox, Text, VBox

from mnist_nb.widgets.common import Attempt, button, discard, on_change
from mnist_nb.widgets.studio import html as studio_page
from mnist_nb.widgets.studio.records import RunRecord
from mnist_nb.widgets.studio.session import TrainingSession


class RunsTable:
    """A row for each run of a session.

    Args:
        session: whose runs are shown.
        attempt: calls what a click asks for, and shows the sentence if it cannot be done.
        restore: makes a run's weights the network as it stands.
    """

    def __init__(self, session: TrainingSession, attempt: Attempt, restore: Callable[[RunRecord], None]) -> None:
        self.session, self.attempt, self.restore = session, attempt, restore
        self._rows: dict[RunRecord, _Row] = {}
        self.widget = VBox()

    def rebuild(self) -> None:
        """Make rows for new runs and drop those of removed ones."""
        before, kept = self._rows, list(self.session.runs)
        self._rows = {run: before.get(run) or _Row(self, run) for run in kept}
        self.widget.children = [row.widget for row in self._rows.values()]
        for run in set(before) - set(kept):
            discard(before[run].widget)
        self.refresh()

    def refresh(self) -> None:
        """Show each run's figures as they are now."""
        for number, row in enumerate(self._rows.values()):
            row.refresh(number)


class _Row:
    """One run: its line, its name, its figures, and two buttons."""

    def __init__(self, table: RunsTable, kept: RunRecord) -> None:
        self._session, self._kept, attempt = table.session, kept, table.attempt
        self._mark, self._cells = HTML(), HTML()
        self._name = Text(kept.name, continuous_update=False, tooltip="The run's name")
        restore_hint = "Make these weights the network as it stands"
        self._restore = button(attempt, "Restore", restore_hint, partial(table.restore, kept), width="82px")
        self._remove = button(attempt, "Remove", "Forget this run", partial(table.session.remove, kept), width="82px")
        on_change(attempt, self._name, self._rename)
        self.widget = HBox([self._mark, self._name, self._cells, self._restore, self._remove])
        self.widget.add_class("studio-row")

    def _rename(self) -> None:
        self._kept.rename(self._name.value)
        self._name.value = self._kept.name

    def refresh(self, number: int) -> None:
        self._mark.value = studio_page.mark(number)
        self._cells.value = studio_page.cells(self._kept)
        self._restore.disabled = self._session.is_running
        self._remove.disabled = self._session.is_running and self._session.current is self._kept
