"""Numbers in, matplotlib figures out: nothing is shown, printed or measured here."""

from mnist_nb.plots.data import (
    class_balance,
    digit_grid,
    image_grid,
    image_map,
    image_numbers,
    making_histograms,
    mean_and_spread,
)
from mnist_nb.plots.drawing import preparation, probability_bars
from mnist_nb.plots.evaluation import accuracy_intervals, confusion_matrix, digit_scores, read_images
from mnist_nb.plots.experiments import (
    bits_curve,
    by_heart_curves,
    initialisation_curves,
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
from mnist_nb.plots.trust import changed_images, coverage_curves, reliability_diagram, robustness_curves

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
    "by_heart_curves",
    "changed_images",
    "class_balance",
    "confusion_matrix",
    "coverage_curves",
    "digit_grid",
    "digit_maps",
    "digit_scores",
    "image_grid",
    "image_map",
    "image_numbers",
    "initialisation_curves",
    "layer_by_layer",
    "making_histograms",
    "mean_and_spread",
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
