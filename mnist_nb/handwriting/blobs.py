"""Sizes of connected ink."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mnist_nb.handwriting.preprocessing import Integers


def blob_sizes(labels: NDArray[np.int32]) -> tuple[Integers, Integers]:
    """Return the height and the width of each label, by label; 0 for the background."""
    heights, widths = [0], [0]
    for rows, columns in ndimage.find_objects(labels):
        heights.append(rows.stop - rows.start)
        widths.append(columns.stop - columns.start)
    return np.array(heights), np.array(widths)
