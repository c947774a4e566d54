"""The content of a sheet of paper, strokes or a picture, which panels observe."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from traitlets import HasTraits, Instance

from mnist_nb.handwriting.preprocessing import EmptySketchError, Pixels, check_image, prepare
from mnist_nb.handwriting.sketch import Sketch, Stroke, as_points
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.pad.image_transform import ImageTransform


@dataclass(frozen=True, eq=False)
class Content:
    """The visible content of the paper: the picture if there is one, otherwise the strokes."""

    strokes: tuple[Stroke, ...] = ()
    picture: Pixels | None = None  # [28, 28]


class Drawing(HasTraits):
    """A drawing with undo, or a picture on top of it that can be changed.

    Args:
        width, height: the size of the paper in pixels, the unit of points; by default it is square.

    Attributes:
        content: the visible content, replaced after each change; observe it.
        unfinished: the stroke that is being drawn.
    """

    content = Instance(Content, ())
    unfinished = Instance(Stroke, allow_none=True)

    def __init__(self, width: float, height: float | None = None) -> None:
        super().__init__()
        self.size = (width, height or width)
        self._sketch = Sketch(width)
        self._picture: Pixels | None = None
        self._transform = ImageTransform()
        self._is_centred = False

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """The strokes on the paper, oldest first. A picture hides them."""
        return self.content.strokes

    @property
    def sketch(self) -> Sketch:
        """A copy of the drawing without a picture."""
        return self._sketch.copy()

    @property
    def transform(self) -> ImageTransform:
        """The current change of the picture."""
        return self._transform

    def image(self) -> Pixels | None:
        """Return the input of a network, uint8 `[28, 28]`; None if there is no ink.

        It includes the stroke that is being drawn.
        """
        with LOCK:
            picture = self.content.picture
            try:
                if picture is None:
                    return self._sketch_so_far().to_mnist()
                if self._is_centred:
                    return prepare(picture)
            except EmptySketchError:
                return None
            return picture if picture.any() else None

    # ---- strokes

    def add_stroke(self, points: ArrayLike, width: float, erase: bool = False) -> None:
        """Draw or erase along points `[n, 2]`. If there is a picture, start a new drawing.

        Raises:
            ValueError: if points or width are invalid. Nothing is changed then.
        """
        with self._changing():
            self._draw(Stroke(as_points(points), width, erase))

    def add_strokes(self, strokes: Sequence[ArrayLike], width: float) -> None:
        """Draw several strokes, clipped to the paper.

        Raises:
            ValueError: if points or width are invalid. Earlier strokes are drawn.
        """
        with self._changing():
            for points in strokes:
                self._draw(Stroke(np.clip(as_points(points), 0, self.size), width))

    def copy_from(self, sketch: Sketch) -> None:
        """Replace the content of the paper by a drawing, scaled to fit and centred."""
        scale = min(self.size) / sketch.size
        corner = (np.array(self.size) - min(self.size)) / 2  # (x, y)
        with self._changing():
            self._remove_all()
            for stroke in sketch.strokes:
                points = stroke.points * scale + corner
                self._draw(Stroke(as_points(points), stroke.width * scale, stroke.erase))

    def undo(self) -> bool:
        """Remove the picture or the last stroke; return False if there is neither."""
        with self._changing():
            if self._picture is None:
                return self._sketch.undo()
            self._lay(None)
            return True

    def redo(self) -> bool:
        """Restore the stroke undone last; return False if there is none or a picture hides it."""
        with self._changing():
            return self._picture is None and self._sketch.redo()

    def clear(self) -> None:
        """Remove everything. `undo` restores the drawing."""
        with self._changing():
            self._remove_all()

    # ---- a picture

    def pick(self, picture: ArrayLike) -> None:
        """Show a picture, uint8 `[28, 28]`, on top of the drawing, which is kept.

        Raises:
            ValueError: if type or shape is wrong.
        """
        with self._changing():
            self._lay(check_image(picture).copy())

    def modify(self, transform: ImageTransform) -> None:
        """Change the picture. A drawing is first replaced by its prepared image.

        Raises:
            EmptySketchError: if the paper is empty.
        """
        with self._changing():
            if self._picture is None:
                image = self.image()
                if image is None:
                    raise EmptySketchError(
                        "The pad is empty: draw a digit or pick a picture first."
                    )
                self._lay(image)
            self._transform = transform

    def reset_transform(self) -> None:
        """Restore the picture as it was picked."""
        with self._changing():
            self._transform = ImageTransform()

    def set_centred(self, is_centred: bool) -> None:
        """Choose whether a changed picture is prepared again, like a drawing."""
        with self._changing():
            self._is_centred = is_centred

    # ---- inside

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Publish the content after a change, even if the change failed halfway."""
        with LOCK:
            try:
                yield
            finally:
                self.unfinished = None
                picture = self._picture
                if picture is not None:
                    picture = self._transform.apply(picture)
                self.content = Content(self._sketch.strokes, picture)

    def _draw(self, stroke: Stroke) -> None:
        sketch = self._sketch.copy()
        if self._picture is not None:
            sketch.clear()
        sketch.add_stroke(stroke.points, stroke.width, stroke.erase)  # raises if it is invalid
        self._sketch = sketch
        self._lay(None)

    def _lay(self, picture: Pixels | None) -> None:
        self._picture = picture
        self._transform = ImageTransform()

    def _remove_all(self) -> None:
        self._lay(None)
        self._sketch.clear()

    def _sketch_so_far(self) -> Sketch:
        sketch = self._sketch.copy()
        stroke = self.unfinished
        if stroke is not None:
            sketch.add_stroke(stroke.points, stroke.width, stroke.erase)
        return sketch
