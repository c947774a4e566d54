"""The gradients of `ManualBackprop` equal those of autograd."""

import pytest
import torch
from networks import TiedWeights, WithoutBiases

from mnist_nb import build_model
from mnist_nb.labs.backpropagation import ManualBackprop
from mnist_nb.models import Cnn, Mlp
from mnist_nb.training.gradients import autograd_gradients, choose_gradient_fn

CPU = torch.device("cpu")


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("hidden", [(128, 64), (40, 30)])
def test_the_manual_gradient_equals_autograds(batch, hidden):
    generator = torch.Generator().manual_seed(batch)
    by_hand, automatic = (build_model("mlp", seed=3, hidden=hidden) for _ in range(2))
    fill = ManualBackprop(by_hand)
    for count in (batch, batch, 3):
        images = torch.rand(count, 28, 28, generator=generator)
        labels = torch.randint(0, 10, (count,), generator=generator)
        before = images.clone()
        loss = fill(images, labels)
        expected_loss = autograd_gradients(automatic, images, labels)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        assert torch.equal(images, before)
        pairs = zip(by_hand.named_parameters(), automatic.parameters(), strict=True)
        for (name, ours), theirs in pairs:
            assert theirs.grad.abs().max() > 0, name
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("network", [Mlp, Cnn, TiedWeights, WithoutBiases])
def test_a_second_batch_replaces_or_keeps_a_share(network):
    torch.manual_seed(3)
    model = network()
    fill = choose_gradient_fn(model, CPU)
    first, second = torch.rand(2, 5, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(5)

    def filled(images, keep):
        fill(images, labels, keep)
        return [parameter.grad.clone() for parameter in model.parameters()]

    of_second, of_first = filled(second, 0.0), filled(first, 0.0)
    both = filled(second, 0.5)
    for one, other, total in zip(of_first, of_second, both, strict=True):
        torch.testing.assert_close(total, 0.5 * one + other, atol=1e-6, rtol=1e-4)
    assert all(torch.equal(a, b) for a, b in zip(filled(second, 0.0), of_second, strict=True))


def test_the_gradients_can_be_used_with_autograd_afterwards():
    model = build_model("mlp", seed=3)
    images, labels = torch.rand(4, 28, 28), torch.arange(4)
    ManualBackprop(model)(images, labels)
    twice = [2 * parameter.grad for parameter in model.parameters()]
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    for parameter, expected in zip(model.parameters(), twice, strict=True):
        torch.testing.assert_close(parameter.grad, expected, atol=1e-6, rtol=1e-4)


def test_other_networks_and_devices_use_autograd():
    assert isinstance(choose_gradient_fn(build_model("mlp"), CPU), ManualBackprop)
    for other in (Cnn(), TiedWeights(), WithoutBiases()):
        assert not isinstance(choose_gradient_fn(other, CPU), ManualBackprop)
    assert not isinstance(
        choose_gradient_fn(build_model("mlp"), torch.device("cuda")), ManualBackprop
    )
