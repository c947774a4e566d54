"""The gradient written out by hand is autograd's."""

import pytest
import torch

from mnist_nb import build_model
from mnist_nb.backpropagation import by_autograd, fill_gradients, written_out


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_written_out_gradient_equals_autograds(batch):
    generator = torch.Generator().manual_seed(batch)
    images = torch.rand(batch, 28, 28, generator=generator)
    labels = torch.randint(0, 10, (batch,), generator=generator)
    by_hand, automatic = build_model("mlp", seed=3), build_model("mlp", seed=3)

    loss, expected_loss = written_out(by_hand, images, labels), by_autograd(automatic, images, labels)

    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for (name, mine), theirs in zip(by_hand.named_parameters(), automatic.parameters(), strict=True):
        assert theirs.grad.abs().max() > 0, name
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-6, rtol=1e-4)


def test_a_second_batch_replaces_the_gradient_and_does_not_add_to_it():
    model = build_model("mlp", seed=3)
    first, second = torch.rand(2, 5, 28, 28)
    labels = torch.arange(5)
    fill_gradients(model, second, labels)
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    fill_gradients(model, first, labels)
    fill_gradients(model, second, labels)
    assert all(torch.equal(p.grad, e) for p, e in zip(model.parameters(), expected, strict=True))


def test_the_cnn_goes_through_autograd():
    model = build_model("cnn", seed=0)
    loss = fill_gradients(model, torch.rand(4, 28, 28), torch.arange(4))
    assert loss > 0
    assert all(parameter.grad is not None for parameter in model.parameters())
