"""How good a model is, how sure one can be of that, and how far it can be trusted."""

from mnist_nb.evaluation.metrics import Evaluation, evaluate, score_table, wilson_interval
