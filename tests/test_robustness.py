"""Corrupted images: the effect of each corruption on simple ink, and a model's accuracy on them."""

import numpy as np
import pytest
import torch

from mnist_nb import build_model, predict
from mnist_nb.labs.robustness import CORRUPTIONS, accuracy_under


@pytest.fixture
def dot():
    """Return four images with one full pixel each, at row 10, column 12."""
    images = torch.zeros(4, 28, 28, dtype=torch.uint8)
    images[:, 10, 12] = 255
    return images


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_nothing_changes_at_severity_0(tiny, name):
    assert 0 in CORRUPTIONS[name].severities
    assert torch.equal(CORRUPTIONS[name](tiny.test.images, 0), tiny.test.images)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_stay_images_and_the_originals_stay_as_they_were(tiny, name):
    corruption, before = CORRUPTIONS[name], tiny.test.images.clone()
    for severity in corruption.severities:
        changed = corruption(tiny.test.images, severity)
        assert changed.dtype == torch.uint8
        assert changed.shape == before.shape
        assert torch.equal(changed, corruption(tiny.test.images, severity))
        assert severity == 0 or not torch.equal(changed, before)
    assert torch.equal(tiny.test.images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_higher_severities_change_more(tiny, name):
    images, corruption = tiny.test.images, CORRUPTIONS[name]
    away = [
        float((corruption(images, severity).float() - images.float()).abs().mean())
        for severity in corruption.severities
        if severity >= 0
    ]
    assert away == sorted(away)
    assert list(corruption.severities) == sorted(corruption.severities)


def test_a_shift_moves_the_ink_in_four_directions(dot):
    moved = CORRUPTIONS["shifted"](dot, 3)
    assert [tuple(torch.nonzero(image)[0].tolist()) for image in moved] == [
        (10, 15),
        (13, 12),
        (10, 9),
        (7, 12),
    ]
    assert [int(image.max()) for image in moved] == [255] * 4


def test_a_turn_is_clockwise():
    images = torch.zeros(1, 28, 28, dtype=torch.uint8)
    images[0, 2:6, 13:15] = 255  # at the top
    turned = CORRUPTIONS["turned"](images, 90).numpy()[0]
    assert np.argwhere(turned > 128).mean(0) == pytest.approx(
        [13.5, 24.0 - 0.5], abs=0.1
    )  # at the right


def test_the_pen_adds_and_removes_the_four_neighbours(dot):
    pen = CORRUPTIONS["pen"]
    assert int((pen(dot, 1)[0] == 255).sum()) == 5
    assert int((pen(dot, 2)[0] == 255).sum()) == 13
    half = pen(dot, 0.5)[0]
    assert half[10, 12] == 255
    assert half[9, 12] == 128
    assert int(pen(dot, -1).sum()) == 0
    assert torch.equal(pen(pen(dot, 1), -1), dot)


def test_blur_spreads_the_ink_and_keeps_its_sum(dot):
    blurred = CORRUPTIONS["blurred"](dot, 1)[0].double()
    assert blurred[10, 12] == pytest.approx(255 / (2 * np.pi), abs=2)
    assert float(blurred.sum()) == pytest.approx(255, rel=0.05)


def test_noise_has_the_spread_it_says():
    grey = torch.full((50, 28, 28), 128, dtype=torch.uint8)
    noisy = CORRUPTIONS["noisy"](grey, 20).double()
    assert float(noisy.mean()) == pytest.approx(128, abs=0.5)
    assert float(noisy.std()) == pytest.approx(20, rel=0.02)


def test_each_model_gets_the_images_of_each_severity(tiny):
    models = {"one": build_model("mlp", seed=0), "other": build_model("cnn", seed=1)}
    corruption = CORRUPTIONS["shifted"]
    accuracies = accuracy_under(models, tiny.test, corruption)
    assert list(accuracies) == ["one", "other"]
    for name, model in models.items():
        predictions = [
            predict(model, corruption(tiny.test.images, severity)).argmax(1)
            for severity in corruption.severities
        ]
        expected = [int((predicted == tiny.test.labels).sum()) / 200 for predicted in predictions]
        assert accuracies[name] == pytest.approx(expected)
