"""Arguments that would silently give wrong results are rejected; unusual valid ones work."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

import mnist_nb
from mnist_nb import Hyperparameters, Sketch, adapt, build_model, predict
from mnist_nb.data import Mnist, Split
from mnist_nb.handwriting.pictures import picture_steps
from mnist_nb.handwriting.preprocessing import prepare
from mnist_nb.labs import inside
from mnist_nb.labs.calibration import with_temperature
from mnist_nb.labs.comparison import spread
from mnist_nb.labs.images import image_stats
from mnist_nb.labs.pruning import prune
from mnist_nb.labs.quantization import quantize
from mnist_nb.widgets.studio import TrainingStudio

NAN = float("nan")


def learn(data: Mnist, digits: object = None, **settings: float) -> object:
    """Teach a new network the digits; None teaches the test images."""
    digits = data.test if digits is None else digits
    return adapt(build_model("mlp", seed=0), digits, data, **settings)


def tempered(data: Mnist, temperature: float) -> object:
    return with_temperature(mnist_nb.evaluate(build_model(), data.test), temperature)


def without(data: Mnist, split: str) -> Mnist:
    """Return the data with one split empty."""
    splits = {name: getattr(data, name) for name in ("train", "validation", "test")}
    return Mnist(**splits | {split: splits[split].take(0)}, source="x")


class LabelsInFloats:
    images, labels = np.ones((3, 28, 28), np.uint8), np.array([1.0, 2.0, 3.0])


@pytest.mark.promise("wrong data")
@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("uint8", lambda data: predict(build_model(), data.test.images / 255)),
        ("uint8", lambda data: mnist_nb.digit_score(build_model(), data.test.images / 255)),
        ("uint8", lambda data: inside.activations(build_model(), data.test.images.float())),
        ("[Tt]ensor", lambda data: Split(data.test.images.numpy(), data.test.labels)),
        ("at least one image", lambda data: mnist_nb.evaluate(build_model(), data.test.take(0))),
        ("int64", lambda data: learn(data, LabelsInFloats())),
        ("no digits to teach", lambda data: learn(data, data.test.take(0))),
        ("validation split", lambda data: learn(without(data, "validation"), data.test)),
        ("learning_rate", lambda data: learn(data, learning_rate=NAN)),
        ("max_forgetting", lambda data: learn(data, max_forgetting=-0.1)),
        ("crop", lambda data: picture_steps(data.test.images[0], (0, 0, NAN, 1))),
        ("fit together", lambda data: Sketch.from_arrays([[1, 2]], [2], [1.0], [0], 280)),
        (
            "0 (to|and) 127",
            lambda data: inside.weighted_sum(build_model(), -1, data.test.images[0]),
        ),
        ("odd", lambda data: inside.occlusion(build_model(), data.test.images[0], 7, size=4)),
        ("prune|share|between|from 0 to 1", lambda data: prune(build_model(), NAN)),
        ("2 (to|and) 8", lambda data: quantize(data.test.images[0].float(), 9)),
        ("two or more runs", lambda data: spread([0.98])),
        ("above 0", lambda data: tempered(data, 0.0)),
        ("above 0", lambda data: tempered(data, NAN)),
        ("seed must be", lambda data: build_model(seed="7")),
        ("pen_width must be", lambda data: Sketch().to_mnist(np.True_)),
        ("image 1 has no ink", lambda data: image_stats([np.eye(28), np.zeros((28, 28))])),
        ("shape", lambda data: image_stats(np.eye(28))),
    ],
)
def test_a_silently_wrong_result_is_refused(
    words: str, call: Callable[[Mnist], object], workplace: Path, tiny: Mnist
) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        call(tiny)
    assert list(workplace.iterdir()) == []


def test_numpys_numbers_are_numbers(tiny: Mnist) -> None:
    assert mnist_nb.wilson_interval(np.int64(3), np.int32(9)) == mnist_nb.wilson_interval(3, 9)
    assert Sketch(np.float32(280)).size == 280
    assert Hyperparameters(epochs=np.int64(3)) == Hyperparameters(epochs=3)


@pytest.mark.parametrize("grey", [1e-320, 5e-324, 1e-160, 1e300])
def test_faint_and_strong_ink_give_the_same_digit(grey: float) -> None:
    solid = np.zeros((40, 40))
    solid[5:30, 10:14] = 1
    np.testing.assert_array_equal(prepare(solid * grey), prepare(solid))


@pytest.mark.parametrize(
    "metadata",
    [
        {"hyperparameters": "[" * 100_000 + "]" * 100_000, "epoch": "3"},
        {"hyperparameters": json.dumps([1])},
    ],
    ids=["deeply nested", "a list"],
)
def test_metadata_of_another_program_are_ignored(
    metadata: dict[str, str], workplace: Path, tiny: Mnist
) -> None:
    weights = build_model("mlp", seed=0).state_dict()
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    Path("model.safetensors").write_bytes(safetensors.torch.save(tensors, metadata))
    studio = TrainingStudio(tiny)
    assert studio.session.run is None
    studio.close()
    mnist_nb.export_page("model.safetensors", "page.html")
    _, start = mnist_nb.continue_run("model.safetensors", tiny, Hyperparameters())
    assert start.kind.name == "WEIGHTS"
