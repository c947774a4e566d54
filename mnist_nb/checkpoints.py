"""Models in files: safetensors in, safetensors out; nothing half-written, nothing executed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from mnist_nb import __version__
from mnist_nb.data import Mnist
from mnist_nb.files import write_atomically
from mnist_nb.models import MODELS, Mlp, build_model
from mnist_nb.training import PRESETS, Hyperparameters, TrainingRun, train

LARGEST_FILE = 64 * 2**20
"""Bytes: a hundred times the largest model here, so that a wrong file cannot fill the memory."""

PRETRAINED = Path(__file__).parent / "pretrained"


class CheckpointError(ValueError):
    """A file that is not a model of ours, or cannot be read or written. Says which file, why, and what to do."""


# ---- weights


def save_checkpoint(model: nn.Module, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write the model's tensors, and string metadata, to a safetensors file that other programs can read.

    Args:
        model: an `Mlp` or a `Cnn`.
        path: the file; an old one is replaced in one step, or kept if anything goes wrong.
        metadata: strings beside "model" and the versions, which are always there.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    _write(path, _tensors(model), {"model": str(model.name), **_versions(), **(metadata or {})})


def load_checkpoint(path: str | Path) -> nn.Module:
    """Read a model from a safetensors file, ours or the Rust program's; on the CPU, in evaluation mode.

    Which network it is follows from the names of its tensors, its hidden width from their shapes.

    Raises:
        CheckpointError: if there is no such file, or it does not hold a whole and finite model.
    """
    model, _ = _load(path)
    return model


def read_metadata(path: str | Path) -> dict[str, str]:
    """The string metadata of a checkpoint: settings, epoch, accuracy, versions; empty for another program's file.

    Raises:
        CheckpointError: if there is no such file or it is not a safetensors file.
    """
    return _read(path)[1]


def load_pretrained(name: str = "cnn") -> nn.Module:
    """A model that ships with the package, trained for drawings: "mlp", or "cnn", which reads hands best.

    Raises:
        ValueError: for a name that is not one of those.
    """
    names = sorted(file.stem for file in PRETRAINED.glob("*.safetensors"))
    if name not in names:
        raise ValueError(f"no model named {name!r} ships with the package: choose one of {', '.join(names)}")
    return load_checkpoint(PRETRAINED / f"{name}.safetensors")


def load_or_train(path: str | Path, data: Mnist) -> tuple[nn.Module, str]:
    """The model in the file, or, where there is none, one trained in a few seconds, and a sentence that says which.

    The quick one is trained with the preset "fast" and kept nowhere: a notebook that was opened first works at once.

    Raises:
        CheckpointError: if there is a file and it is no model of ours.
    """
    if Path(path).exists():
        return load_checkpoint(path), f"Using the model in {path}."
    settings = PRESETS["fast"]
    model = build_model(settings.network, seed=settings.seed)
    records = list(train(model, data, settings))
    return model.eval(), (
        f"There is no {path} yet, so a quick model was trained: {settings.epochs} epochs, "
        f"{sum(record.seconds for record in records):.0f} s. Notebook 02 trains and saves one."
    )


# ---- runs: weights, and beside them what an exact resume needs


def state_path(path: str | Path) -> Path:
    """Where the training state that belongs to a checkpoint lies: `model.safetensors` -> `model.resume.safetensors`."""
    path = Path(path)
    return path.with_name(f"{path.stem}.resume{path.suffix}")


def save_run(run: TrainingRun, path: str | Path) -> None:
    """Write the run's weights to `path`, and what resuming it exactly needs to the file beside it.

    The two files change hands so that a crash at any moment leaves a pair that belongs together: the new state waits
    under a name of its own until the weights it belongs to are in place.

    Raises:
        CheckpointError: if a file cannot be written.
    """
    weights = _tensors(run.model)
    state = state_path(path)
    if run.diverged:  # its optimiser has seen infinity: only the weights are worth keeping
        _remove(state, _pending(state))
    else:
        tensors, values = run.state()
        _write(_pending(state), tensors, {"weights": _digest(weights), "state": json.dumps(values)})
    _write(path, weights, _run_metadata(run))
    if not run.diverged:
        _promote(state)


def continue_run(
    path: str | Path,
    data: Mnist,
    hyperparameters: Hyperparameters,
    *,
    fresh: bool = False,
    device: str | None = None,
) -> tuple[TrainingRun, str]:
    """A run that goes on from the checkpoint, or begins if there is none, and a sentence that says which.

    An unfinished run with the same settings is resumed exactly; a finished one is given `epochs` more; other
    settings, or weights that the training state does not belong to, start from the weights alone.

    Args:
        path: the checkpoint; it need not exist.
        fresh: begin anew even if it does.

    Raises:
        CheckpointError: if the file is no model, or one of another kind than the settings ask for.
    """
    if fresh or not Path(path).exists():
        model = build_model(hyperparameters.network, seed=hyperparameters.seed)
        run = TrainingRun(model, data, hyperparameters, device=device)
        old = f"; {path} will be replaced" if Path(path).exists() else ""
        return run, f"A new {hyperparameters.network} begins{old}."
    model, metadata = _load(path)
    if model.name != hyperparameters.network:
        raise CheckpointError(
            f"{path} holds a network of the kind {model.name}, and the settings ask for {hyperparameters.network}: "
            f"choose network {model.name}, another file, or a fresh start"
        )
    found = _state_of(path, _digest(_tensors(model)))
    run = TrainingRun(model, data, hyperparameters, device=device)
    if found is None:
        run.first_epoch = run.epoch = _whole_number(metadata.get("epoch"))
        return run, f"Starting from the weights in {path}; no training state belongs to them, so that begins fresh."
    tensors, values = found
    if values["hyperparameters"] != dataclasses.asdict(hyperparameters) or values["images"] != len(data.train.labels):
        run.first_epoch = run.epoch = values["epoch"]
        return run, f"Starting from the weights in {path} with other settings ({_changes(values, hyperparameters)})."
    try:
        run.restore(tensors, values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"{state_path(path)} is not a training state of ours ({error}): delete it, and training "
            f"continues from the weights in {path}"
        ) from error
    if not run.finished:
        position = f"epoch {run.epoch + 1}, batch {run.batch + 1} of {run.batches_per_epoch}"
        return run, f"Resuming the unfinished run in {path} at {position}."
    run.train_more()
    return run, f"{path} has finished {run.epoch} epochs; training {hyperparameters.epochs} more."


# ---- inside


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}


def _load(path: str | Path) -> tuple[nn.Module, dict[str, str]]:
    tensors, metadata = _read(path)
    model = _empty_model_like(tensors)
    expected = model.state_dict() if model is not None else {}
    problem = _mismatch(tensors, expected)
    if model is None or problem:
        raise CheckpointError(
            f"{path} is a safetensors file but not a model of this series: {problem}. Expected the tensors of "
            f"one of {', '.join(MODELS)}, as save_checkpoint writes them"
        )
    model.load_state_dict(tensors)
    return model.eval(), metadata


def _empty_model_like(tensors: Mapping[str, Tensor]) -> nn.Module | None:
    """The network whose names these tensors bear, as wide as they are; None if they fit none."""
    for name in MODELS:
        model = build_model(name)
        if set(model.state_dict()) == set(tensors):
            if name == Mlp.name:
                biases = (tensors["linear1.bias"], tensors["linear2.bias"])
                widths = tuple(len(bias) if bias.ndim else 0 for bias in biases)
                if all(0 < width <= 4096 for width in widths):
                    return build_model(name, hidden=widths)
            return model
    return None


def _mismatch(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """What is wrong with the tensors, in words; empty if nothing is."""
    if not expected:
        return f"its tensors are named {', '.join(sorted(tensors)[:6]) or 'nothing at all'}"
    for name, wanted in expected.items():
        tensor = tensors[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            return f"{name} is {tensor.dtype} {list(tensor.shape)} and not {wanted.dtype} {list(wanted.shape)}"
        if not bool(torch.isfinite(tensor).all()):
            return f"{name} holds NaN or infinite numbers"
    return ""


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        size = os.stat(path).st_size
        if size > LARGEST_FILE:
            raise CheckpointError(f"{path} is {size:,} bytes long, far more than a model of this series: wrong file?")
        with safe_open(os.fspath(path), framework="pt") as file:  # reads tensors only; nothing in a file is executed
            # copies: a mapped file would change under the model if another program wrote to it
            return {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no model at {path}: train one first (notebook 02, or python -m mnist_nb train)"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except CheckpointError:
        raise
    except Exception as error:  # safetensors raises several kinds for a damaged file: all mean the same to a reader
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error}): it may be cut short, or of another format; "
            "train again or take a copy of it"
        ) from error


def _write(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    try:
        write_atomically(path, safetensors.torch.save(tensors, metadata))
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error.strerror or error}; choose another place or make room"
        ) from error


def _digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of the tensors, whatever else is in their file."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {weights[name].dtype} {list(weights[name].shape)}".encode())
        digest.update(weights[name].numpy().tobytes())
    return digest.hexdigest()


def _pending(state: Path) -> Path:
    return state.with_name(f"{state.name}.next")


def _promote(state: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # another kernel that saved the same file was quicker
        os.replace(_pending(state), state)


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _state_of(path: str | Path, digest: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The training state that belongs to the weights with this digest, if one lies beside them."""
    state = state_path(path)
    for candidate in (_pending(state), state):
        if candidate.exists():
            with contextlib.suppress(CheckpointError, ValueError):  # a damaged state belongs to nothing
                tensors, metadata = _read(candidate)
                if metadata.get("weights") == digest:
                    return tensors, json.loads(metadata["state"])
    return None


def _run_metadata(run: TrainingRun) -> dict[str, str]:
    metadata = {
        "model": str(run.model.name),
        **_versions(),
        "hyperparameters": json.dumps(dataclasses.asdict(run.hyperparameters)),
        "epoch": str(run.epoch),
        "batch": str(run.batch),
        "data": run.data.source,
    }
    if run.learning_rate_changes:
        metadata["learning_rate_changes"] = json.dumps(run.learning_rate_changes)
    if run.records:
        metadata["validation_accuracy"] = f"{run.records[-1].validation_accuracy:.4f}"
    return metadata


def _versions() -> dict[str, str]:
    return {"mnist_nb": __version__, "torch": str(torch.__version__)}


def _whole_number(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else 0


def _changes(values: Mapping[str, Any], settings: Hyperparameters) -> str:
    new, old = dataclasses.asdict(settings), values["hyperparameters"]
    changed = [f"{name} {value} instead of {old.get(name)}" for name, value in new.items() if old.get(name) != value]
    return "; ".join(changed) or "another set of training images"
