"""The networks: what they are made of, where they run, and the ones that ship with the package."""

from mnist_nb.models.networks import (
    MODELS, Cnn, Mlp, Network, build_model, loss_and_accuracy, predict, reading_parameters, to_input
)  # fmt: skip
from mnist_nb.models.runtime import choose_device, one_thread
from mnist_nb.handwriting.refusal import digit_score, predict_and_score
