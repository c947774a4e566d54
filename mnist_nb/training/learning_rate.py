"""The learning rate of a run: a base rate, which can change during the run, times a schedule."""

import math
from collections import deque

SCHEDULES = ("constant", "cosine", "one-cycle")
MAX_CHANGES = 100_000  # only the latest are kept, so that the file stays small
_ONE_CYCLE_RISE = 0.25  # the share of the run in which the rate rises
_ONE_CYCLE_START = 1 / 25  # as a share of the highest rate


class LearningRate:
    """The learning rate of each step of a run.

    Attributes:
        base: the rate that the schedule scales. It can be set from any thread; the next step uses
            it and adds it to the history.
        changes: the history, as pairs (step of the run, counted from 0; base rate from then on).
    """

    def __init__(self, base: float, schedule: str, steps: int) -> None:
        self.base = base
        self.changes: deque[tuple[int, float]] = deque(maxlen=MAX_CHANGES)
        self._initial = base
        self._schedule = schedule
        self._steps = steps

    @property
    def last_used(self) -> float:
        """The base rate of the last step, or the initial one before the first step."""
        return self.changes[-1][1] if self.changes else self._initial

    def use(self, step: int) -> float:
        """Return the rate for this step, and add the base rate to the history if it changed."""
        base = self.base
        if base != self.last_used:
            self.changes.append((step, base))
        return self.at(step)

    def at(self, step: int) -> float:
        """Return the scheduled rate of a step for the base rate last used."""
        return self.last_used * schedule_factor(self._schedule, step / self._steps)


def schedule_factor(schedule: str, progress: float) -> float:
    """Return the schedule's factor in [0, 1] at a progress in [0, 1] through the run.

    "one-cycle" rises from 1/25 to 1 over the first quarter and falls to nearly 0, both along a
    cosine (L. N. Smith, "Super-Convergence", 2018); "cosine" falls from 1 to 0 (I. Loshchilov and
    F. Hutter, "SGDR", 2017); "constant" is 1.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return _cosine_fall(progress)
    if progress < _ONE_CYCLE_RISE:
        rise = 1 - _cosine_fall(progress / _ONE_CYCLE_RISE)
        return _ONE_CYCLE_START + (1 - _ONE_CYCLE_START) * rise
    return _cosine_fall((progress - _ONE_CYCLE_RISE) / (1 - _ONE_CYCLE_RISE))


def _cosine_fall(progress: float) -> float:
    """Fall from 1 at progress 0 to 0 at progress 1."""
    return (1 + math.cos(math.pi * progress)) / 2
