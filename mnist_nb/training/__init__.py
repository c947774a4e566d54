"""Training: its settings, its loop, and what a step is made of."""

from mnist_nb.training.hyperparameters import Hyperparameters
from mnist_nb.training.plain import train_plainly
from mnist_nb.training.run import EpochRecord, TrainingDivergedError, TrainingRun, train
