"""Panels that look inside a network."""

from mnist_nb.widgets.explorers.panels import LayerExplorer, PixelEditor, PruningExplorer
