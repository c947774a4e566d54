"""The diagnostics of a network in training, for networks whose values are known."""

import copy

import pytest
import torch
from networks import ConvDropout, OneLayer, same_weights

from mnist_nb import Hyperparameters, TrainingRun, build_model
from mnist_nb.labs.diagnostics import (
    HEALTHY_RATIO,
    copy_weights,
    dead_units,
    diagnose,
    update_ratios,
)


@pytest.fixture(params=["mlp", "cnn"])
def model(request):
    return build_model(request.param, seed=0)


def test_a_step_of_a_known_length_has_a_known_ratio(model):
    before = copy_weights(model)
    with torch.no_grad():
        model.linear1.weight.mul_(1.001)
        model.linear2.weight.neg_()
        model.linear2.bias.add_(5)  # biases do not count
    ratios = update_ratios(before, model)
    assert list(ratios) == [
        name
        for name, part in model.named_modules()
        if hasattr(part, "weight") and part.weight.ndim > 1
    ]
    assert ratios.pop("linear1") == pytest.approx(1e-3, rel=1e-3)
    assert ratios.pop("linear2") == pytest.approx(2)
    assert set(ratios.values()) == {0.0}


def test_a_unit_that_never_fires_is_dead(model, tiny):
    images = tiny.validation.images
    norm = getattr(model, "norm2", None)
    with torch.no_grad():
        model.linear1.weight.zero_()
        model.linear1.bias.fill_(-1)
        model.linear1.bias[:16] = 1
        if norm is not None:
            norm.bias.fill_(-100)
            norm.bias[0] = 100
    dead = dead_units(model, images)
    assert dead["linear1"] == 1 - 16 / len(model.linear1.bias)
    if norm is not None:
        assert dead["conv2"] == 1 - 1 / 32


def test_a_unit_that_fires_for_the_last_image_alone_is_alive(tiny):
    model = build_model("mlp", seed=0)
    images = torch.zeros(250, 28, 28, dtype=torch.uint8)
    images[-1, 14, 14] = 255
    with torch.no_grad():
        model.linear1.weight.zero_()
        model.linear1.bias.fill_(-0.5)
        model.linear1.weight[3, 14 * 28 + 14] = 1
    assert dead_units(model, images)["linear1"] == 1 - 1 / 128


def test_the_first_layer_is_shown_as_it_is(model, tiny):
    found = diagnose(model, tiny.validation.images)
    first = (
        model.linear1.weight.view(128, 28, 28) if model.name == "mlp" else model.conv1.weight[:, 0]
    )
    assert torch.equal(found.filters, first)
    assert found.update_ratios == {}


def test_diagnosing_changes_nothing(model, tiny):
    model.train()
    before = copy.deepcopy(model)
    diagnose(model, tiny.validation.images)
    assert same_weights(model, before)
    assert model.training
    assert not any(part._forward_hooks for part in model.modules())


def after(steps, rate, data):
    """Return the update ratios of a run's last step, and its dead units."""
    run = TrainingRun(
        build_model("mlp", seed=0), data, Hyperparameters(learning_rate=rate), device="cpu"
    )
    for _ in range(steps):
        before = copy_weights(run.model)
        run.step()
    return update_ratios(before, run.model).values(), dead_units(
        run.model, data.validation.images[:100]
    )


def test_update_ratios_show_whether_training_goes_well(sample):
    low, high = HEALTHY_RATIO
    ratios, dead = after(60, 0.01, sample)
    assert all(low < ratio < high for ratio in ratios)
    assert max(dead.values()) < 0.2
    assert all(ratio < low for ratio in after(20, 1e-5, sample)[0])
    ratios, dead = after(60, 0.6, sample)
    assert all(ratio > high for ratio in ratios)
    assert min(dead.values()) > 0.8


def test_a_network_without_hidden_layers_has_no_dead_units(tiny):
    found = diagnose(OneLayer(), tiny.validation.images)
    assert found.filters.shape == (10, 28, 28)
    assert found.dead == {}


def test_any_network_is_diagnosed_by_its_layers(tiny):
    network = ConvDropout()
    with torch.no_grad():
        network.norm_b.bias.fill_(-100)
        network.norm_b.bias[2] = 100
    found = diagnose(network, tiny.validation.images)
    assert found.filters.shape == (5, 5, 4)
    assert list(found.dead) == ["conv_a", "conv_b", "hidden_a", "hidden_b"]
    assert found.dead["conv_b"] == pytest.approx(6 / 7)
    assert list(copy_weights(network)) == ["conv_a", "conv_b", "hidden_a", "hidden_b", "output"]
