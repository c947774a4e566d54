"""Observation of a network in training, and its timing."""

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mnist_nb.handwriting.preprocessing import check_image
from mnist_nb.labs.diagnostics import Diagnostics, copy_weights, diagnose, update_ratios
from mnist_nb.models import predict

PUBLISH_EVERY = 0.2
"""Minimum seconds between two observations: nobody sees faster updates of a chart."""

MAX_PAUSE = 2.0
"""Maximum seconds between two observations, even if they are slow."""

COST = 0.02
"""The maximum share of the time for observing. Slow observations are made less often."""


class NetworkObserver:
    """The probabilities of a pinned digit and the diagnostics of a network.

    Args:
        images: uint8 `[N, 28, 28]`, to find dead units.

    Attributes:
        pinned: the image to observe, uint8 `[28, 28]`, or None.
        probabilities: of the pinned digit, `[10]`; None without a pinned digit or a network.
        diagnostics: the diagnostics of the network; None before the first network.
    """

    def __init__(self, images: Tensor) -> None:
        self.pinned: NDArray[np.uint8] | None = None
        self.probabilities: NDArray[np.float32] | None = None
        self.diagnostics: Diagnostics | None = None
        self._images = images
        self._weights_before: dict[str, Tensor] | None = None  # the observed step
        self._update_ratios: dict[str, float] = {}  # of the last observed step

    @property
    def is_watching_step(self) -> bool:
        """Whether the weights before the current step were copied."""
        return self._weights_before is not None

    def pin(self, image: ArrayLike | None) -> None:
        """Observe an image, uint8 `[28, 28]`, from the next observation on, or stop with None.

        Raises:
            ValueError: if the image has a wrong type or shape.
        """
        self.pinned = None if image is None else check_image(image).copy()

    def watch_step(self, model: nn.Module) -> None:
        """Copy the weights before a step, so that the next observation can measure its length."""
        self._weights_before = copy_weights(model)

    def forget_steps(self) -> None:
        """Discard measurements of another run's steps."""
        self._weights_before = None
        self._update_ratios = {}

    def observe(self, model: nn.Module) -> None:
        """Read the pinned digit, and measure the observed step and the dead units."""
        pinned = self.pinned
        self.probabilities = None if pinned is None else predict(model, pinned[None])[0].numpy()
        if self._weights_before is not None:
            self._update_ratios = update_ratios(self._weights_before, model)
            self._weights_before = None
        self.diagnostics = diagnose(model, self._images, self._update_ratios)


class Pace:
    """The timing of observations."""

    def __init__(self) -> None:
        self._next = 0.0  # seconds of the monotonic clock

    def is_due(self) -> bool:
        """Whether it is time for the next observation."""
        return time.monotonic() >= self._next

    def make_due(self) -> None:
        """Observe as soon as possible."""
        self._next = 0.0

    def pause_after(self, seconds: float) -> None:
        """Schedule the next observation after one that took `seconds`."""
        pause = max(PUBLISH_EVERY, seconds / COST)
        self._next = time.monotonic() + min(pause, MAX_PAUSE)
