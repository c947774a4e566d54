"""What public functions say of arguments that they cannot use: which one it is, and what was
expected."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import mnist_nb
from mnist_nb import Hyperparameters, MnistNbError, Sketch, build_model, predict
from mnist_nb.data import Mnist, Split
from mnist_nb.evaluation.comparison import spread
from mnist_nb.handwriting.preprocessing import prepare
from mnist_nb.training.augmentation import augment
from mnist_nb.widgets.pad import DrawingPad
from mnist_nb.widgets.studio import TrainingStudio

NESTED: list[Any] = []
for _ in range(3000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("root must be", lambda data: mnist_nb.load_mnist(5)),
        ("path must be", lambda data: mnist_nb.read_metadata("a\0b")),
        ("path must be", lambda data: mnist_nb.continue_run("a" * 5000, data, Hyperparameters())),
        ("seed must be", lambda data: build_model(seed=-1)),
        ("hidden must be", lambda data: build_model(hidden=(3, 0))),
        ("options must be", lambda data: build_model("cnn", hidden=(3, 4))),
        ("batch_size must be", lambda data: predict(build_model(), data.test.images, batch_size=0)),
        ("images must be", lambda data: predict(build_model(), NESTED)),
        ("name must be", lambda data: mnist_nb.load_pretrained(NESTED)),
        ("model must take", lambda data: predict(nn.Linear(3, 3), data.test.images)),
        ("model must take", lambda data: list(mnist_nb.train(build_model().double(), data))),
        ("model must give", lambda data: list(mnist_nb.train(nn.Identity(), data))),
        ("model must be", lambda data: mnist_nb.train("mlp", data)),
        ("data must be", lambda data: mnist_nb.train(build_model(), None)),
        ("on_batch must be", lambda data: mnist_nb.train(build_model(), data, on_batch=3)),
        ("validation must be", lambda data: Mnist(data.train, None, data.test, "x")),
        ("images must be a Tensor", lambda data: Split(data.test.images.numpy(), data.test.labels)),
        ("indices must be", lambda data: data.test.subset(torch.tensor([999]))),
        ("split must hold", lambda data: mnist_nb.evaluate(build_model(), data.test.take(0))),
        (
            "at_least must be",
            lambda data: mnist_nb.load_or_train("none.safetensors", data, float("nan")),
        ),
        ("momentum must be", lambda data: Hyperparameters(momentum=NESTED)),
        (
            "metadata must be",
            lambda data: mnist_nb.save_checkpoint(build_model(), "m.safetensors", {"epoch": 3}),
        ),
        ("size must be", lambda data: Sketch("280")),
        ("size must be", lambda data: Sketch(2**70)),
        ("points", lambda data: Sketch.from_arrays("nan", [1], [1.0], [0], 280)),
        ("grey must be", lambda data: prepare([["ink"]])),
        ("id", lambda data: mnist_nb.MyDigits().delete(NESTED)),
        ("digits must have", lambda data: mnist_nb.adapt(build_model(), None, data)),
        (
            "no digits to teach: draw some",
            lambda data: mnist_nb.adapt(build_model(), data.test.take(0), data),
        ),
        ("int64", lambda data: mnist_nb.adapt(build_model(), LabelsInFloats(), data)),
        ("seed must be", lambda data: mnist_nb.adapt(build_model(), data.test, data, seed=-1)),
        (
            "train split is empty",
            lambda data: mnist_nb.adapt(build_model(), data.test, without(data, "train")),
        ),
        (
            "'cpu:x'",
            lambda data: mnist_nb.TrainingRun(
                build_model(), data, Hyperparameters(), device="cpu:x"
            ),
        ),
        ("model must be", lambda data: mnist_nb.digit_score("cnn", data.test.images)),
        (
            "model must take",
            lambda data: mnist_nb.digit_score(build_model().double(), data.test.images),
        ),
        ("embedded null", lambda data: mnist_nb.from_image("a\0b")),
        ("expected a picture", lambda data: mnist_nb.from_image([[1, 2], [3]])),
        ("closed file", lambda data: mnist_nb.from_image(closed_file())),
        ("points of a stroke", lambda data: DrawingPad(data).numbers.replay(["x"])),
        ("path must be", lambda data: mnist_nb.export_page(build_model(), "a\0b.html")),
        (
            "crop must be",
            lambda data: mnist_nb.handwriting.picture_steps(
                data.test.images[0], (0, 0, float("nan"), 1)
            ),
        ),
        (
            "crop must be",
            lambda data: mnist_nb.handwriting.picture_steps(data.test.images[0], (0, 0, 1)),
        ),
        ("points of a stroke", lambda data: Sketch().add_stroke([(10**400, 0)], 3)),
        ("fit together", lambda data: Sketch.from_arrays([[1, 2]], [1], [10**400], [0], 280)),
        (
            "fit together",
            lambda data: Sketch.from_arrays([[1, 2]], [1], [1.0], np.zeros((1, 2)), 280),
        ),
        ("bytes-like object", lambda data: mnist_nb.from_image(TextInBytes())),
        ("No such file", lambda data: mnist_nb.find_ink("nowhere.png")),
        ("No such file", lambda data: mnist_nb.from_image("")),
        ("no exercise", lambda data: mnist_nb.check(NESTED)),
        ("no exercise", lambda data: mnist_nb.check(["02.3"])),
        ("an image", lambda data: mnist_nb.MyDigits().add(NESTED, 3)),
        ("name must be", lambda data: Split(data.test.images, data.test.labels, NESTED)),
        ("'transformer'.*'mlp', 'cnn'", lambda data: build_model("transformer")),
        ("no model named 'resnet' ships", lambda data: mnist_nb.load_pretrained("resnet")),
        (
            "'tpu'.*'cpu'",
            lambda data: mnist_nb.TrainingRun(build_model(), data, Hyperparameters(), device="tpu"),
        ),
        ("two runs or more, got 1", lambda data: spread([0.98])),
        (
            "'affin'.*'none', 'affine'",
            lambda data: augment(data.test.images / 255, torch.Generator(), "affin"),
        ),
        ("steps", lambda data: mnist_nb.adapt(build_model(), data.test, data, steps=0)),
        ("steps", lambda data: mnist_nb.adapt(build_model(), data.test, data, steps="3")),
        (
            "learning_rate",
            lambda data: mnist_nb.adapt(build_model(), data.test, data, learning_rate=0),
        ),
        (
            "learning_rate",
            lambda data: mnist_nb.adapt(build_model(), data.test, data, learning_rate=11),
        ),
        (
            "learning_rate",
            lambda data: mnist_nb.adapt(build_model(), data.test, data, learning_rate=float("nan")),
        ),
        (
            "max_forgetting",
            lambda data: mnist_nb.adapt(build_model(), data.test, data, max_forgetting=-0.1),
        ),
        (
            "Mlp or a Cnn.*got Linear",
            lambda data: mnist_nb.adapt(nn.Linear(784, 10), data.test, data),
        ),
        (
            "validation split",
            lambda data: mnist_nb.adapt(build_model(), data.test, without(data, "validation")),
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    words: str, call: Callable[[Mnist], object], workplace: Path, tiny: Mnist
) -> None:
    with pytest.raises((ValueError, TypeError), match=words) as caught:
        call(tiny)
    assert len(str(caught.value)) < 300
    assert "mnist_nb" in str(caught.traceback[-1].path)  # said by us, not by something inside
    assert [path.name for path in workplace.iterdir() if path.suffix != ".lock"] == []


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


class LabelsInFloats:
    images, labels = np.ones((3, 28, 28), np.uint8), [1.0, 2.0, 3.0]


class TextInBytes(io.RawIOBase):
    def read(self, size: int = -1) -> str:  # type: ignore[override]
        return "text"


def without(data: Mnist, split: str) -> Mnist:
    return Mnist(
        **{
            name: getattr(data, name).take(0 if name == split else 99)
            for name in vars(data)
            if name != "source"
        },
        source="x",
    )


def test_a_wrong_type_is_a_type_error_and_a_value_error(tiny: Mnist) -> None:
    with pytest.raises(MnistNbError) as caught:
        mnist_nb.evaluate(build_model(), None)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_numpys_numbers_are_numbers(tiny: Mnist) -> None:
    assert mnist_nb.wilson_interval(np.int64(3), np.int32(9)) == mnist_nb.wilson_interval(3, 9)
    assert Sketch(np.float32(280)).size == 280
    assert torch.equal(
        *(
            predict(build_model(seed=0), tiny.test.images, batch_size=size)
            for size in (np.int8(3), 3)
        )
    )
    drawing = Sketch()
    drawing.add_stroke([(50, 50), (100, 200)], 16)
    np.testing.assert_array_equal(drawing.to_mnist(np.int8(3)), drawing.to_mnist(3.0))


def test_an_answer_nested_without_end_is_wrong() -> None:
    for exercise in ("01.1", "02.1"):
        assert not mnist_nb.check(exercise, NESTED).right


@pytest.mark.parametrize("grey", [1e-320, 5e-324, 1e-160, 1e300])
def test_ink_however_faint_or_strong_is_the_same_digit(grey: float, tiny: Mnist) -> None:
    solid = np.zeros((40, 40))
    solid[5:30, 10:14] = 1
    np.testing.assert_array_equal(prepare(solid * grey), prepare(solid))


def test_metadata_that_are_nested_without_end_are_passed_over(workplace: Path, tiny: Mnist) -> None:
    tensors = {
        name: one.contiguous() for name, one in build_model("mlp", seed=0).state_dict().items()
    }
    nested = "[" * 100_000 + "]" * 100_000
    for metadata in (
        {"hyperparameters": nested, "epoch": "3"},
        {"hyperparameters": json.dumps([1])},
    ):
        Path("model.safetensors").write_bytes(safetensors.torch.save(tensors, metadata))
        studio = TrainingStudio(tiny)
        assert studio.session.run is None
        studio.close()
        mnist_nb.export_page("model.safetensors", "page.html")
        assert (
            mnist_nb.continue_run("model.safetensors", tiny, Hyperparameters())[1].kind.name
            == "WEIGHTS"
        )
