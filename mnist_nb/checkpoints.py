"""Models in files: safetensors in, safetensors out; nothing half-written, nothing executed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mnist_nb import __version__
from mnist_nb.data import Mnist
from mnist_nb.models import MODELS, Mlp, build_model
from mnist_nb.tensor_files import CheckpointError as CheckpointError
from mnist_nb.tensor_files import digest, read_tensors, remember, tell_if_changed, write_tensors
from mnist_nb.training import PRESETS, Hyperparameters, TrainingRun, train

PRETRAINED = Path(__file__).parent / "models" / "pretrained"


# ---- weights


def save_checkpoint(
    model: nn.Module,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Write the model's tensors, and string metadata, to a safetensors file that other programs can read.

    Args:
        model: an `Mlp` or a `Cnn`.
        path: the file; an old one is replaced in one step, or kept if anything goes wrong.
        metadata: strings beside "model", the versions and the checksum, which are always there.
        tell: called with a sentence if another program has saved the file meanwhile; None warns instead.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    tell_if_changed(path, tell)
    _write_weights(path, _tensors(model), {"model": str(model.name), **_versions(), **(metadata or {})})


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
    return read_tensors(path)[1]


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


def save_run(run: TrainingRun, path: str | Path, *, tell: Callable[[str], None] | None = None) -> None:
    """Write the run's weights to `path`, and what resuming it exactly needs to the file beside it.

    The two files change hands so that a crash at any moment leaves a pair that belongs together: the new state waits
    under a name of its own until the weights it belongs to are in place.

    Args:
        tell: called with a sentence if another program has saved the weights meanwhile; None warns instead.

    Raises:
        CheckpointError: if a file cannot be written.
    """
    tell_if_changed(path, tell)
    weights = _tensors(run.model)
    state = state_path(path)
    _settle(path)
    try:
        if run.diverged:  # its optimiser has seen infinity: only the weights are worth keeping
            for old in (state, _pending(state)):
                old.unlink(missing_ok=True)
        else:
            tensors, values = run.state_dict()
            told = {"weights": digest(weights), "state": json.dumps(values)}
            write_tensors(_pending(state), tensors, {**told, "sha256": _seal(tensors, told)})
        _write_weights(path, weights, _run_metadata(run))
        if not run.diverged:
            with contextlib.suppress(FileNotFoundError):  # another kernel that saved the same file was quicker
                os.replace(_pending(state), state)
    except OSError as error:
        raise CheckpointError(f"{state} cannot be replaced: {error.strerror or error}; choose another place") from error


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
        remember(path)
        old = f"; {path} will be replaced" if Path(path).exists() else ""
        return run, f"A new {hyperparameters.network} begins{old}."
    model, metadata = _load(path)
    if model.name != hyperparameters.network:
        raise CheckpointError(
            f"{path} holds a network of the kind {model.name}, and the settings ask for {hyperparameters.network}: "
            f"choose network {model.name}, another file, or a fresh start"
        )
    found = _state_of(path, digest(_tensors(model)))
    run = TrainingRun(model, data, hyperparameters, device=device)
    if found is None:
        run.first_epoch = run.epoch = _whole_number(metadata.get("epoch"))
        return run, f"Starting from the weights in {path}; no training state belongs to them, so that begins fresh."
    tensors, values = found
    try:
        if values["hyperparameters"] != dataclasses.asdict(hyperparameters) or values["images"] != len(data.train):
            run.first_epoch = run.epoch = _whole_number(str(values["epoch"]))
            changes = _changes(values, hyperparameters)
            return run, f"Starting from the weights in {path} with other settings ({changes})."
        run.load_state_dict(tensors, values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
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


def _write_weights(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    write_tensors(path, tensors, {**metadata, "sha256": digest(tensors)})


def _load(path: str | Path) -> tuple[nn.Module, dict[str, str]]:
    tensors, metadata = read_tensors(path)
    model = _empty_model_like(tensors)
    expected = model.state_dict() if model is not None else {}
    problem = _mismatch(tensors, expected)
    if model is None or problem:
        raise CheckpointError(
            f"{path} is a safetensors file but not a model of this series: {problem}. Expected the tensors of "
            f"one of {', '.join(MODELS)}, as save_checkpoint writes them"
        )
    if metadata.get("sha256", own := digest(tensors)) != own:
        raise CheckpointError(
            f"{path} was damaged after it was written: its numbers do not fit its checksum; train again or take a copy"
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


def _pending(state: Path) -> Path:
    return state.with_name(f"{state.name}.next")


def _settle(path: str | Path) -> None:
    """Finish what a crash left undone: the state of the weights in place must not be overwritten while it waits."""
    state = state_path(path)
    if _pending(state).exists():
        with contextlib.suppress(ValueError, RecursionError, OSError):  # what cannot be read belongs to nothing
            waiting = read_tensors(_pending(state))[1]
            if waiting.get("weights") == digest(read_tensors(path)[0]):
                os.replace(_pending(state), state)


def _state_of(path: str | Path, weights: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The training state that belongs to the weights with this digest, if one lies beside them."""
    state = state_path(path)
    for candidate in (_pending(state), state):
        if candidate.exists():
            with contextlib.suppress(ValueError, RecursionError):  # a damaged state belongs to nothing
                tensors, metadata = read_tensors(candidate)
                if metadata.get("weights") == weights and metadata.get("sha256") == _seal(tensors, metadata):
                    return tensors, json.loads(metadata["state"])
    return None


def _seal(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """A checksum of a training state, numbers and words: a flipped bit in a momentum would be noticed by nobody."""
    words = "\n".join([digest(tensors), metadata.get("weights", ""), metadata.get("state", "")])
    return hashlib.sha256(words.encode()).hexdigest()


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
