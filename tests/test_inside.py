"""Measures of the inside of a network match autograd, NumPy or scikit-learn."""

import copy
import math

import numpy as np
import pytest
import torch
from networks import ConvDropout, OneLayer, WithoutBiases, same_weights
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor, nn

from mnist_nb import build_model, load_pretrained, predict
from mnist_nb.data import Mnist
from mnist_nb.labs import inside
from mnist_nb.labs.pruning import prune, pruning_curve
from mnist_nb.models import layer_parameters, loss_and_accuracy


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return load_pretrained("mlp")


class TestActivations:
    def test_are_numpys_matrix_products(self, model: nn.Module, tiny: Mnist) -> None:
        below = tiny.test.images.flatten(1).numpy() / 255.0
        for name, values in inside.activations(model, tiny.test.images).items():
            layer = model.get_submodule(name)
            below = (
                below @ layer.weight.detach().double().numpy().T
                + layer.bias.detach().double().numpy()
            )
            below = below if name == "linear3" else np.maximum(below, 0)
            np.testing.assert_allclose(values, below, atol=1e-4)

    def test_end_in_the_probabilities_of_predict(self, model: nn.Module, tiny: Mnist) -> None:
        logits = inside.activations(model, tiny.test.images.numpy())["linear3"]
        torch.testing.assert_close(logits.softmax(1), predict(model, tiny.test.images))

    def test_of_one_layer_are_its_logits(self, tiny: Mnist) -> None:
        network = OneLayer()
        found = inside.activations(network, tiny.test.images)
        assert list(found) == ["only"]
        torch.testing.assert_close(found["only"].softmax(1), predict(network, tiny.test.images))

    @pytest.mark.parametrize(
        ("network", "words"),
        [
            (build_model("cnn"), "conv1 is of type Conv2d"),
            (ConvDropout(), "conv_a is of type Conv2d"),
            (nn.Linear(784, 10), "got Linear, which is not a Network"),
        ],
        ids=["cnn", "conv with dropout", "no Network"],
    )
    def test_another_kind_of_network_raises_a_clear_error(
        self, network: nn.Module, words: str, tiny: Mnist
    ) -> None:
        with pytest.raises(ValueError, match=f"expected a fully connected network.*{words}"):
            inside.activations(network, tiny.test.images)

    def test_images_of_another_type_are_refused(self, model: nn.Module, tiny: Mnist) -> None:
        with pytest.raises(ValueError, match="uint8"):
            inside.activations(model, tiny.test.images.float())


class TestWeightedSum:
    def test_adds_up_to_the_units_answer(self, model: nn.Module, tiny: Mnist) -> None:
        answers = inside.activations(model, tiny.test.images[:1])["linear1"][0]
        for unit in range(0, 128, 9):
            parts = inside.weighted_sum(model, unit, tiny.test.images[0])
            assert parts.total == pytest.approx(float(parts.products.sum()) + parts.bias, abs=1e-5)
            assert parts.answer == pytest.approx(float(answers[unit]), abs=1e-4)

    def test_keeps_the_weights_as_they_are(self, model: nn.Module, tiny: Mnist) -> None:
        parts = inside.weighted_sum(model, 0, tiny.test.images[0])
        before = copy.deepcopy(model)
        parts.weights.zero_()
        assert same_weights(model, before)

    def test_has_no_bias_in_a_layer_without(self, tiny: Mnist) -> None:
        parts = inside.weighted_sum(WithoutBiases(), 0, tiny.test.images[0])
        assert parts.bias == 0
        assert parts.total == pytest.approx(float(parts.products.sum()))

    @pytest.mark.parametrize("unit", [-1, 128])
    def test_a_unit_that_is_not_there_is_refused(
        self, model: nn.Module, unit: int, tiny: Mnist
    ) -> None:
        with pytest.raises(ValueError, match="unit must be between 0 and 127"):
            inside.weighted_sum(model, unit, tiny.test.images[0])


def test_the_mean_by_digit_is_numpys() -> None:
    values = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 9  # no nines
    means = inside.mean_by_digit(values, labels).numpy()
    for digit in range(9):
        np.testing.assert_allclose(
            means[digit], values.numpy()[labels.numpy() == digit].mean(0), rtol=1e-5
        )
    assert np.isnan(means[9]).all()


class TestSaliency:
    @pytest.mark.parametrize("network", ["mlp", "cnn"])
    def test_the_gradient_predicts_a_small_step(self, network: str) -> None:
        model = load_pretrained(network).double().eval()
        # noise, because a maximum of equal pixels has no unique gradient
        image, digit = (
            torch.randint(0, 256, (28, 28), generator=torch.Generator().manual_seed(0)).to(
                torch.uint8
            ),
            4,
        )
        with torch.no_grad():
            pixels = image.double()[None] / 255
            steps = 1e-6 * torch.eye(784, dtype=torch.float64).view(-1, 28, 28)[::37]
            difference = (model(pixels + steps) - model(pixels - steps))[:, digit] / 2e-6
        # the quotient is precise in double precision; the saliency is computed in single
        # precision
        found = inside.gradient_saliency(load_pretrained(network), image, digit).flatten()[::37]
        np.testing.assert_allclose(found, difference, atol=2e-3)

    def test_it_leaves_no_gradient_and_the_mode_as_it_was(self, tiny: Mnist) -> None:
        model = build_model("cnn", seed=0).train()
        inside.gradient_saliency(model, tiny.test.images[0], 1)
        assert model.training
        assert all(parameter.grad is None for parameter in model.parameters())


class TestOcclusion:
    @pytest.mark.parametrize(
        ("row", "column", "size"), [(0, 0, 5), (27, 13, 5), (14, 14, 1), (10, 12, 7)]
    )
    def test_is_the_loss_of_probability_under_a_cover(
        self, model: nn.Module, tiny: Mnist, row: int, column: int, size: int
    ) -> None:
        image = tiny.test.images[0]
        covered = image.clone()
        for y in range(28):
            for x in range(28):
                if abs(y - row) <= size // 2 and abs(x - column) <= size // 2:
                    covered[y, x] = 0
        before, after = predict(model, torch.stack([image, covered]))[:, 7]
        assert float(inside.occlusion(model, image, 7, size=size)[row, column]) == pytest.approx(
            float(before - after), abs=1e-6
        )

    @pytest.mark.parametrize("size", [4, -3])
    def test_an_even_or_negative_size_is_refused(
        self, model: nn.Module, size: int, tiny: Mnist
    ) -> None:
        with pytest.raises(ValueError, match="size must be odd"):
            inside.occlusion(model, tiny.test.images[0], 7, size=size)

    def test_paper_on_paper_changes_nothing(self, model: nn.Module, tiny: Mnist) -> None:
        lost = inside.occlusion(model, torch.zeros(28, 28, dtype=torch.uint8), 1)
        assert float(lost.abs().max()) < 1e-6


class TestFlips:
    def test_one_pixel_changes_and_changes_back(self, tiny: Mnist) -> None:
        image = torch.where(tiny.test.images[0] < 128, 0, 255).to(torch.uint8)
        once = inside.flip(image, 3, 20)
        assert torch.nonzero(once != image).tolist() == [[3, 20]]
        assert torch.equal(inside.flip(once, 3, 20), image)

    def test_each_equals_predict_for_the_flipped_image(self, model: nn.Module, tiny: Mnist) -> None:
        image = tiny.test.images[5]
        every = inside.flip_each(model, image)
        for row, column in [(0, 0), (7, 13), (14, 14), (27, 27)]:
            expected = predict(model, inside.flip(image, row, column)[None])[0]
            torch.testing.assert_close(every[row, column], expected)


class TestActivationMaximization:
    @pytest.mark.parametrize(("layer", "unit"), [("linear1", 5), ("linear2", 7), ("linear3", 3)])
    def test_is_answered_more_strongly_than_any_real_image(
        self, model: nn.Module, tiny: Mnist, layer: str, unit: int
    ) -> None:
        favourite = inside.activation_maximization(model, layer, unit)
        assert 0 <= float(favourite.min()) <= float(favourite.max()) <= 1
        both = torch.cat([(favourite * 255).to(torch.uint8)[None], tiny.test.images])
        answers = inside.activations(model, both)[layer][:, unit]
        assert int(answers.argmax()) == 0

    def test_without_constraints_it_is_answered_more_strongly(self, model: nn.Module) -> None:
        kinds: tuple[dict[str, float], ...] = ({}, {"decay": 0, "blur": 0})
        images = [inside.activation_maximization(model, "linear3", 8, **rules) for rules in kinds]
        pixels = (torch.stack(images) * 255).to(torch.uint8)
        ruled, free = inside.activations(model, pixels)["linear3"][:, 8].tolist()
        assert free > ruled

    @pytest.mark.parametrize(
        ("layer", "unit", "words"),
        [("relu1", 0, "linear1, linear2, linear3"), ("linear3", 10, "between 0 and 9")],
    )
    def test_a_layer_or_unit_that_is_not_there_is_refused(
        self, model: nn.Module, layer: str, unit: int, words: str
    ) -> None:
        with pytest.raises(ValueError, match=words):
            inside.activation_maximization(model, layer, unit)

    def test_of_the_first_layer_is_ink_where_weights_are_above_zero(self, model: nn.Module) -> None:
        favourite = inside.activation_maximization(model, "linear1", 3, decay=0, blur=0, steps=400)
        weights = model.linear1.weight[3].detach().view(28, 28)
        assert bool((favourite[weights < 0] == 0).all())
        assert bool((favourite[weights > 0.1] > 0.9).all())


def weight_sizes(model: nn.Module) -> Tensor:
    """Return the absolute weights of all layers that read, in one row."""
    weights = [weight for weight in layer_parameters(model) if weight.ndim > 1]
    return torch.cat([weight.detach().abs().flatten() for weight in weights])


class TestPruning:
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
    @pytest.mark.parametrize("network", ["mlp", "cnn"])
    def test_takes_the_smallest_weights(self, network: str, share: float) -> None:
        model = load_pretrained(network)
        before, after = weight_sizes(model), weight_sizes(prune(model, share))
        is_kept = after > 0
        assert int((~is_kept).sum()) == round(share * len(before))
        assert torch.equal(after[is_kept], before[is_kept])
        largest_removed = max(before[~is_kept].tolist(), default=0)
        assert largest_removed <= min(after[is_kept].tolist(), default=math.inf)

    def test_leaves_the_original_and_gives_a_network_like_it(self, model: nn.Module) -> None:
        before = copy.deepcopy(model)
        pruned = prune(model, 0.5)
        assert same_weights(model, before)
        assert list(pruned.state_dict()) == list(model.state_dict())
        assert torch.equal(pruned.linear1.bias, model.linear1.bias)

    @pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
    def test_a_share_out_of_range_is_refused(self, model: nn.Module, share: float) -> None:
        with pytest.raises(ValueError, match="share must be between 0 and 1"):
            prune(model, share)

    def test_the_curve_begins_at_the_accuracy_and_ends_at_the_biases(
        self, model: nn.Module, tiny: Mnist
    ) -> None:
        curve = pruning_curve(model, tiny.test, [0.0, 1.0])
        assert curve[0] == pytest.approx(
            loss_and_accuracy(model, tiny.test.images, tiny.test.labels)[1]
        )
        always = int(model.linear3.bias.argmax())
        assert curve[1] == pytest.approx(float((tiny.test.labels == always).float().mean()))


def test_similarity_is_scikit_learns_largest_cosine() -> None:
    generator = torch.Generator().manual_seed(0)
    values, reference = (
        torch.randn(700, 12, generator=generator),
        torch.randn(40, 12, generator=generator),
    )
    expected = cosine_similarity(values, reference).max(1)
    np.testing.assert_allclose(inside.similarity(values, reference), expected, atol=1e-6)
    assert inside.similarity(torch.zeros(1, 12), reference).tolist() == [0]
