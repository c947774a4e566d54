"""Training states with a valid seal that nobody's training wrote: an error in words, or weights without their state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mnist_nb import CheckpointError, Hyperparameters, build_model, continue_run, save_checkpoint
from mnist_nb.checkpoints import _seal, state_path
from mnist_nb.data import Mnist
from mnist_nb.tensor_files import digest, write_tensors

SETTINGS = Hyperparameters(epochs=2, batch_size=50)
RIGHT = {"hyperparameters": {}, "images": 620, "epoch": 1, "batch": 0}


@pytest.mark.parametrize(
    ("state", "tensors"),
    [
        (json.dumps([]), {}),
        (json.dumps(None), {}),
        (json.dumps({}), {}),
        (json.dumps({**RIGHT, "hyperparameters": [1]}), {}),
        (json.dumps({**RIGHT, "epoch": "1e99"}), {}),
        (json.dumps({**RIGHT, "epoch": -5}), {}),
        ("[" * 100_000, {}),
        ("{", {}),
        ('{"epoch": Infinity}', {}),
        (json.dumps(RIGHT), {"odd": torch.zeros(3, dtype=torch.bfloat16), "flag": torch.tensor(True)}),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_forged_training_state_is_refused_in_words_or_passed_over(
    workplace: Path, tiny: Mnist, state: str, tensors: dict[str, Any]
) -> None:
    path = workplace / "model.safetensors"
    model = build_model("mlp", seed=1)
    save_checkpoint(model, path)
    told = {"weights": digest(dict(model.state_dict())), "state": state}
    write_tensors(state_path(path), tensors, {**told, "sha256": _seal(tensors, told)})
    try:
        run, sentence = continue_run(path, tiny, SETTINGS)
    except CheckpointError as error:
        assert "is not a training state of ours" in str(error)  # noqa: PT017
    else:
        assert "Starting from the weights" in sentence
        assert run.epoch >= 0
