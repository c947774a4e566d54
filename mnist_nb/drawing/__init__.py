"""From strokes or a picture to an image such as MNIST's."""

from mnist_nb.drawing.pictures import find_ink, from_image, picture_steps
from mnist_nb.drawing.preprocessing import EmptySketchError, preparation_steps, prepare
from mnist_nb.drawing.sketch import Sketch, Stroke
