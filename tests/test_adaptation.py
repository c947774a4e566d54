"""`adapt` teaches a model a person's handwriting, limits forgetting, and reports both honestly."""

import copy
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from networks import same_weights
from torch import nn

from mnist_nb.data import Mnist, Split
from mnist_nb.evaluation import evaluate
from mnist_nb.handwriting.adaptation import SHARES, ForgettingWarning, adapt, compare_before_after
from mnist_nb.handwriting.my_digits import MyDigits
from mnist_nb.models import Network, build_model, predict
from mnist_nb.training import Hyperparameters, train


def mirrored(split: Split, first: int, count: int) -> Split:
    """Return digits in the handwriting of a person who mirrors them."""
    return Split(
        split.images[first : first + count].flip(2), split.labels[first : first + count], "mirrored"
    )


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def model(request: pytest.FixtureRequest, sample: Mnist) -> nn.Module:
    """A network that reads most of the sample."""
    network = build_model(request.param, seed=0)
    epochs = 6 if request.param == "mlp" else 1
    settings = Hyperparameters(
        epochs=epochs, optimizer="adamw", learning_rate=0.003, schedule="one-cycle"
    )
    for _ in train(network, sample, settings, device="cpu"):
        pass
    return network.eval()


@pytest.fixture(scope="module")
def hand(sample: Mnist) -> tuple[Split, Split]:
    """Digits to teach, and others in the same handwriting."""
    return mirrored(sample.test, 0, 60), mirrored(sample.test, 60, 300)


def test_it_learns_a_handwriting_and_remembers_mnist(
    model: nn.Module, hand: tuple[Split, Split], sample: Mnist
) -> None:
    taught = adapt(model, hand[0], sample, max_forgetting=0.02)
    report = compare_before_after(model, taught, hand[1], sample.test)
    assert report.digits_before is not None
    assert report.digits_after is not None
    assert report.digits_after.accuracy > report.digits_before.accuracy + 0.05
    assert (
        evaluate(taught, sample.validation).accuracy
        >= evaluate(model, sample.validation).accuracy - 0.02
    )
    assert not taught.training


def test_the_model_given_is_left_as_it_was(
    model: nn.Module, hand: tuple[Split, Split], sample: Mnist
) -> None:
    given, state = copy.deepcopy(model).train(), torch.random.get_rng_state()
    taught = adapt(given, hand[0], sample, steps=3, max_forgetting=1)
    assert same_weights(given, model)
    assert given.training
    assert all(parameter.grad is None for parameter in given.parameters())
    assert not same_weights(taught, model)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_same_seed_gives_the_same_model(
    model: nn.Module, hand: tuple[Split, Split], tiny: Mnist
) -> None:
    first, again, other = (
        adapt(model, hand[0], tiny, steps=4, max_forgetting=1, seed=seed) for seed in (5, 5, 6)
    )
    assert same_weights(first, again)
    assert not same_weights(first, other)


def test_forgetting_too_much_gives_the_old_weights_and_a_warning(
    model: nn.Module, hand: tuple[Split, Split], sample: Mnist
) -> None:
    with pytest.warns(
        ForgettingWarning, match=r"old weights were kept.*MNIST from \d+\.\d+% to \d+\.\d+%.*0\.50%"
    ):
        taught = adapt(model, hand[0], sample, steps=10, learning_rate=10)
    assert taught is not model
    assert same_weights(taught, model)


def test_a_model_whose_answers_are_no_numbers_is_not_taught(tiny: Mnist) -> None:
    """This holds even if unlimited forgetting is allowed."""
    mlp = build_model("mlp", seed=0)
    for weight in mlp.parameters():
        nn.init.constant_(weight, 1e20)  # the weights are finite, but a layer's sums are not
    with pytest.warns(ForgettingWarning, match="old weights were kept"):
        taught = adapt(mlp, tiny.test.take(30), tiny, steps=2, max_forgetting=1)
    assert same_weights(taught, mlp)


@pytest.mark.slow
def test_weights_move_only_as_far_as_forgetting_allows(
    model: nn.Module, hand: tuple[Split, Split], sample: Mnist
) -> None:
    """The weights move as far towards the taught ones as the limit on forgetting allows."""
    wrong = Split(hand[0].images, (hand[0].labels + 1) % 10)  # a lesson that costs a lot
    old = model.state_dict()
    whole = adapt(model, wrong, sample, learning_rate=0.003, max_forgetting=1).state_dict()
    was_right, falls, errors, parts = evaluate(model, sample.validation).is_correct, [], [], []
    for share in SHARES:
        part = copy.deepcopy(model)
        part.load_state_dict(
            {name: torch.lerp(old[name].double(), whole[name].double(), share) for name in old}
        )
        is_right = evaluate(part, sample.validation).is_correct
        falls.append(float((was_right.double() - is_right.double()).mean()))
        errors.append(float((was_right != is_right).sum().sqrt() / len(was_right)))
        parts.append(part)
    allowed = falls[len(SHARES) // 2] + 0.01
    kept = [
        fall + min(2 * error, allowed / 2) <= allowed
        for fall, error in zip(falls, errors, strict=True)
    ]
    best = kept.index(True)
    assert best > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = adapt(model, wrong, sample, learning_rate=0.003, max_forgetting=allowed)
    torch.testing.assert_close(found.state_dict(), parts[best].state_dict())


def test_a_small_validation_set_does_not_forbid_everything(sample: Mnist) -> None:
    """With the sample, an ordinary lesson gives no warning either."""
    mlp = build_model("mlp", seed=0)
    for _ in train(mlp, sample, Hyperparameters(epochs=3, optimizer="adamw"), device="cpu"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        taught = adapt(mlp, mirrored(sample.test, 0, 30), sample)
    assert not same_weights(taught, mlp)


class OneLayer(Network):
    def __init__(self) -> None:
        super().__init__(flatten=nn.Flatten(), linear1=nn.Linear(784, 10))


class WithDropout(Network):
    def __init__(self) -> None:
        super().__init__(
            conv=nn.Conv2d(1, 4, 5),
            norm=nn.BatchNorm2d(4),
            relu=nn.ReLU(),
            pool=nn.MaxPool2d(4),
            flatten=nn.Flatten(),
            dropout1=nn.Dropout(0.2),
            linear1=nn.Linear(144, 16),
            relu2=nn.ReLU(),
            dropout2=nn.Dropout(0.5),
            linear2=nn.Linear(16, 10),
        )


@pytest.mark.parametrize("kind", [OneLayer, WithDropout])
def test_any_network_learns_from_its_first_linear_layer_on(
    kind: type[Network], hand: tuple[Split, Split], tiny: Mnist
) -> None:
    torch.manual_seed(0)
    network = kind()
    first, again = (adapt(network, hand[0], tiny, steps=30, max_forgetting=1) for _ in range(2))
    assert same_weights(first, again)
    assert evaluate(first, hand[0]).n_correct > evaluate(network, hand[0]).n_correct
    learned = [
        name
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, first.state_dict()[name])
    ]
    linear_layers = [name for name in network.state_dict() if name.startswith("linear")]
    assert learned == linear_layers


def test_convolutions_stay_as_they_were(hand: tuple[Split, Split], tiny: Mnist) -> None:
    """So do the means and variances of their normalization; teaching then takes a second."""
    cnn = build_model("cnn", seed=1)
    taught = adapt(cnn, hand[0], tiny, steps=2, max_forgetting=1).state_dict()
    changed = {
        name for name, tensor in cnn.state_dict().items() if not torch.equal(tensor, taught[name])
    }
    assert changed == {"linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"}


@pytest.mark.slow
def test_the_first_lesson_does_not_wait_for_a_compiler(workplace: Path) -> None:
    """PyTorch's optimizers import one, which takes seconds."""
    lesson = """
import sys
from mnist_nb.handwriting.adaptation import adapt
from mnist_nb.data import load_sample
from mnist_nb.models import build_model
data = load_sample()
adapt(build_model("mlp", seed=0), data.test.take(5), data, steps=1, max_forgetting=1)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", lesson], timeout=300).returncode == 0


def test_the_number_of_threads_is_left_as_it_was(hand: tuple[Split, Split], tiny: Mnist) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        adapt(build_model("mlp", seed=0), hand[0], tiny, steps=1, max_forgetting=1)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_digits_may_be_a_store_or_arrays(
    workplace: Path, hand: tuple[Split, Split], tiny: Mnist
) -> None:
    mlp, store = build_model("mlp", seed=0), MyDigits()
    for image, label in zip(hand[0].images[:12], hand[0].labels[:12], strict=True):
        store.add(image, int(label))
    arrays = SimpleNamespace(
        images=store.images.numpy(), labels=store.labels.numpy().astype(np.uint8)
    )
    given: tuple[Any, ...] = (store, arrays, hand[0].take(12))
    first, *others = (adapt(mlp, digits, tiny, steps=3, max_forgetting=1) for digits in given)
    assert all(same_weights(first, other) for other in others)


def test_more_digits_than_a_batch_holds(tiny: Mnist) -> None:
    adapt(build_model("mlp", seed=0), tiny.train.take(500), tiny, steps=3, max_forgetting=1)


def test_every_step_is_reported_and_can_stop_teaching(
    hand: tuple[Split, Split], tiny: Mnist
) -> None:
    mlp, steps = build_model("mlp", seed=0), []

    def listen(step: int, loss: float) -> None:
        steps.append(step)
        assert 0 < loss < 10
        if step == 4:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        adapt(mlp, hand[0], tiny, on_step=listen)
    assert steps == [1, 2, 3, 4]
    assert same_weights(mlp, build_model("mlp", seed=0))


def test_the_report_counts_correct_readings(tiny: Mnist) -> None:
    before, after = build_model("mlp", seed=0), build_model("mlp", seed=1)
    report = compare_before_after(before, after, tiny.train, tiny.test)
    right = int((predict(after, tiny.train.images).argmax(1) == tiny.train.labels).sum())
    assert report.digits_after is not None
    assert report.digits_after.n_correct == right
    lines = str(report).splitlines()
    assert f"({right} of 620; " in lines[1]
    assert f"{report.mnist_before.accuracy:.1%} (" in lines[2]

    none = compare_before_after(before, after, tiny.train.take(0), tiny.test)
    assert none.digits_before is none.digits_after is None
    assert "none kept apart yet" in str(none)
