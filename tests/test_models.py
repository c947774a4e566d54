"""The networks: shapes, seeds, and arguments."""

import numpy as np
import pytest
import torch
from torch import nn

from mnist_nb import build_model, predict
from mnist_nb.models import Network, loss_and_accuracy, to_input


def test_the_mlp_has_the_six_tensors_of_the_rust_program():
    shapes = {name: list(tensor.shape) for name, tensor in build_model("mlp").state_dict().items()}
    assert shapes == {
        "linear1.weight": [128, 784],
        "linear1.bias": [128],
        "linear2.weight": [64, 128],
        "linear2.bias": [64],
        "linear3.weight": [10, 64],
        "linear3.bias": [10],
    }


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_seed_leaves_pytorchs_generator_alone(name):
    before = torch.get_rng_state()
    first, second, other = (build_model(name, seed=seed).state_dict() for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["linear1.weight"], other["linear1.weight"])


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_predict_gives_probabilities_for_any_batch_size(name):
    model = build_model(name, seed=0)
    images = torch.randint(0, 256, (7, 28, 28), dtype=torch.uint8)
    probabilities = predict(model, images)
    assert probabilities.shape == (7, 10)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(1), torch.ones(7))
    torch.testing.assert_close(predict(model, images.numpy(), batch_size=2), probabilities)


def test_predict_asks_in_evaluation_mode_and_restores_the_mode():
    model = build_model("cnn", seed=0).train()
    images = torch.randint(0, 256, (8, 28, 28), dtype=torch.uint8)
    torch.testing.assert_close(
        predict(model, images)[:1], predict(model, images[:1])
    )  # batch norm would mix them
    assert model.training


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(28, 28, dtype=torch.uint8),
        torch.zeros(1, 28, 28),
        np.zeros((1, 27, 28), dtype=np.uint8),
    ],
    ids=["one image without its axis", "floats", "another size"],
)
def test_predict_rejects_images_of_wrong_type_or_shape(images):
    with pytest.raises(ValueError, match=r"images must be uint8 \[N, 28, 28\]"):
        predict(build_model("mlp"), images)


def test_inputs_are_scaled_to_0_1():
    inputs = to_input(torch.tensor([0, 51, 255] + [0] * 781, dtype=torch.uint8).reshape(1, 28, 28))
    torch.testing.assert_close(inputs.flatten()[:3], torch.tensor([0.0, 0.2, 1.0]))


def test_loss_and_accuracy_agree_with_pytorchs(sample):
    model, images, labels = (
        build_model("mlp", seed=2),
        sample.test.images[:300],
        sample.test.labels[:300],
    )
    loss, accuracy = loss_and_accuracy(model, images, labels)
    logits = model(to_input(images))
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), abs=1e-5)
    assert accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


RELU = nn.ReLU()


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ({"flat": nn.Flatten(), "head": nn.Linear(784, 10)}, "head has the name of an attribute"),
        (
            {"flat": nn.Flatten(), "a": RELU, "b": RELU, "c": nn.Linear(784, 10)},
            "b is also another layer",
        ),
        ({"conv": nn.Conv2d(1, 10, 28), "flat": nn.Flatten()}, r"got \['conv', 'flat'\]"),
        ({}, r"must be nn.Linear, got \[\]"),
    ],
    ids=["a name in use", "one object twice", "no logits of a linear layer", "no layers"],
)
def test_layers_that_cannot_work_are_refused(layers, reason):
    with pytest.raises(ValueError, match=reason):
        Network(**layers)
