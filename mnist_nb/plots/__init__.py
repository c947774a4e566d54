"""Numbers in, matplotlib figures out: nothing is shown, printed or measured here."""

from mnist_nb.plots.data import (
    class_balance,
    digit_grid,
    image_grid,
    image_map,
    image_numbers,
    image_stats_histograms,
    mean_and_spread,
)
from mnist_nb.plots.drawing import preparation, probability_bars
from mnist_nb.plots.evaluation import accuracy_intervals, confusion_matrix, digit_scores, read_images
from mnist_nb.plots.experiments import (
    bits_curve,
    initialisation_curves,
    memorization_curves,
    training_set_curve,
    votes_curve,
    width_curve,
)
from mnist_nb.plots.inside import (
    digit_maps,
    layer_by_layer,
    pruning_curves,
    saliency_maps,
    score_histograms,
    signed_images,
    sum_written_out,
    units_by_digit,
)
from mnist_nb.plots.style import COLOURS, CROSS, DASHES, MARKERS, TICK, NotebookFigure
from mnist_nb.plots.training import Trained, smooth, sweep_curve, training_curves
from mnist_nb.plots.trust import corrupted_images, coverage_curves, reliability_diagram, robustness_curves

__all__ = [
    "COLOURS",
    "CROSS",
    "DASHES",
    "MARKERS",
    "TICK",
    "NotebookFigure",
    "Trained",
    "accuracy_intervals",
    "bits_curve",
    "class_balance",
    "confusion_matrix",
    "corrupted_images",
    "coverage_curves",
    "digit_grid",
    "digit_maps",
    "digit_scores",
    "image_grid",
    "image_map",
    "image_numbers",
    "image_stats_histograms",
    "initialisation_curves",
    "layer_by_layer",
    "mean_and_spread",
    "memorization_curves",
    "preparation",
    "probability_bars",
    "pruning_curves",
    "read_images",
    "reliability_diagram",
    "robustness_curves",
    "saliency_maps",
    "score_histograms",
    "signed_images",
    "smooth",
    "sum_written_out",
    "sweep_curve",
    "training_curves",
    "training_set_curve",
    "units_by_digit",
    "votes_curve",
    "width_curve",
]
