"""What a drawing pad knows, without any widget: the drawing or a picture, how it was changed, what
is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import ndimage
from torch import nn

from mnist_nb.data import SIDE, check_image
from mnist_nb.handwriting.preprocessing import EmptySketchError, Pixels, prepare
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.labs.robustness import CORRUPTIONS


@dataclass(frozen=True)
class ImageTransform:
    """How a picture is changed: turned and scaled about its middle and moved, then thickened or
    thinned.

    Attributes:
        right, down: whole pixels of 28.
        turn: degrees, clockwise.
        scale: 1 leaves the size as it is.
        thickness: pixels by which a line gets wider, or if negative thinner, in steps of a half.
    """

    right: int = 0
    down: int = 0
    turn: float = 0
    scale: float = 1
    thickness: float = 0

    def apply(self, picture: Pixels) -> Pixels:
        """The changed picture, uint8 `[28, 28]` like the one given; ink that leaves it is lost."""
        angle, middle = np.deg2rad(self.turn), (SIDE - 1) / 2
        cosine, sine = np.cos(angle) / self.scale, np.sin(angle) / self.scale
        back = np.array(
            [[cosine, -sine], [sine, cosine]]
        )  # from new places (row, column) to old ones
        start = middle - back @ (middle + np.array([self.down, self.right]))
        moved = ndimage.affine_transform(picture.astype(np.float64), back, start)
        return CORRUPTIONS["pen"](torch.from_numpy(moved)[None], self.thickness / 2)[0].numpy()


class PadState(Sketch):
    """A drawing, or a picture that lies on it, and the network that reads it.

    Attributes:
        picture: uint8 `[28, 28]` in place of the drawing, or None.
        transform: what is done to the picture.
        centred: whether a changed picture goes through MNIST's preparation again, as a drawing
            always does.
        model: reads; None reads nothing.
    """

    def __init__(self, model: nn.Module | None = None, size: float = 280) -> None:
        super().__init__(size)
        self.model = model
        self.picture: Pixels | None = None
        self.transform = ImageTransform()
        self.centred = False

    def add_stroke(self, points: ArrayLike, width: float, erase: bool = False) -> None:
        """Draw or erase a line `[n, 2]`; on top of a picture a new drawing begins.

        Raises:
            ValueError: for points or a width that are none; everything stays as it was then.
        """
        if self.picture is not None:
            Sketch(self.size).add_stroke(points, width, erase)  # raises before anything is changed
            self.clear()
        super().add_stroke(points, width, erase)

    def pick(self, picture: ArrayLike) -> None:
        """Lay a picture, uint8 `[28, 28]`, on the pad; the drawing beneath is kept.

        Raises:
            ValueError: for another type or shape.
        """
        self._put(check_image(picture).copy())

    def modify(self, transform: ImageTransform) -> bool:
        """Change what is on the pad, a drawing as the picture it makes; False if there is
        nothing."""
        if self.picture is None:
            if (image := self.image()) is None:
                return False
            self.pick(image)
        self.transform = transform
        return True

    def undo(self) -> bool:
        """Take a picture off the pad, else take back the last stroke; False if there is nothing to
        take back."""
        if self.picture is not None:
            self._put(None)
            return True
        return super().undo()

    def redo(self) -> bool:
        """Bring back the stroke that was taken back last; False if there is none or a picture is in
        the way."""
        return self.picture is None and super().redo()

    def clear(self) -> None:
        """Leave the pad empty; `undo` brings the drawing back."""
        self._put(None)
        super().clear()

    def image(
        self, unfinished: Sequence[tuple[float, float]] = (), width: float = 1
    ) -> Pixels | None:
        """What the network sees, uint8 `[28, 28]`; None if the pad is empty.

        Args:
            unfinished: points of a stroke of ink that is still being drawn, of the given width.
        """
        try:
            if self.picture is not None:
                changed = self.transform.apply(self.picture)
                return prepare(changed) if self.centred else changed if changed.any() else None
            sketch = self.copy()
            if unfinished:
                sketch.add_stroke(unfinished, width)
            return sketch.to_mnist()
        except EmptySketchError:
            return None

    def _put(self, picture: Pixels | None) -> None:
        self.picture, self.transform = picture, ImageTransform()
