"""Training states with a valid checksum that no training wrote: an error in words, and the weights
stay usable."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from mnist_nb import (
    CheckpointError,
    Hyperparameters,
    build_model,
    continue_run,
    load_checkpoint,
    save_checkpoint,
)
from mnist_nb.checkpoints import Start, state_path
from mnist_nb.data import Mnist
from mnist_nb.files import digest, write_tensors

SETTINGS = Hyperparameters(epochs=2, batch_size=50)
RIGHT = {"hyperparameters": {}, "images": 620, "epoch": 1, "batch": 0}


@pytest.fixture
def path(workplace: Path) -> Path:
    """A model in a file."""
    save_checkpoint(build_model("mlp", seed=1), "model.safetensors")
    return Path("model.safetensors")


def forge(path: Path, state: str, tensors: dict[str, torch.Tensor]) -> None:
    """Write a training state that claims to belong to the model, with a checksum that fits."""
    weights = load_checkpoint(path).state_dict()
    tensors = tensors | {f"model.{name}": tensor for name, tensor in weights.items()}
    told = {"weights": digest(weights), "state": state, "replaces": "null"}
    checksum = hashlib.sha256("\n".join([digest(tensors), *told.values()]).encode()).hexdigest()
    write_tensors(state_path(path), tensors, {**told, "sha256": checksum})


@pytest.mark.parametrize(
    "state",
    [
        json.dumps([]),
        json.dumps(None),
        json.dumps({}),
        json.dumps({**RIGHT, "hyperparameters": [1]}),
        json.dumps({**RIGHT, "hyperparameters": {"epochs": -1}}),
        json.dumps({**RIGHT, "epoch": "1e99"}),
        json.dumps({**RIGHT, "epoch": -5}),
        "[" * 100_000,
        "{",
        '{"epoch": Infinity}',
    ],
    ids=lambda state: state[:24],
)
@pytest.mark.promise("damaged state")
def test_a_forged_training_state_is_refused_in_words(path: Path, tiny: Mnist, state: str) -> None:
    forge(path, state, {})
    with pytest.raises(
        CheckpointError,
        match=r"model\.resume\.safetensors is not a training state of ours .* delete it",
    ):
        continue_run(path, tiny, SETTINGS)
    state_path(path).unlink()
    assert continue_run(path, tiny, SETTINGS)[1].kind is Start.WEIGHTS


def test_unknown_tensors_of_a_training_state_are_ignored(path: Path, tiny: Mnist) -> None:
    forge(
        path,
        json.dumps(RIGHT),
        {"odd": torch.zeros(3, dtype=torch.bfloat16), "flag": torch.tensor(True)},
    )
    run, start = continue_run(path, tiny, SETTINGS)
    assert start.kind is Start.OTHER_SETTINGS
    assert (run.epoch, run.steps_done) == (1, 0)
