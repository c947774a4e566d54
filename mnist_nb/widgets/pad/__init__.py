"""The drawing pad."""

from mnist_nb.widgets.pad.panel import DrawingPad
