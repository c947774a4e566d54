"""The table of runs under the studio's chart: what each was and reached, its name, and what can be
done with it."""

from collections.abc import Callable
from functools import partial

from ipywidgets import HTML, HBox, Text, VBox, Widget

from mnist_nb.widgets.common import Attempt, discard, make_button, on_change
from mnist_nb.widgets.studio import studio_markup as studio_page
from mnist_nb.widgets.studio.records import RunRecord
from mnist_nb.widgets.studio.session import TrainingSession


class RunsTable:
    """A row for each run of a session.

    Args:
        session: whose runs are shown.
        attempt: calls what a click asks for, and shows the sentence if it cannot be done.
        restore: makes a run's weights the network as it stands.
    """

    def __init__(
        self, session: TrainingSession, attempt: Attempt, restore: Callable[[RunRecord], None]
    ) -> None:
        self.session, self.attempt, self.restore = session, attempt, restore
        self._rows: dict[RunRecord, HBox] = {}
        self.widget = VBox()

    def rebuild(self) -> None:
        """Make rows for new runs and drop those of removed ones."""
        before, kept = self._rows, list(self.session.runs)
        self._rows = {run: before.get(run) or self._row(run) for run in kept}
        self.widget.children = list(self._rows.values())
        for run in set(before) - set(kept):
            discard(before[run])
        self.refresh()

    def refresh(self) -> None:
        """Show each run's figures as they are now."""
        running = self.session.is_running
        for number, (run, row) in enumerate(self._rows.items()):
            mark, _, cells, restore, remove = row.children
            mark.value, cells.value = studio_page.mark(number), studio_page.cells(run)
            restore.disabled = running
            remove.disabled = running and self.session.current is run

    def _row(self, run: RunRecord) -> HBox:
        """One run: its line, its name, its figures, and two buttons."""
        name = Text(run.name, continuous_update=False, tooltip="The run's name")
        new = partial(make_button, self.attempt)
        restore = new(
            "Restore", "Make these weights the network as it stands", partial(self.restore, run)
        )
        remove = new("Remove", "Forget this run", partial(self.session.remove, run))
        on_change(self.attempt, name, partial(_rename, run, name))
        return row_of("studio-row", HTML(), name, HTML(), restore, remove)


def row_of(name: str, *parts: Widget) -> HBox:
    """Widgets side by side; the style sheet knows the row by its name."""
    row = HBox(parts)
    row.add_class(name)
    return row


def _rename(run: RunRecord, name: Text) -> None:
    run.rename(name.value)
    name.value = run.name
