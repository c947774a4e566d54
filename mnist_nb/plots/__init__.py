"""Functions that take numbers and return matplotlib figures. They show and print nothing."""

from mnist_nb.plots.data import digit_grid, image_grid, image_map, image_numbers, mean_and_spread
from mnist_nb.plots.handwriting import number, picture, prediction_bars, preparation
from mnist_nb.plots.evaluation import accuracy_intervals, confusion_matrix, read_images
from mnist_nb.plots.experiments import (
    bits_curve,
    initialisation_curves,
    memorization_curves,
    width_curve,
)
from mnist_nb.plots.network import digit_maps, layer_by_layer, saliency_maps
from mnist_nb.plots.network import score_histograms, signed_images, sum_written_out, units_by_digit
from mnist_nb.plots.style import COLOURS, SIGNED, TICK, new_figure, show_image
from mnist_nb.plots.training import smooth, training_curves
from mnist_nb.plots.trust import (
    corrupted_images,
    reliability_diagram,
    robustness_curves,
    roc_curves,
)
