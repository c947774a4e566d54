"""MNIST: its images and labels, where they come from, and proof that they are the real ones."""

from mnist_nb.data.mnist import CLASSES, SIDE, DataError, Mnist, SampleWarning, Split, cache_folder
from mnist_nb.data.mnist import load_mnist, load_sample, parse_idx
