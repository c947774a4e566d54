"""Metrics of a network, with confidence intervals."""

from mnist_nb.evaluation.metrics import Evaluation, evaluate, wilson_interval
