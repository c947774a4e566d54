"""Forged training states with a valid checksum raise a clear error, and the weights stay usable."""

import contextlib
import copy
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from tree import shown

from mnist_nb import (
    CheckpointError,
    Hyperparameters,
    TrainingStudio,
    build_model,
    continue_run,
    load_checkpoint,
    save_checkpoint,
    save_run,
)
from mnist_nb.checkpoints import Start, state_path
from mnist_nb.data import Mnist
from mnist_nb.files import digest, write_tensors
from mnist_nb.training import TrainingDivergedError
from mnist_nb.widgets.studio.session import TrainingSession

SETTINGS = Hyperparameters(epochs=2, batch_size=50)
RIGHT = {"hyperparameters": {}, "images": 620, "epoch": 1, "batch": 0}


@pytest.fixture
def path(workplace: Path) -> Path:
    """A model in a file."""
    save_checkpoint(build_model("mlp", seed=1), "model.safetensors")
    return Path("model.safetensors")


def forge(path: Path, state: str, tensors: dict[str, torch.Tensor]) -> None:
    """Write a training state for the model, with a matching checksum."""
    weights = load_checkpoint(path).state_dict()
    tensors = {f"model.{name}": tensor for name, tensor in weights.items()} | tensors
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
def test_a_forged_training_state_raises_a_clear_error(path: Path, tiny: Mnist, state: str) -> None:
    forge(path, state, {})
    with pytest.raises(
        CheckpointError,
        match=r"model\.resume\.safetensors is not a valid training state .* delete it",
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


# ---- One field or tensor of a real state is wrong

WRONG_VALUES = [
    "missing", None, True, "1", [1], {}, -1, 0, 0.5, 10**9, 10**400, math.nan, math.inf,
]  # fmt: skip


def save_half_a_run(data: Mnist, optimizer: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Stop and save a run in its second epoch, and return its state."""
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer)
    run, _ = continue_run("model.safetensors", data, settings, fresh=True)
    list(run.epochs(lambda run: run.stop() if run.steps_done == 15 else None))
    run.learning_rate = 0.002
    run.step()
    save_run(run, "model.safetensors")
    return run.state_dict()


def check_opens_and_trains(path: Path, data: Mnist, settings: Hyperparameters) -> None:
    """Assert that a studio opens, and that it rejects the run with a sentence or trains it to its
    end."""
    TrainingSession(data, path, device="cpu").close()
    refusal = ""
    try:
        run, start = continue_run(path, data, settings)
    except CheckpointError as error:
        refusal = str(error)
    if refusal:
        assert "is not a valid training state" in refusal
        return
    if start.kind is Start.RESUMED:
        studio = TrainingStudio(data, str(path), device="cpu")
        assert run.position in shown(studio)
        studio.close()
    assert 0 <= run.steps_done <= run.steps_total
    assert 0 <= run.batch <= run.batches_per_epoch
    assert len(run.batch_losses) == run.steps_done
    with contextlib.suppress(TrainingDivergedError):
        records = list(run.epochs())
        assert 1 <= len(records) <= settings.epochs
    save_run(run, path)


def places_in(value: Any) -> list[tuple[Any, ...]]:
    """Return the keys and indices that lead to each value in a JSON value, including itself."""
    places: list[tuple[Any, ...]] = [()]
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        places += [(key, *place) for place in places_in(inner)]
    return places


def with_value_at(values: Any, place: tuple[Any, ...], wrong: Any) -> Any:
    """Return a copy of a JSON value in which one place is missing or has another value."""
    if not place:
        return {} if wrong == "missing" else wrong
    changed = copy.copy(values)
    if wrong == "missing" and len(place) == 1:
        del changed[place[0]]
    else:
        changed[place[0]] = with_value_at(values[place[0]], place[1:], wrong)
    return changed


@pytest.mark.promise("damaged state")
def test_any_wrong_value_is_refused_or_resumes(workplace: Path, tiny: Mnist) -> None:
    path = Path("model.safetensors")
    tensors, values = save_half_a_run(tiny, "sgd")
    places = places_in(values)
    assert len(places) == 27
    content = path.read_bytes()
    for place in places:
        for wrong in WRONG_VALUES:
            path.write_bytes(content)
            forge(path, json.dumps(with_value_at(values, place, wrong)), tensors)
            check_opens_and_trains(path, tiny, SETTINGS)


def wrong_tensors(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return tensors of other types, shapes or numbers."""
    others = [torch.zeros(0), torch.zeros(()), tensor[None], tensor.ravel()[:-1].clone()]
    others += [tensor.to(kind) for kind in (torch.bool, torch.int64, torch.complex64)]
    for number in (math.nan, math.inf, -math.inf, -1.0, 1e30):
        others.append(torch.full_like(tensor, number))
    return others


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.promise("damaged state")
def test_any_wrong_tensor_is_refused_or_resumes(
    workplace: Path, tiny: Mnist, optimizer: str
) -> None:
    path = Path("model.safetensors")
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer)
    tensors, values = save_half_a_run(tiny, optimizer)
    tensors |= {"model.linear1.weight": load_checkpoint(path).linear1.weight.detach()}
    of_others = tuple(f"optimizer.{index}." for index in range(1, 6))
    names = [name for name in tensors if not name.startswith(of_others)]
    content = path.read_bytes()
    for name in names:
        rest = {other: tensor for other, tensor in tensors.items() if other != name}
        for wrong in [None, *wrong_tensors(tensors[name])]:
            path.write_bytes(content)
            changed = rest if wrong is None else rest | {name: wrong.contiguous()}
            forge(path, json.dumps(values), changed)
            check_opens_and_trains(path, tiny, settings)
