"""What a drawing pad knows, without any widget: the drawing or a picture, how it was changed, what is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageFilter
from torch import nn

from mnist_nb.data import SIDE, check_image
from mnist_nb.drawing.preprocessing import EmptySketchError, Pixels, prepare
from mnist_nb.drawing.sketch import Sketch

_FINE = 4  # a picture is turned and thickened this many times finer than it is


@dataclass(frozen=True)
class ImageTransform:
    """How a picture is changed: turned and scaled about its middle, thickened or thinned, then moved.

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
        if (self.turn, self.scale, self.thickness) != (0, 1, 0):
            picture = self._bend(picture)
        move = (1, 0, -self.right, 0, 1, -self.down)
        return np.array(Image.fromarray(picture).transform((SIDE, SIDE), Image.Transform.AFFINE, move))

    def _bend(self, picture: Pixels) -> Pixels:
        angle, middle = np.deg2rad(self.turn), SIDE / 2
        cos, sin = np.cos(angle) / self.scale / _FINE, np.sin(angle) / self.scale / _FINE
        start = -_FINE * middle
        place = (cos, sin, middle + (cos + sin) * start, -sin, cos, middle + (cos - sin) * start)
        fine, kind = (_FINE * SIDE, _FINE * SIDE), Image.Transform.AFFINE
        image = Image.fromarray(picture).transform(fine, kind, place, resample=Image.Resampling.BICUBIC)
        reach = round(abs(self.thickness) * _FINE / 2)
        if reach:
            rank = ImageFilter.MaxFilter if self.thickness > 0 else ImageFilter.MinFilter
            image = image.filter(rank(2 * reach + 1))
        return np.asarray(image.reduce(_FINE))


class PadState(Sketch):
    """A drawing, or a picture that lies on it, and the network that reads it.

    Attributes:
        picture: uint8 `[28, 28]` in place of the drawing, or None.
        transform: what is done to the picture.
        centred: whether a changed picture goes through MNIST's preparation again, as a drawing always does.
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
        """Change what is on the pad, a drawing as the picture it makes; False if there is nothing."""
        if self.picture is None:
            if (image := self.image()) is None:
                return False
            self.pick(image)
        self.transform = transform
        return True

    def undo(self) -> bool:
        """Take a picture off the pad, else take back the last stroke; False if there is nothing to take back."""
        if self.picture is not None:
            self._put(None)
            return True
        return super().undo()

    def redo(self) -> bool:
        """Bring back the stroke that was taken back last; False if there is none or a picture is in the way."""
        return self.picture is None and super().redo()

    def clear(self) -> None:
        """Leave the pad empty; `undo` brings the drawing back."""
        self._put(None)
        super().clear()

    def image(self, unfinished: Sequence[tuple[float, float]] = (), width: float = 1) -> Pixels | None:
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
