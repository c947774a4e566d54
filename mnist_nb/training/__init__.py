"""Training: the settings, the loop, and the parts of a step."""

from mnist_nb.training.hyperparameters import Hyperparameters
from mnist_nb.training.plain import train_plainly
from mnist_nb.training.run import EpochRecord, TrainingDivergedError, TrainingRun, train
