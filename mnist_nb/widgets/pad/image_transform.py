"""Changes of a picture of a digit: move, rotate, scale, and thicken or thin."""

import dataclasses
import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from mnist_nb.data import SIDE
from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.labs.robustness import CORRUPTIONS

SCALE_STEP = 1.1
"""Pictures are scaled by powers of this number."""

_LIMITS = {"right": 14, "down": 14, "turn": 180, "scale": 11, "thickness": 4}
"""The largest absolute value of each change; for the scale, the largest power."""


@dataclasses.dataclass(frozen=True)
class ImageTransform:
    """Rotate and scale a picture about its middle, move it, then thicken or thin its lines.

    Attributes:
        right, down: whole pixels, of 28.
        turn: degrees, clockwise.
        scale: the factor of the size.
        thickness: pixels added to the width of lines, negative to thin them, in steps of 0.5.
    """

    right: int = 0
    down: int = 0
    turn: float = 0
    scale: float = 1
    thickness: float = 0

    def change(self, name: str, step: float) -> "ImageTransform":
        """Return a copy with one value changed by a step, within its limits.

        Args:
            name: the name of the attribute.
            step: added to it; for the scale, to its power of `SCALE_STEP`.
        """
        value = getattr(self, name)
        if name == "scale":
            value = round(math.log(value, SCALE_STEP))
        limit = _LIMITS[name]
        value = min(max(value + step, -limit), limit)
        if name == "scale":
            value = SCALE_STEP**value
        return dataclasses.replace(self, **{name: value})

    def apply(self, picture: Pixels) -> Pixels:
        """Return the changed picture, uint8 `[28, 28]`. Ink that leaves it is lost."""
        moved = torch.from_numpy(self._move(picture))
        # each side of a line moves by half of the change in width
        [redrawn] = CORRUPTIONS["pen"](moved[None], self.thickness / 2)
        return np.asarray(redrawn)

    def _move(self, picture: Pixels) -> NDArray[np.float64]:
        """Rotate, scale and move: each new position takes the grey value of an old one."""
        middle = (SIDE - 1) / 2
        angle = np.deg2rad(self.turn)
        cosine = np.cos(angle) / self.scale
        sine = np.sin(angle) / self.scale
        to_old_place = np.array([[cosine, -sine], [sine, cosine]])  # [(row, column), (row, column)]
        new_middle = middle + np.array([self.down, self.right])
        offset = middle - to_old_place @ new_middle
        grey = picture.astype(np.float64)
        return np.asarray(ndimage.affine_transform(grey, to_old_place, offset))
