"""The networks, and how to run them."""

from mnist_nb.models.networks import MODELS, AuxiliaryHead, Cnn, Mlp, Network, build_model
from mnist_nb.models.networks import layer_parameters
from mnist_nb.models.prediction import loss_and_accuracy, predict, run_in_batches, to_input
from mnist_nb.models.runtime import choose_device, one_thread
