"""MNIST: download, verification and splits of its images and labels."""

from mnist_nb.data.mnist import CLASSES, SIDE, DataError, Mnist, SampleWarning, Split, cache_folder
from mnist_nb.data.mnist import load_mnist, load_sample, parse_idx
