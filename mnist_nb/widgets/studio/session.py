"""The studio without widgets: one run at a time, in its own thread, and the records of all runs."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from numpy.typing import ArrayLike

from mnist_nb.checkpoints import CheckpointError
from mnist_nb.data import Mnist
from mnist_nb.training import Hyperparameters, TrainingDivergedError, TrainingRun
from mnist_nb.widgets.studio.observer import NetworkObserver, Pace
from mnist_nb.widgets.studio.records import RunRecord, State
from mnist_nb.widgets.studio.sentences import describe_ending
from mnist_nb.widgets.studio.stores import NEW_NETWORK, FileStore, MemoryStore
from mnist_nb.widgets.studio.worker import Worker

MAX_RUNS = 20
"""The maximum number of runs to keep, each with its weights (about half a megabyte) and, if it was
stopped, the state to resume it. The oldest one beyond that is dropped."""

OBSERVED_IMAGES = 100
"""The number of validation images for finding dead units."""

_STARTING = (
    threading.RLock()
)  # held while a session starts a run, so that only one runs in this process
_SESSIONS: weakref.WeakSet[TrainingSession] = weakref.WeakSet()


class TrainingSession:
    """A session with at most one run at a time, controlled from any thread.

    Only the session changes its state. Calls that do not fit the state do nothing.

    Args:
        data: from `load_mnist`.
        path: the checkpoint that runs continue from and are saved to; None keeps everything in
            memory. A run of another session with this checkpoint is stopped, and can be resumed.
        device: "cpu", "cuda" or "mps"; None chooses the fastest available.
        publish: called from the training thread, at most every `PUBLISH_EVERY` seconds and when a
            run has ended.

    Attributes:
        sentence: how the run began, or how it ended.
        warning: a problem other than the training itself, such as a full disk; "" without one.
        error: the exception that ended the last run, other than an exploded loss.
        runs: the runs kept, oldest first.
        run: the current run, or the one that `resume` would continue. The training thread changes
            it.
        current: the record of the run whose weights are the current network.
        observer: the pinned digit, its probabilities, and the diagnostics of the current network.
        store: where runs begin and are saved.
    """

    def __init__(
        self,
        data: Mnist,
        path: str | Path | None = None,
        *,
        device: str | None = None,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = None if path is None else Path(path).absolute()
        self.store: MemoryStore | FileStore = (
            MemoryStore(data, device) if self.path is None else FileStore(self.path, data, device)
        )
        self.observer = NetworkObserver(data.validation.images[:OBSERVED_IMAGES])
        self.sentence = ""
        self.warning = ""
        self.error: Exception | None = None
        self.runs: list[RunRecord] = []
        self.run: TrainingRun | None = None
        self.current: RunRecord | None = None
        self._publish = publish
        self._pace = Pace()
        self._numbers = itertools.count(1)
        self._state = State.IDLE  # while nothing runs
        self._started_at = (
            0.0  # the start of the run without pauses, in seconds of the monotonic clock
        )
        self._is_closed = False
        self._worker: Worker | None = None
        self._lock = threading.RLock()
        if self.path is not None:  # a cell run again: its run is offered here, up to its last batch
            self._stop_other_sessions(self.path)
        _SESSIONS.add(self)
        self._offer_unfinished()

    # ---- the state

    @property
    def is_running(self) -> bool:
        """Whether a run is running."""
        return self._worker is not None and self._worker.is_working

    @property
    def state(self) -> State:
        """The state of the session."""
        return State.RUNNING if self.is_running else self._state

    @property
    def can_resume(self) -> bool:
        """Whether `resume` would continue a stopped run."""
        return not self.is_running and not self._is_closed and self._has_unfinished_run

    @property
    def _has_unfinished_run(self) -> bool:
        return self.run is not None and not self.run.finished and not self.run.diverged

    @property
    def settings(self) -> Hyperparameters | None:
        """The settings of the run, with its learning rate as it is now."""
        if self.run is None:
            return None
        return dataclasses.replace(self.run.hyperparameters, learning_rate=self.run.learning_rate)

    @property
    def seconds_left(self) -> float | None:
        """The estimated seconds left; None before there is an estimate."""
        run = self.run
        if run is None or not self.is_running or not run.steps_done:
            return None
        seconds_per_step = (time.monotonic() - self._started_at) / run.steps_done
        return seconds_per_step * (run.steps_total - run.steps_done)

    # ---- start, stop, resume

    def start(
        self, hyperparameters: Hyperparameters, *, fresh: bool = True, name: str = ""
    ) -> RunRecord | None:
        """Start a run in the background; return its record, or None if a run is running.

        A run of another session in this process is stopped first.

        Args:
            hyperparameters: the settings.
            fresh: begin with a new network, not with the checkpoint or the current network.
            name: "run 1" and so on if empty.

        Raises:
            CheckpointError: if the run cannot continue from the checkpoint.
            ValueError: if the current network is not the network of the settings.
        """
        with _STARTING, self._lock:
            if self.is_running or self._is_closed:
                return None
            stopped = self.current if self.can_resume else None
            if not fresh and stopped and stopped.hyperparameters == hyperparameters:
                return self.resume()
            beginning = self.store.begin(hyperparameters, self.current, fresh=fresh)
            record = self._new_record(beginning.run, name, beginning.source)
            sentence = beginning.sentence + self._describe_kept(stopped)
            return self._launch(beginning.run, record, sentence, stopped)

    def resume(self, learning_rate: float | None = None) -> RunRecord | None:
        """Resume the stopped run exactly; return None if there is none.

        Args:
            learning_rate: a new learning rate for the rest of the run.
        """
        with _STARTING, self._lock:
            if not self.can_resume or self.run is None or self.current is None:
                return None
            if learning_rate is not None:
                self.set_learning_rate(learning_rate)
            sentence = f"Continuing at {self.run.position}."
            if self.run.learning_rate != self.current.learning_rate:
                sentence += f" The learning rate is {self.run.learning_rate:g} from here on."
            return self._launch(self.run, self.current, sentence)

    def stop(self) -> None:
        """Stop the run after the current batch, without waiting."""
        if self._worker is not None:
            self._worker.stop_requested.set()

    def wait(self) -> None:
        """Wait until no run is running."""
        if self._worker is not None:
            self._worker.wait()

    def close(self) -> None:
        """Stop the session permanently. Its runs are kept."""
        self._is_closed = True
        self.stop()
        if threading.current_thread() is not self._worker:
            self.wait()

    def set_learning_rate(self, rate: float) -> None:
        """Change the learning rate of the current or stopped run from its next step on."""
        with self._lock:
            if self.run is None or not self._has_unfinished_run:
                return
            if rate != self.run.learning_rate:
                self.run.learning_rate = rate

    def publish_soon(self) -> None:
        """Let the training thread publish at its next steps, not after its usual pause."""
        self._pace.make_due()

    # ---- the pinned digit

    def pin(self, image: ArrayLike | None) -> None:
        """Observe an image, uint8 `[28, 28]`, in training, or stop with None.

        Raises:
            ValueError: if the image has a wrong type or shape.
        """
        self.observer.pin(image)
        if not self.is_running and self.current is not None:
            self.observer.observe(self.current.model)

    # ---- the records of runs

    def remove(self, record: RunRecord) -> None:
        """Forget a run.

        Raises:
            ValueError: if it is running.
        """
        with self._lock:
            if self.is_running and record is self.current:
                raise ValueError(f"{record.name} is still running: press Stop first")
            with contextlib.suppress(ValueError):
                self.runs.remove(record)

    def restore(self, record: RunRecord) -> None:
        """Use a run's weights as the current network, and save them in the checkpoint.

        If that run was stopped, it can be resumed. Another stopped run is not changed.

        Raises:
            ValueError: if a run is running.
            CheckpointError: if the file cannot be written.
        """
        with self._lock:
            if self.is_running:
                raise ValueError(
                    f"a run is in progress: press Stop before you use the weights of {record.name}"
                )
            stopped = self.current if self.can_resume else None
            self.store.save_record(record)
            self._undo_moved_rate(stopped)
            self.run = record.unfinished
            self.current = record
            self.warning = ""
            self.sentence = self._describe_restored(record)
            if stopped is not record:
                self.sentence += self._describe_kept(stopped)
            self._state = State.STOPPED if self.run else State.IDLE
            self.observer.forget_steps()
            self.observer.observe(record.model)

    def _describe_restored(self, record: RunRecord) -> str:
        place = "" if self.path is None else f" and saved in {self.path.name}"
        next_step = "training can continue from them"
        if record.unfinished is not None:
            next_step = f"Resume continues at {record.unfinished.position}"
        return f"The weights of {record.name} are in use{place}; {next_step}."

    def _describe_kept(self, stopped: RunRecord | None) -> str:
        """Return a sentence about a stopped run that Resume no longer continues, or ""."""
        if stopped is None or stopped not in self.runs:
            return ""
        return f" {stopped.name} stays in the table: use its weights, and Resume continues it."

    def _undo_moved_rate(self, stopped: RunRecord | None) -> None:
        """Restore a stopped run's learning rate: a later change was for the next run."""
        if stopped is not None:
            self.set_learning_rate(stopped.learning_rate)

    def _offer_unfinished(self) -> None:
        """Let Resume continue the run of an earlier kernel in the checkpoint."""
        run = self.store.find_unfinished()
        if run is None or self.path is None:
            return
        record = self._new_record(run, f"from {self.path.name}", self.path.name)
        record.state = State.STOPPED
        self.runs.append(record)
        self.run = run
        self.current = record
        self.sentence = (
            f"There is an unfinished run in {self.path.name} at {run.position}. "
            "Resume continues it."
        )
        self._state = State.STOPPED

    def _new_record(self, run: TrainingRun, name: str, source: str = NEW_NETWORK) -> RunRecord:
        number = next(self._numbers)
        record = RunRecord(
            number=number,
            name=f"run {number}",
            hyperparameters=run.hyperparameters,
            model=run.model,
            batches_per_epoch=run.batches_per_epoch,
            first_epoch=run.first_epoch,
            epoch=run.epoch,
            source=source,
            unfinished=run,
        )
        if run.steps_done:  # it was stopped in another kernel
            record.seconds = sum(epoch.seconds for epoch in run.records)
        record.rename(name)
        record.update(run)
        return record

    # ---- the training thread

    def _launch(
        self,
        run: TrainingRun,
        record: RunRecord,
        sentence: str,
        stopped: RunRecord | None = None,
    ) -> RunRecord:
        """Start the thread. `stopped` is the run that can be resumed if this one diverges.

        Until the thread works, the state is that of a stopped run, so that the session can start
        again after an interrupt at any point.
        """
        self._stop_other_sessions()
        self.wait()  # the last run's thread may still be showing the result
        self._undo_moved_rate(stopped)
        self.run = run
        self.current = record
        self.sentence = sentence
        self.warning = ""
        self.error = None
        record.state = State.STOPPED
        self._state = State.STOPPED
        if record not in self.runs:
            self.runs.append(record)
        if len(self.runs) > MAX_RUNS:
            self.sentence += f" {self.runs.pop(0).name} was dropped from the table."
        self.observer.forget_steps()
        self._started_at = time.monotonic() - record.seconds
        worker = Worker(
            work=lambda: self._work(worker, run, record, stopped),
            afterwards=lambda: self._show_progress(run),
        )
        self._worker = worker
        worker.start()
        return record

    def _stop_other_sessions(self, path: Path | None = None) -> None:
        """Stop and save the runs of other sessions, or only of those with this checkpoint."""
        for other in list(_SESSIONS):
            is_meant = other is not self and path in (None, other.path)
            if is_meant and other.is_running:
                other.stop()
                other.wait()

    def _work(
        self, worker: Worker, run: TrainingRun, record: RunRecord, stopped: RunRecord | None
    ) -> None:
        """Train. Any error becomes a sentence, and the session can start again."""
        record.state = State.RUNNING
        sentence = ""
        try:
            self._show_progress(run)
            self._train(worker, run, record)
            state = State.FINISHED if run.finished else State.STOPPED
        except TrainingDivergedError as error:
            state = State.FAILED
            message = str(error)
            sentence = message[:1].upper() + message[1:]
        except Exception as error:  # otherwise an exception in a thread would not be shown
            state = State.FAILED
            sentence = f"The run failed: {type(error).__name__}: {error}"
            self.error = error
        record.seconds = time.monotonic() - self._started_at
        with contextlib.suppress(Exception):  # a model that cannot be copied
            record.update(run)
        back = stopped if run.diverged else None
        has_learnt = run.epoch > run.first_epoch
        if state is not State.FINISHED and (has_learnt or back is None):
            self._save(run)
        self._end(run, record, state, sentence or describe_ending(record, run, self.runs), back)

    def _end(
        self,
        run: TrainingRun,
        record: RunRecord,
        state: State,
        summary: str,
        back: RunRecord | None,
    ) -> None:
        """Set the state after a run. `back` is the stopped run that Resume continues next."""
        with self._lock:
            record.summary = summary
            self.sentence = summary
            if run.finished or run.diverged:
                record.unfinished = None
            if back is not None:
                self.run = back.unfinished
                self.current = back
                self.sentence += f" {back.name} is still there: Resume continues it."
            record.state = state
            self._state = state

    def _train(self, worker: Worker, run: TrainingRun, record: RunRecord) -> None:
        self._pace.make_due()  # so that the first step is observed even in a short run
        if worker.stop_requested.is_set():
            return
        for _ in run.epochs(lambda run: self._after_step(worker, run)):
            record.seconds = time.monotonic() - self._started_at
            record.update(run)
            self._save(run)

    def _after_step(self, worker: Worker, run: TrainingRun) -> None:
        if worker.stop_requested.is_set():
            run.stop()
        if self.observer.is_watching_step:
            self._show_progress(run)
        elif self._pace.is_due():
            self.observer.watch_step(run.model)

    def _show_progress(self, run: TrainingRun) -> None:
        """Observe the network and publish. An error here must not end the training."""
        began = time.monotonic()
        try:
            self.observer.observe(run.model)
            self._publish()
        except Exception as error:
            self.warning = f"The panel could not be drawn: {type(error).__name__}: {error}"
            self.observer.forget_steps()
        self._pace.pause_after(time.monotonic() - began)

    def _save(self, run: TrainingRun) -> None:
        try:
            self.store.save(run)
            self.warning = ""
        except (CheckpointError, OSError) as error:
            reason = str(error).rstrip(".")
            self.warning = f"Not saved: {reason}."
