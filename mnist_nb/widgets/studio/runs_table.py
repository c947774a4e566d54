"""The table of runs under the studio's chart."""

from collections.abc import Callable
from functools import partial

from ipywidgets import HTML, HBox, Text, VBox, Widget

from mnist_nb.widgets.callbacks import Attempt
from mnist_nb.widgets.common import discard, make_button, on_change
from mnist_nb.widgets.studio.records import RunRecord
from mnist_nb.widgets.studio.session import TrainingSession
from mnist_nb.widgets.studio.studio_markup import number_html, row_html


class RunsTable:
    """A row for each run of a session.

    Args:
        session: the session with the runs.
        attempt: performs the action of a click and shows any error.
        restore: makes a run's weights the current network.
    """

    def __init__(
        self, session: TrainingSession, attempt: Attempt, restore: Callable[[RunRecord], None]
    ) -> None:
        self.widget = VBox()
        self._session = session
        self._attempt = attempt
        self._restore = restore
        self._rows: dict[RunRecord, _RunRow] = {}

    def rebuild(self) -> None:
        """Add rows for new runs, and remove rows of forgotten runs."""
        old_rows = self._rows
        runs = list(self._session.runs)
        self._rows = {run: old_rows.get(run) or self._make_row(run) for run in runs}
        self.widget.children = [row.widget for row in self._rows.values()]
        for run, row in old_rows.items():
            if run not in self._rows:
                discard(row.widget)
        self.refresh()

    def refresh(self) -> None:
        """Update each run's figures."""
        running = self._session.current if self._session.is_running else None
        for run, row in self._rows.items():
            row.figures.value = row_html(run)
            row.restore.disabled = running is not None
            row.remove.disabled = run is running

    def _make_row(self, run: RunRecord) -> "_RunRow":
        remove = partial(self._session.remove, run)
        return _RunRow(run, self._attempt, partial(self._restore, run), remove)


class _RunRow:
    """The row of a run: number and line, name, figures, and two buttons."""

    def __init__(
        self,
        run: RunRecord,
        attempt: Attempt,
        restore: Callable[[], object],
        remove: Callable[[], object],
    ) -> None:
        self.figures = HTML()
        self.restore = make_button(
            attempt, "Use these weights", "Make these weights the current network", restore
        )
        self.remove = make_button(attempt, "Remove", "Forget this run", remove)
        self._run = run
        hint = "The run's name"
        self._name = Text(run.name, continuous_update=False, description=hint, tooltip=hint)
        on_change(attempt, self._name, self._rename)
        number = HTML(number_html(run.number))
        self.widget = row_of(
            "studio-row", number, self._name, self.figures, self.restore, self.remove
        )

    def _rename(self) -> None:
        self._run.rename(self._name.value)
        self._name.value = self._run.name


def row_of(css_class: str, *parts: Widget) -> HBox:
    """Return widgets side by side. The style sheet has a rule for the class."""
    row = HBox(parts)
    row.add_class(css_class)
    return row
