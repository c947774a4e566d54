"""The optimizers match PyTorch's, and resume exactly."""

import pytest
import torch
from networks import same_weights
from torch.nn import functional

from mnist_nb import build_model
from mnist_nb.training.gradients import choose_gradient_fn
from mnist_nb.training.optimizers import Adam, Sgd

CPU = torch.device("cpu")
PAIRS = {
    "sgd": (lambda p: Sgd(p), lambda p: torch.optim.SGD(p, lr=0.1)),
    "sgd with momentum": (
        lambda p: Sgd(p, 0.9),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    ),
    "adam": (lambda p: Adam(p), lambda p: torch.optim.Adam(p, lr=0.003)),
    "adamw": (lambda p: Adam(p, decay=0.01), lambda p: torch.optim.AdamW(p, lr=0.003)),
}


def batches(count, size=16):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        yield (
            torch.rand(size, 28, 28, generator=generator),
            torch.randint(0, 10, (size,), generator=generator),
        )


def take(model, optimizer, rate, images, labels):
    keep = optimizer.prepare()
    loss = choose_gradient_fn(model, CPU)(images, labels, keep)
    optimizer.step(rate)
    return loss


@pytest.mark.parametrize("network", ["mlp", "cnn"])
@pytest.mark.parametrize("kind", PAIRS)
def test_they_train_as_torch_optim_does(network, kind):
    model, twin = build_model(network, seed=1), build_model(network, seed=1)
    exact = (
        torch.float64 if network == "cnn" else torch.float32
    )  # or rounding decides which pixel is a pool's largest
    model, twin = model.to(exact), twin.to(exact)
    ours, theirs = PAIRS[kind][0](model.parameters()), PAIRS[kind][1](twin.parameters())
    for images, labels in batches(12):
        images = images.to(exact)
        loss = take(model, ours, theirs.param_groups[0]["lr"], images, labels)
        theirs.zero_grad()
        expected = functional.cross_entropy(twin(images), labels)
        expected.backward()
        theirs.step()
        assert loss == pytest.approx(expected.item(), rel=1e-3)
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=2e-4 if "adam" in kind else 2e-5, rtol=0)


@pytest.mark.parametrize("kind", PAIRS)
def test_their_buffers_have_torchs_names_and_shapes(kind):
    model, twin = build_model("mlp", seed=1), build_model("mlp", seed=1)
    ours, theirs = PAIRS[kind][0](model.parameters()), PAIRS[kind][1](twin.parameters())
    ((images, labels),) = batches(1)
    take(model, ours, 0.003, images, labels)
    functional.cross_entropy(twin(images), labels).backward()
    theirs.step()
    expected = {
        f"{index}.{name}": value
        for index, entry in theirs.state_dict()["state"].items()
        for name, value in entry.items()
        if value is not None
    }
    state = ours.state_dict()
    assert set(state) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(state[key], value, atol=1e-6, rtol=1e-4)


def test_gradients_filled_by_others_do_no_harm():
    """A notebook may compute its own gradients while a run is paused."""
    model, twin = build_model("mlp", seed=1), build_model("mlp", seed=1)
    ours, undisturbed = Sgd(model.parameters(), 0.9), Sgd(twin.parameters(), 0.9)
    for images, labels in batches(3):
        take(model, ours, 0.1, images, labels)
        take(twin, undisturbed, 0.1, images, labels)
        model.zero_grad()
        functional.cross_entropy(model(images + 1), labels).backward()
    assert same_weights(model, twin)


def test_the_state_of_another_is_refused():
    adam, sgd = Adam(build_model("mlp").parameters()), Sgd(build_model("mlp").parameters(), 0.9)
    with pytest.raises(ValueError, match=r"exp_avg.*does not fit"):
        sgd.load_state_dict(adam.state_dict())
    narrow = Sgd(build_model("mlp", hidden=(8, 8)).parameters(), 0.9)
    with pytest.raises(ValueError, match=r"momentum_buffer.*does not fit"):
        narrow.load_state_dict(sgd.state_dict())
