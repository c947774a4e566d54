"""The answer "none of these": the score of an image as a digit at all."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from test_pretrained import DRAWINGS, sketch_of
from test_reading import written
from torch import nn
from tree import part, shown

from mnist_nb import DrawingPad, Hyperparameters, adapt, build_model, from_image, predict, train
from mnist_nb.checkpoints import load_checkpoint, save_checkpoint
from mnist_nb.data import Mnist
from mnist_nb.handwriting.pretrained import PRETRAINED, load_pretrained
from mnist_nb.handwriting.refusal import (
    add_refusal_head,
    digit_score,
    is_refused,
    predict_and_score,
    refusal_head,
)

LETTERS = {
    "A": [[(40, 240), (140, 30), (240, 240)], [(80, 160), (200, 160)]],
    "H": [[(60, 35), (60, 245)], [(220, 35), (220, 245)], [(60, 140), (220, 140)]],
    "K": [[(70, 35), (70, 245)], [(215, 35), (75, 150), (220, 245)]],
    "M": [[(35, 245), (55, 35), (140, 170), (225, 35), (245, 245)]],
    "N": [[(60, 245), (60, 35), (220, 245), (220, 35)]],
    "W": [[(30, 35), (85, 245), (140, 100), (195, 245), (250, 35)]],
    "X": [[(55, 35), (225, 245)], [(225, 35), (55, 245)]],
}


def images_of(drawings: dict[Any, Any]) -> NDArray[np.uint8]:
    return np.stack([sketch_of(strokes, width=14).to_mnist() for strokes in drawings.values()])


@pytest.mark.parametrize("model", ["mlp", "cnn", "fresh", "own class"])
def test_a_score_in_0_1_for_any_model(model: str, sample: Mnist) -> None:
    made: dict[str, nn.Module] = {
        "fresh": build_model("cnn", seed=0),
        "own class": nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    }
    network = made.get(model) or load_pretrained(model)
    score = digit_score(network, sample.test.images[:7])
    assert (score.shape, score.dtype) == ((7,), torch.float32)
    assert bool(((score >= 0) & (score <= 1)).all())
    assert torch.equal(digit_score(network, sample.test.images[:7].numpy()), score)
    probabilities, scores = predict_and_score(network, sample.test.images[:7])
    assert torch.allclose(probabilities, predict(network, sample.test.images[:7]), atol=1e-6)
    assert torch.equal(scores, score)
    with pytest.raises(ValueError, match="uint8"):
        digit_score(network, sample.test.images[:7].float())


def test_the_score_of_an_untaught_network_follows_its_weights(sample: Mnist) -> None:
    model = build_model("mlp", seed=0)
    before = digit_score(model, sample.test.images[:7])
    with torch.no_grad():
        model.linear3.weight.mul_(-1)
    after = digit_score(model, sample.test.images[:7])
    assert torch.equal(after, digit_score(copy.deepcopy(model), sample.test.images[:7]))
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_shipped_networks_refuse_letters_and_not_digits(name: str, sample: Mnist) -> None:
    model, letters, digits = load_pretrained(name), images_of(LETTERS), images_of(DRAWINGS)
    assert int(is_refused(model, digit_score(model, letters)).sum()) >= len(letters) - 1
    assert not bool(is_refused(model, digit_score(model, digits)).any())
    assert float(is_refused(model, digit_score(model, sample.test.images)).float().mean()) < 0.02


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_file_without_refusal_head_loads_and_reads_the_same(
    name: str, sample: Mnist, path: Path
) -> None:
    """Older files have none, and other programs ignore it."""
    tensors = safetensors.torch.load_file(PRETRAINED / f"{name}.safetensors")
    old = {key: tensor for key, tensor in tensors.items() if not key.startswith("reject.")}
    assert {key: tensor.shape for key, tensor in old.items()} == {
        key: tensor.shape for key, tensor in build_model(name).state_dict().items()
    }
    safetensors.torch.save_file(old, path)
    model = load_checkpoint(path)
    assert refusal_head(model) is None
    assert torch.equal(
        predict(model, sample.test.images[:50]),
        predict(load_pretrained(name), sample.test.images[:50]),
    )
    assert digit_score(model, sample.test.images[:50]).mean() > 0.5


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_handwriting_augmentation_teaches_to_refuse(network: str, tiny: Mnist, path: Path) -> None:
    model = build_model(network, seed=1)
    settings = Hyperparameters(network, epochs=1, optimizer="adamw", augmentation="handwriting")
    list(train(model, tiny, settings))
    assert refusal_head(model) is not None
    save_checkpoint(model, path)
    again = load_checkpoint(path)
    assert torch.equal(digit_score(again, tiny.test.images), digit_score(model, tiny.test.images))


def test_learning_to_refuse_never_moves_the_ten_outputs(tiny: Mnist) -> None:
    """From the same start, the ten outputs end the same with and without a refusal head."""
    first, second = build_model("cnn", seed=1), build_model("cnn", seed=1)
    add_refusal_head(second)
    head = refusal_head(second)
    assert head is not None
    with torch.no_grad():
        head[0].weight.mul_(2)
    for model in (first, second):
        list(
            train(
                model,
                tiny,
                Hyperparameters("cnn", epochs=1, augmentation="handwriting", momentum=0.5),
            )
        )
    ends, others = first.state_dict(), second.state_dict()
    same = {key: torch.equal(tensor, others[key]) for key, tensor in ends.items()}
    assert all(same[key] for key in same if not key.startswith("reject."))
    assert not same["reject.0.weight"]


def test_an_adapted_model_knows_the_digits_and_still_refuses(sample: Mnist) -> None:
    letters, digits = images_of(LETTERS), images_of(DRAWINGS)

    class Mine:
        images, labels = np.repeat(digits, 3, axis=0), np.repeat(np.arange(10), 3)

    taught = adapt(load_pretrained("cnn"), Mine, sample, steps=60)
    assert not bool(is_refused(taught, digit_score(taught, digits)).any())
    assert int(is_refused(taught, digit_score(taught, letters)).sum()) >= len(letters) - 1


# ---- On the pad


@pytest.mark.promise("refusal")
def test_the_pad_says_that_a_letter_is_not_a_digit(pad: DrawingPad) -> None:
    assert "not think" not in shown(pad)
    guess = pad.replay(LETTERS["K"])
    assert guess is not None
    assert guess.refused
    assert "I do not think this is a digit (it looks most like a" in shown(pad)
    part(pad, "Say when it is not a digit").value = False
    assert "not think" not in shown(pad)
    part(pad, "Say when it is not a digit").value = True
    pad.clear()
    assert "not think" not in shown(pad)
    pad.replay(DRAWINGS[3])
    assert "a 3" in shown(pad)
    assert "not think" not in shown(pad)


@pytest.mark.promise("refusal")
def test_the_wide_page_shows_a_question_mark_for_a_letter(pad: DrawingPad) -> None:
    letter = [np.array(points) / 2 + (130, 0) for points in LETTERS["A"]]
    pad.numbers.replay(
        [*written("2"), *letter, *(np.add(points, (300, 0)) for points in written("6"))]
    )
    assert "I read 2?6 (? marks ink that is not a digit)." in shown(pad)


def house(left: float) -> list[tuple[float, float]]:
    """Return a house with a flat roof, which resembles a 0."""
    walls = [(0, 100), (0, 180), (100, 180), (100, 100)]
    roof = [(0, 100), (50, 80), (100, 100)]
    return [(left + x, y) for x, y in (*walls, *roof)]


@pytest.mark.promise("refusal")
def test_the_wide_page_refuses_a_house_and_doubts_two(pad: DrawingPad) -> None:
    pad.numbers.replay([house(100)])
    assert "I do not think that there is a number here." in shown(pad)
    pad.numbers.replay([house(350)])
    doubt = "I am not sure that there is a number here: it looks most like 00."
    assert doubt in shown(pad)


@pytest.mark.parametrize("what", ["rectangle", "specks", "frame"])
def test_a_picture_without_a_digit_is_refused(pad: DrawingPad, what: str) -> None:
    picture = np.full((120, 160), 255, np.uint8)
    if what == "rectangle":
        picture[30:90, 30:130] = 0
    elif what == "frame":
        picture[20:100, 20:140] = 0
        picture[26:94, 26:134] = 255
    else:
        rows, columns = np.random.default_rng(0).integers(10, 110, (2, 12))
        for row, column in zip(rows, columns, strict=True):
            picture[row : row + 5, column : column + 5] = 0
    guess = pad.pick(from_image(picture))
    assert guess is not None
    assert guess.refused
