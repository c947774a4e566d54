"""What the studio observes of a network while it learns, and how often."""

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mnist_nb.handwriting.preprocessing import check_image
from mnist_nb.labs.diagnostics import Diagnostics, copy_weights, diagnose, update_ratios
from mnist_nb.models import predict

PUBLISH_EVERY = 0.2
"""Least seconds between two observations: redrawn more often, a chart shows the eye no more."""

MAX_PAUSE = 2.0
"""Most seconds between two observations, however long they take."""

COST = 0.02
"""The share of the time that observing may take: slow observations are made less often."""


class NetworkObserver:
    """The probabilities of a pinned digit and the diagnostics of a network.

    Args:
        images: uint8 `[N, 28, 28]`, to find dead units with.

    Attributes:
        pinned: the image that is watched, uint8 `[28, 28]`, or None.
        probabilities: of the pinned digit, `[10]`; None without a pinned digit or a network.
        diagnostics: None before the first network.
    """

    def __init__(self, images: Tensor) -> None:
        self.pinned: NDArray[np.uint8] | None = None
        self.probabilities: NDArray[np.float32] | None = None
        self.diagnostics: Diagnostics | None = None
        self._images = images
        self._weights_before: dict[str, Tensor] | None = None  # the step that is watched
        self._update_ratios: dict[str, float] = {}  # of the last step that was watched

    @property
    def is_watching_step(self) -> bool:
        """Whether the weights before the step under way were copied."""
        return self._weights_before is not None

    def pin(self, image: ArrayLike | None) -> None:
        """Watch one image, uint8 `[28, 28]`, from the next observation on; None stops that.

        Raises:
            ValueError: for another type or shape.
        """
        self.pinned = None if image is None else check_image(image).copy()

    def watch_step(self, model: nn.Module) -> None:
        """Copy the weights before a step, so that the next observation measures its length."""
        self._weights_before = copy_weights(model)

    def forget_steps(self) -> None:
        """Drop what was measured of another run's steps."""
        self._weights_before = None
        self._update_ratios = {}

    def observe(self, model: nn.Module) -> None:
        """Read the pinned digit, and measure the step that was watched and the dead units."""
        pinned = self.pinned
        self.probabilities = None if pinned is None else predict(model, pinned[None])[0].numpy()
        if self._weights_before is not None:
            self._update_ratios = update_ratios(self._weights_before, model)
            self._weights_before = None
        self.diagnostics = diagnose(model, self._images, self._update_ratios)


class Pace:
    """When to observe next."""

    def __init__(self) -> None:
        self._next = 0.0  # seconds of the monotonic clock

    def is_due(self) -> bool:
        """Whether it is time for the next observation."""
        return time.monotonic() >= self._next

    def make_due(self) -> None:
        """Observe as soon as possible."""
        self._next = 0.0

    def pause_after(self, seconds: float) -> None:
        """Plan the next observation after one that took so many seconds."""
        pause = max(PUBLISH_EVERY, seconds / COST)
        self._next = time.monotonic() + min(pause, MAX_PAUSE)
