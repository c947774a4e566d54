"""What all tests share: the data, and a working folder of their own."""

import os
import signal
import warnings
from pathlib import Path

import pytest
import torch

from mnist_nb import DrawingPad
from mnist_nb.data import Mnist, SampleWarning, load_mnist, load_sample

# A shell ignores SIGINT for what it starts in the background, and so would the tests' processes.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The tests' networks are small: on a busy machine more threads wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """The full MNIST where the cache holds it, the sample elsewhere; never the network."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        if os.environ.get("MNIST_NB_SOURCE") != "sample":
            patch.setenv("MNIST_NB_SOURCE", "cache")
        warnings.simplefilter("ignore", SampleWarning)
        return load_mnist()


@pytest.fixture(scope="session")
def full_mnist(mnist: Mnist) -> Mnist:
    """The full MNIST; the test is skipped where only the sample is at hand."""
    if mnist.is_sample:
        pytest.skip("the full MNIST is not in the cache")
    return mnist


@pytest.fixture(scope="session")
def sample() -> Mnist:
    """The 6,000 images that ship in the package."""
    return load_sample()


@pytest.fixture(scope="session")
def tiny(sample: Mnist) -> Mnist:
    """A few hundred images of the sample: an epoch takes a few milliseconds."""
    return Mnist(
        sample.train.take(620), sample.validation.take(100), sample.test.take(200), "sample"
    )


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is also the current one, so that no test writes beside the reader's own
    models."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a model may be saved."""
    return tmp_path / "model.safetensors"


@pytest.fixture
def pad(workplace: Path, tiny: Mnist) -> DrawingPad:
    """A drawing pad in a folder of its own."""
    return DrawingPad(tiny)


@pytest.fixture
def filled_pad(pad: DrawingPad, sample: Mnist) -> DrawingPad:
    """The same, whose reader has kept three of each digit."""
    for digit in range(10):
        for index in (sample.test.labels == digit).nonzero().flatten()[:3].tolist():
            pad.digits.add(sample.test.images[index], digit)
    return pad
