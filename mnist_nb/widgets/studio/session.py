"""What the studio does, without a widget: one run at a time, in a thread of its own, and the runs
that were."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mnist_nb.checkpoints import (
    CheckpointError,
    continue_run,
    free_path,
    read_metadata,
    save_checkpoint,
    save_run,
)
from mnist_nb.data import Mnist, check_image
from mnist_nb.files import parse_json, signature_of
from mnist_nb.labs.diagnostics import Diagnostics, copy_weights, diagnose, update_ratios
from mnist_nb.models import build_model, predict
from mnist_nb.training import Hyperparameters, TrainingDivergedError, TrainingRun
from mnist_nb.widgets.studio.records import RunRecord, State, summary

PUBLISH_EVERY = 0.2
"""Seconds between two looks at a run, at least: redrawn more often, a chart tells the eye no
more."""

COST = 0.02
"""The share of the time that looking may take: where a look is dear, the next one comes later,
within 2 s."""

MAX_RUNS = 20
"""Runs kept, each with its weights (about half a megabyte), a stopped one with all that resuming it
needs; the oldest makes room."""

_STARTING = threading.RLock()
_SESSIONS: weakref.WeakSet[TrainingSession] = weakref.WeakSet()


class TrainingSession:
    """At most one run at a time, started, stopped and resumed from any thread; each can be asked
    twice without harm.

    Args:
        data: what is learnt.
        path: the checkpoint that runs go on from and are saved to; None keeps everything in memory.
        device: "cpu", "cuda" or "mps"; None chooses.
        publish: called at most every `PUBLISH_EVERY` seconds from the thread that trains, and when
            a run ends.

    Attributes:
        state: where the session stands.
        sentence: what was begun, or how it ended.
        warning: what went wrong beside the training, such as a full disk; empty if nothing did.
        error: what broke the last run off, other than a loss that exploded.
        runs: the runs kept, oldest first.
        run: the run that goes on, or that `resume` would let go on; it is changed by the thread
            that trains.
        current: the record of the run whose weights are the network as it stands.
        probabilities: of the pinned digit, `[10]`; None without a pinned digit or a network.
        pinned: the image that is watched, uint8 `[28, 28]`; None if none is.
        diagnostics: of the network as it stands; None without one.
    """

    def __init__(
        self,
        data: Mnist,
        path: str | Path | None = None,
        *,
        device: str | None = None,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        self.data = data
        self.path = None if path is None else Path(path)
        self.state = State.IDLE
        self.sentence = self.warning = ""
        self._told: list[
            str
        ] = []  # who else saves the same file: said for as long as the run lasts
        self.error: Exception | None = None
        self.runs: list[RunRecord] = []
        self.current: RunRecord | None = None
        self.probabilities: NDArray[np.float32] | None = None
        self.diagnostics: Diagnostics | None = None
        self._device, self._publish = device, publish
        self.pinned: NDArray[np.uint8] | None = None
        self.run: TrainingRun | None = None
        self._wanted_rate: float | None = None
        self._signature: tuple[int, ...] | None = (
            None  # of the file when it last held what this session knows
        )
        self._numbers = itertools.count(1)
        self._next_look = 0.0  # when it may be, in seconds of the monotonic clock
        self._ratios: dict[str, float] = {}  # of the last step that was watched
        self._before: dict[str, Tensor] | None = None  # the weights before the step that is watched
        self._began = (
            0.0  # when the run would have begun without pauses, in seconds of the monotonic clock
        )
        self._closed = False
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._ended = (
            threading.Event()
        )  # the thread has come to its end: an interrupted `join` may say so too early
        self._ended.set()
        _SESSIONS.add(self)
        self._find_unfinished()

    # ---- where it stands

    @property
    def is_running(self) -> bool:
        """Whether a run goes on."""
        return self.state is State.RUNNING

    @property
    def can_resume(self) -> bool:
        """Whether `resume` would let a stopped run go on."""
        run = self.run
        return not (self.is_running or self._closed or run is None or run.finished or run.diverged)

    @property
    def settings(self) -> Hyperparameters | None:
        """Those of the run, with the learning rate that it has now."""
        run = self.run
        return (
            dataclasses.replace(run.hyperparameters, learning_rate=run.learning_rate)
            if run
            else None
        )

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the run's pace; None before there is one."""
        run = self.run
        if run is None or not self.is_running or not run.steps_done:
            return None
        return (
            (time.monotonic() - self._began) / run.steps_done * (run.steps_total - run.steps_done)
        )

    # ---- start, stop, resume

    def start(
        self, hyperparameters: Hyperparameters, *, fresh: bool = True, name: str = ""
    ) -> RunRecord | None:
        """Begin a run in the background and return its record; None, and nothing else, if one goes
        on.

        A run that another session of this process has going is stopped first.

        Args:
            fresh: with a new network; else from the checkpoint, or from the network as it stands.
            name: "run 1" and so on without one.

        Raises:
            CheckpointError: if the checkpoint cannot be gone on from.
            ValueError: if the network as it stands is of another kind than the settings ask for.
        """
        with _STARTING, self._lock:
            if self.is_running or self._closed:
                return None
            stopped = self.current if self.can_resume else None
            if not fresh and stopped and stopped.hyperparameters == hyperparameters:
                return self.resume()
            known = (
                self.current
                if self.path is None
                else self.path
                if os.path.exists(self.path)
                else None
            )
            source = "a new network" if fresh or known is None else known.name
            run, sentence = self._begin(hyperparameters, fresh)
            self._told = []
            return self._launch(run, self._new_entry(run, name, source), sentence, stopped)

    def resume(self, learning_rate: float | None = None) -> RunRecord | None:
        """Let the stopped run go on from exactly where it was; None, and nothing else, if there is
        none.

        Where its file holds another run by now, this one is saved in a file of its own from here
        on.

        Args:
            learning_rate: a new one from here on; None takes the one that was asked for since it
                was stopped, if any.
        """
        with _STARTING, self._lock:
            if not self.can_resume or self.run is None or self.current is None:
                return None
            run, sentence = self.run, f"Going on at {self.run.position}."
            if self.path is not None and signature_of(self.path) not in (None, self._signature):
                taken, self.path = self.path, free_path(self.path)
                self._told.append(
                    f"{taken.name} holds another run by now; this one is saved in {self.path.name}."
                )
            self._wanted_rate = learning_rate or self._wanted_rate
            if self._take_rate(run):
                sentence += f" The learning rate is {run.learning_rate:g} from here on."
            return self._launch(run, self.current, sentence)

    def stop(self) -> None:
        """Ask the run to stop after the batch it is on; returns at once."""
        self._stop.set()

    def wait(self) -> None:
        """Return when no run goes on any more."""
        while not self._ended.wait(0.2):  # in pieces, so that an interrupt is heard on every system
            pass
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop, and never start again; the runs stay."""
        self._closed = True
        self.stop()
        if threading.current_thread() is not self._thread:
            self.wait()

    def set_learning_rate(self, rate: float) -> None:
        """The rate of the run that goes on, or is resumed, from its next batch on; it becomes part
        of its history."""
        with self._lock:
            self._wanted_rate = rate

    # ---- the pinned digit

    def pin(self, image: ArrayLike | None) -> None:
        """Watch one image, uint8 `[28, 28]`, while the network learns; None lets go of it.

        Raises:
            ValueError: for another type or shape.
        """
        self.pinned = None if image is None else check_image(image).copy()
        if not self.is_running and self.current is not None:
            self._observe(self.current.model)

    # ---- the runs kept

    def remove(self, kept: RunRecord) -> None:
        """Forget a run.

        Raises:
            ValueError: if it goes on.
        """
        with self._lock:
            if self.is_running and kept is self.current:
                raise ValueError(f"{kept.name} is still running: stop it first")
            with contextlib.suppress(ValueError):
                self.runs.remove(kept)

    def restore(self, kept: RunRecord) -> None:
        """Make a run's weights the network as it stands, and the content of the checkpoint.

        A run that was stopped can be resumed then. Another that was stopped before keeps where it
        stood.

        Raises:
            ValueError: if a run goes on.
            CheckpointError: if the file cannot be written.
        """
        with self._lock:
            if self.is_running:
                raise ValueError(
                    f"a run goes on: stop it before you take up the weights of {kept.name}"
                )
            others = [one for one in self.runs if one is not kept]
            stopped = self.current if self.can_resume and self.current in others else None
            if self.path is not None:
                if kept.unfinished is None:
                    save_checkpoint(kept.model, self.path, kept.metadata())
                else:
                    save_run(kept.unfinished, self.path)
                self._signature = signature_of(self.path)
            self.run, self.current, self._wanted_rate, self._ratios = (
                kept.unfinished,
                kept,
                None,
                {},
            )
            self.state, self.warning = State.STOPPED if self.run else State.IDLE, ""
            place = "" if self.path is None else f" and in {self.path}"
            how = (
                f"Resume goes on at {self.run.position}"
                if self.run
                else "training can go on from them"
            )
            self.sentence = f"The weights of {kept.name} are in place{place}; {how}."
            if stopped:
                self.sentence += (
                    f" {stopped.name} is still there: restore it, and Resume goes on with it."
                )
            self._observe(kept.model)

    # ---- inside

    def _find_unfinished(self) -> None:
        """Offer to resume what an earlier kernel, or the command line, left in the checkpoint."""
        if self.path is None or not os.path.exists(self.path):
            return
        with contextlib.suppress(
            ValueError, TypeError
        ):  # no model, or not ours: a start will say so
            settings = Hyperparameters(
                **parse_json(read_metadata(self.path).get("hyperparameters", "{}"))
            )
            run, _ = continue_run(self.path, self.data, settings, device=self._device)
            if run.steps_done:
                self.sentence = f"There is an unfinished run in {self.path} at {run.position}. Resume goes on with it."
                self._signature = signature_of(self.path)
                self.current = kept = self._new_entry(run, f"from {self.path.name}", self.path.name)
                self.run = kept.unfinished = run
                self.state = kept.state = State.STOPPED
                self.runs.append(kept)

    def _begin(self, settings: Hyperparameters, fresh: bool) -> tuple[TrainingRun, str]:
        if self.path is not None:
            run, start = continue_run(
                self.path, self.data, settings, fresh=fresh, device=self._device
            )
            return run, str(start)
        current = None if fresh else self.current
        model = (
            build_model(settings.network, seed=settings.seed)
            if current is None
            else copy.deepcopy(current.model)
        )
        if model.name != settings.network:
            raise ValueError(
                f"the network as it stands is a {model.name}: choose network {model.name}, or a new one"
            )
        run = TrainingRun(model, self.data, settings, device=self._device)
        if current is None:
            return run, f"A new {settings.network} begins."
        run.first_epoch = run.epoch = current.epoch
        return run, f"Starting from the weights of {current.name} with these settings."

    def _new_entry(
        self, run: TrainingRun, name: str = "", source: str = "a new network"
    ) -> RunRecord:
        settings, number = run.hyperparameters, f"run {next(self._numbers)}"
        kept = RunRecord(
            number,
            settings,
            run.model,
            run.batches_per_epoch,
            run.first_epoch,
            run.epoch,
            source=source,
        )
        kept.seconds = sum(record.seconds for record in run.records) if run.steps_done else 0.0
        kept.rename(name)
        kept.update(run)
        return kept

    def _launch(
        self, run: TrainingRun, kept: RunRecord, sentence: str, stopped: RunRecord | None = None
    ) -> RunRecord:
        """Begin the thread that trains; `stopped` is the run that is resumed if this one
        explodes."""
        for other in list(_SESSIONS):
            if other is not self and other.is_running:
                other.stop()
                other.wait()
        if kept not in self.runs:
            self.runs.append(kept)
        self.run, self.current = run, kept
        self.sentence, self.warning, self.error = sentence, "".join(self._told[-1:]), None
        if len(self.runs) > MAX_RUNS:
            self.sentence += f" {self.runs.pop(0).name} made room in the table."
        if self.path is not None:
            self._signature = signature_of(self.path)
        self.state = kept.state = State.RUNNING
        self._wanted_rate, self._before, self._ratios = None, None, {}
        self._began = time.monotonic() - kept.seconds
        self._stop.clear()
        self._ended.wait()  # the last run's thread may still be painting how that ended
        self._ended.clear()
        self._thread = threading.Thread(
            target=self._work, args=(run, kept, stopped), name="training", daemon=True
        )
        self._thread.start()
        return kept

    def _work(self, run: TrainingRun, kept: RunRecord, stopped: RunRecord | None) -> None:
        """The thread: whatever happens in it ends in a sentence and in a session that can start
        again."""
        try:
            self._train(run, kept, stopped)
        finally:
            self._ended.set()

    def _train(self, run: TrainingRun, kept: RunRecord, stopped: RunRecord | None) -> None:
        state, sentence = State.FAILED, ""
        try:
            self._notify(run)
            self._next_look = 0.0  # the first step is watched, however short the run
            if not self._stop.is_set():
                for _ in run.epochs(self._after_batch):
                    kept.seconds = time.monotonic() - self._began
                    kept.update(run)
                    self._save(run)
            state = State.FINISHED if run.finished else State.STOPPED
        except TrainingDivergedError as error:
            sentence = f"{str(error)[:1].upper()}{str(error)[1:]}"
        except Exception as error:  # a thread has nobody else to tell
            self.error, sentence = error, f"The run broke off: {type(error).__name__}: {error}"
        kept.seconds = time.monotonic() - self._began
        if state is State.STOPPED:
            self._take_rate(run)  # one asked for as late as the stop itself
        with contextlib.suppress(Exception):  # a model that cannot even be copied
            kept.update(run)
        back = stopped if run.diverged else None
        if state is not State.FINISHED and not (
            back and run.epoch == run.first_epoch
        ):  # nothing was learnt then
            self._save(run)
        with self._lock:
            kept.summary = self.sentence = sentence or summary(kept, run, self.runs)
            kept.unfinished = None if run.finished or run.diverged else run
            if back:
                self.run, self.current = back.unfinished, back
                self.sentence += f" {back.name} is still there: Resume goes on with it."
            self.state = kept.state = state
        self._notify(run)

    def _after_batch(self, run: TrainingRun) -> None:
        if self._stop.is_set():
            run.stop()
        self._take_rate(run)
        if self._before is not None:
            self._notify(run)
        elif time.monotonic() >= self._next_look:
            self._before = copy_weights(run.model)

    def _take_rate(self, run: TrainingRun) -> bool:
        """Take the rate that was asked for, between two batches: so the history names the right
        one. Is it new?"""
        with self._lock:
            rate, self._wanted_rate = self._wanted_rate or run.learning_rate, None
        if is_new := rate != run.learning_rate:
            run.learning_rate = rate
        return is_new

    def _notify(self, run: TrainingRun) -> None:
        began = time.monotonic()
        try:
            self._observe(run.model)
            self._publish()
        except Exception as error:  # what is shown may fail; what is learnt must not
            self.warning = f"The panel could not be drawn: {type(error).__name__}: {error}"
        self._before = None
        self._next_look = time.monotonic() + min(
            max(PUBLISH_EVERY, (time.monotonic() - began) / COST), 2.0
        )

    def _observe(self, model: nn.Module) -> None:
        """Ask the network about the pinned digit, and see how it fares."""
        pinned = self.pinned
        self.probabilities = None if pinned is None else predict(model, pinned[None])[0].numpy()
        if self._before is not None:
            self._ratios = update_ratios(self._before, model)
        self.diagnostics = diagnose(model, self.data.validation.images[:100], self._ratios)

    def _save(self, run: TrainingRun) -> None:
        if self.path is None:
            return
        try:
            save_run(run, self.path, tell=self._told.append)
            self._signature, self.warning = signature_of(self.path), "".join(self._told[-1:])
        except (CheckpointError, OSError) as error:
            self.warning = f"Not saved: {error}."
