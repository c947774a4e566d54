"""The networks that ship with the package."""

import json
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import ArrayLike

from mnist_nb import Hyperparameters, Sketch, evaluate, load_pretrained, predict, read_metadata
from mnist_nb.handwriting.pretrained import PRETRAINED

# A few handwritten digits, as points on a 280-pixel canvas: a list for each stroke.
DRAWINGS = {
    0: [
        [
            (140, 60),
            (95, 100),
            (85, 160),
            (110, 215),
            (150, 222),
            (185, 180),
            (190, 115),
            (165, 70),
            (138, 60),
        ]
    ],
    1: [[(142, 60), (140, 140), (138, 225)]],
    2: [
        [(90, 95), (115, 65), (160, 65), (180, 100), (150, 155), (90, 220), (140, 215), (200, 222)]
    ],
    3: [
        [
            (95, 85),
            (120, 62),
            (155, 62),
            (178, 85),
            (170, 115),
            (130, 135),
            (170, 150),
            (188, 180),
            (175, 215),
        ]
    ],
    4: [[(120, 60), (85, 150), (190, 150)], [(165, 90), (160, 230)]],
    5: [
        [(180, 65), (105, 65), (98, 130), (150, 125), (185, 160), (175, 210), (130, 228), (90, 210)]
    ],
    6: [
        [
            (170, 60),
            (115, 110),
            (90, 175),
            (115, 222),
            (165, 220),
            (180, 180),
            (145, 155),
            (100, 175),
        ]
    ],
    7: [
        [(85, 70), (140, 68), (195, 66), (165, 120), (140, 175), (125, 235)],
        [(105, 150), (145, 146), (185, 142)],
    ],
    8: [
        [
            (175, 85),
            (140, 60),
            (105, 85),
            (130, 130),
            (175, 175),
            (140, 228),
            (100, 185),
            (140, 135),
            (175, 85),
        ]
    ],
    9: [
        [(175, 95), (140, 65), (105, 95), (125, 135), (170, 120), (178, 90), (172, 150), (165, 230)]
    ],
}
DRAWINGS[3][0] += [(140, 232), (100, 222), (85, 200)]


def sketch_of(strokes: Iterable[ArrayLike], width: float = 12, size: float = 280) -> Sketch:
    sketch = Sketch(size)
    for stroke in strokes:
        sketch.add_stroke(np.asarray(stroke), width)
    return sketch


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_it_reads_mnist(full_mnist, name):
    assert (
        evaluate(load_pretrained(name), full_mnist.test).accuracy
        > {"mlp": 0.985, "cnn": 0.99}[name]
    )


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_it_reads_drawings_wherever_and_however_large_they_are(name):
    model = load_pretrained(name)
    for scale, shift in ((1, 0), (0.4, 10), (0.5, 130)):
        for digit, strokes in DRAWINGS.items():
            sketch = sketch_of(np.array(points) * scale + shift for points in strokes)
            assert int(predict(model, sketch.to_mnist()[None]).argmax()) == digit


def test_the_default_is_the_best_reader_of_handwriting():
    assert load_pretrained().name == "cnn"


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_its_file_says_how_it_was_trained(name):
    metadata = read_metadata(PRETRAINED / f"{name}.safetensors")
    settings = Hyperparameters(**json.loads(metadata["hyperparameters"]))
    assert (settings.network, settings.augmentation) == (name, "handwriting")
    assert metadata["epoch"] == str(settings.epochs)
    assert f"{settings.epochs} epochs" in (PRETRAINED / "README.md").read_text(encoding="utf-8")


def test_together_they_are_small():
    assert sum(file.stat().st_size for file in PRETRAINED.glob("*.safetensors")) < 1_500_000
