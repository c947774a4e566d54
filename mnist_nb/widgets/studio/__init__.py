"""The training studio."""

from mnist_nb.widgets.studio.panel import TrainingStudio
