"""The recipe of docs/onnx.md exports a network that gives the same results."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_nb import predict
from mnist_nb.data import Mnist

RECIPE = Path(__file__).resolve().parent.parent / "docs" / "onnx.md"


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_the_recipe_gives_a_network_that_answers_alike(
    name: str, sample: Mnist, workplace: Path
) -> None:
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library, reason="needs the extra onnx")
    export, use = re.findall(r"```python\n(.*?)```", RECIPE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(export.replace('"cnn"', repr(name)), names)
    images = sample.test.images[:200]
    given = "images = np.zeros((3, 28, 28), np.float32)"
    assert given in use
    exec(
        use.replace(given, "images = images.numpy() / np.float32(255)"),
        names | {"images": images},
        names,
    )
    logits = torch.as_tensor(np.asarray(names["logits"]))
    model = names["model"]
    assert isinstance(model, torch.nn.Module)
    assert torch.allclose(logits.softmax(1), predict(model, images), atol=1e-5)
