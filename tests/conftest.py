"""Fixtures of all tests: the data, and a temporary working folder."""

import os
import signal
import warnings
from pathlib import Path

import pytest
import torch

from mnist_nb import DrawingPad
from mnist_nb.data import Mnist, SampleWarning, load_mnist, load_sample

# A shell ignores SIGINT for background processes, and the tests' processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The tests' networks are small: more threads would only wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """The full MNIST if it is in the cache, otherwise the sample. Nothing is downloaded."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        if os.environ.get("MNIST_NB_SOURCE") != "sample":
            patch.setenv("MNIST_NB_SOURCE", "cache")
        warnings.simplefilter("ignore", SampleWarning)
        return load_mnist()


@pytest.fixture(scope="session")
def full_mnist(mnist: Mnist) -> Mnist:
    """The full MNIST; the test is skipped if it is not in the cache."""
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
    """An empty working folder, so that no test writes next to your own networks."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A path for saving a network."""
    return tmp_path / "model.safetensors"


@pytest.fixture
def pad(workplace: Path, tiny: Mnist) -> DrawingPad:
    """A drawing pad in an empty folder."""
    return DrawingPad(tiny)


@pytest.fixture
def filled_pad(pad: DrawingPad, sample: Mnist) -> DrawingPad:
    """The same pad with three saved drawings of each digit."""
    for digit in range(10):
        for index in (sample.test.labels == digit).nonzero().flatten()[:3].tolist():
            pad.digits.add(sample.test.images[index], digit)
    return pad
