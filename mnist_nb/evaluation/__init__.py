"""How good a model is, and how sure one can be of that."""

from mnist_nb.evaluation.metrics import Evaluation, evaluate, wilson_interval
