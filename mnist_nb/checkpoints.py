"""Saving and loading of networks and training runs, in safetensors files."""

import dataclasses
import enum
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mnist_nb import files
from mnist_nb.data import Mnist
from mnist_nb.errors import check_range
from mnist_nb.files import CheckpointError
from mnist_nb.models import MODELS, Network, build_model
from mnist_nb.plugins import AUXILIARY_HEADS, find_plugin
from mnist_nb.training import Hyperparameters, TrainingRun

_MODEL_KEY, _STATE_KEY = "model", "state"  # metadata keys that identify the kinds of files
_MODEL_PREFIX = "model."  # prefix of the weights in a training state


# ---- weights


def save_checkpoint(
    model: nn.Module,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Save a network and optional metadata to a safetensors file.

    Args:
        model: an instance of a class in `MODELS`.
        path: the file. An existing checkpoint is replaced in one step.
        metadata: strings to save in addition to "model", the versions and the checksum.
        overwrite: also replace a file of another kind.

    Raises:
        CheckpointError: if the file cannot be written, is of another kind, or could not be loaded
            again because the network has another class, another type of numbers, or values that
            are not finite. The old file is unchanged.
    """
    if not overwrite:
        _check_replaceable(path)
    name, weights = _checked_weights(model, path)
    _write_weights(path, name, weights, metadata or {})


def load_checkpoint(source: str | Path | bytes, *, name: str = "") -> Network:
    """Load a network from a safetensors file, on the CPU and in evaluation mode.

    The names of the tensors determine the network, their shapes its hidden width.

    Args:
        source: the file's path or its content.
        name: the file's name in error messages; its path if empty.

    Raises:
        CheckpointError: if the file does not exist, is damaged, or is not a network with finite
            weights.
    """
    tensors, metadata = files.read_tensors(source, name)
    name = name or ("the file" if isinstance(source, bytes) else str(source))
    try:
        model = _network_from(tensors)
    except ValueError as error:
        raise CheckpointError(
            f"{name} is a safetensors file but not a network of this series: {error}. Choose a "
            f"file that save_checkpoint wrote (networks: {', '.join(MODELS)})."
        ) from error
    checksum = files.digest(tensors)
    if metadata.get("sha256", checksum) != checksum:
        raise CheckpointError(
            f"{name} was damaged after it was saved: its weights do not match its checksum. Train "
            "again or use a copy."
        )
    return model.eval()


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return a checkpoint's metadata: settings, epoch, accuracy, versions.

    Safetensors files of other programs may have none of these.

    Raises:
        CheckpointError: if the file does not exist or is not a safetensors file.
    """
    return files.read_tensors(path)[1]


# ---- runs: weights in one file, and the training state that resumes them in another


class Start(enum.Enum):
    """How `continue_run` began, with a sentence that says so."""

    NEW = "A new {run.hyperparameters.network} begins."
    REPLACING = "A new {run.hyperparameters.network} begins; {path} will be replaced."
    WEIGHTS = "Starting from the weights in {path}; there is no training state for them."
    OTHER_SETTINGS = "Starting from the weights in {path} with other settings ({changes})."
    RESUMED = "Resuming the unfinished run in {path} at {run.position}."
    EXTENDED = "{path} has finished {run.epoch} epochs; training {run.hyperparameters.epochs} more."


class RunStart(NamedTuple):
    """The result of `continue_run`. `str` gives a sentence about the run's current state."""

    kind: Start
    path: Path
    run: TrainingRun
    changes: str = ""  # the settings that differ, for OTHER_SETTINGS

    def __str__(self) -> str:
        return self.kind.value.format(**self._asdict())


def state_path(path: str | Path) -> Path:
    """Return the training state's path: `model.safetensors` -> `model.resume.safetensors`."""
    path = Path(path)
    return path.with_name(f"{path.stem}.resume{path.suffix}")


def save_run(run: TrainingRun, path: str | Path) -> None:
    """Save the run's weights to `path`, and next to it a training state that resumes it exactly.

    The state is written first. It includes the weights and identifies the file that they will
    replace, so after a crash between the two writes, `continue_run` resumes from the state. If the
    run diverged, only its last good weights are saved; if it diverged in its first epoch, an
    existing network is kept.

    Raises:
        CheckpointError: if a file cannot be written, or a file of another kind has its name.
    """
    _check_replaceable(path)
    state = state_path(path)
    files.check_replaceable(state, "training state", ours=_STATE_KEY in files.read_header(state)[1])
    name, weights = _checked_weights(run.model, path)
    if run.diverged and run.epoch == run.first_epoch and Path(path).exists():
        return
    if run.diverged:
        with files.explain_os_error(state, "removed"):
            state.unlink(missing_ok=True)  # its buffers may be infinite
    else:
        _write_state(state, run, weights, replaces=files.signature_of(path))
    _write_weights(path, name, weights, _run_metadata(run))


def continue_run(
    path: str | Path,
    data: Mnist,
    hyperparameters: Hyperparameters,
    *,
    fresh: bool = False,
    device: str | None = None,
) -> tuple[TrainingRun, RunStart]:
    """Resume or extend the run in a checkpoint, or start a new one.

    An unfinished run with the same settings is resumed exactly; a finished one is extended by
    `epochs`. If settings differ, or no training state belongs to the weights, training starts from
    the weights alone.

    Args:
        path: the checkpoint; it need not exist.
        data: the data to train on.
        hyperparameters: the settings.
        fresh: start with a new network even if the checkpoint exists.
        device: "cpu", "cuda" or "mps"; None chooses the fastest available.

    Raises:
        CheckpointError: if the file is not a network, or not the network of the settings.
    """
    path = Path(path)
    with files.explain_os_error(path, "read"):
        exists = path.exists()
    saved = None if fresh else _read_run(path)
    if saved is None:
        model: nn.Module = build_model(hyperparameters.network, seed=hyperparameters.seed)
        run = TrainingRun(model, data, hyperparameters, device=device)
        return run, RunStart(Start.REPLACING if exists else Start.NEW, path, run)
    if saved.model.name != hyperparameters.network:
        raise CheckpointError(
            f"{path} contains a network of type {saved.model.name}, but the settings say "
            f"{hyperparameters.network}: choose network {saved.model.name}, another file, or a "
            "fresh start"
        )
    run = TrainingRun(saved.model, data, hyperparameters, device=device)
    if not saved.state_values:
        run.first_epoch = run.epoch = _epoch_in(saved.metadata)
        return run, RunStart(Start.WEIGHTS, path, run)
    try:
        return run, _restore_state(run, path, saved)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise _state_error(path, error) from error


# ---- inside: weights


def _check_replaceable(path: str | Path) -> None:
    """Check that a network may be saved here: no file, or one with the tensors of a network."""
    known = [set(model().state_dict()) for model in MODELS.values()]
    names, metadata = files.read_header(path)
    files.check_replaceable(path, "network", ours=_MODEL_KEY in metadata or names in known)


def _checked_weights(model: nn.Module, path: str | Path) -> tuple[str, dict[str, Tensor]]:
    """Return the network's name and weights, after checking that they can be loaded again."""
    weights = _weights_of(model)
    try:
        return _network_from(weights).name, weights
    except ValueError as error:
        raise CheckpointError(
            f"{path} was not saved, because this network could not be loaded again: {error}"
        ) from error


def _weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of the weights on the CPU: a file cannot store tensors that share memory."""
    state = model.state_dict()
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def _write_weights(
    path: str | Path, name: str, weights: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    versions = {"mnist_nb": version("mnist_nb"), "torch": str(torch.__version__)}
    checksum = files.digest(weights)
    files.write_tensors(
        path, weights, {_MODEL_KEY: name, **versions, **metadata, "sha256": checksum}
    )


def _network_from(tensors: Mapping[str, Tensor]) -> Network:
    """Build the network with copies of these weights.

    Raises:
        ValueError: if no network has these tensors; the message says why.
    """
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    of_layers = {name for name in shapes if name.partition(".")[0] not in AUXILIARY_HEADS}
    for network_class in MODELS.values():
        if set(network_class().state_dict()) == of_layers:
            network = network_class(**network_class.options_from(shapes))
            _add_heads(network, shapes)
            _check_tensors(tensors, network.state_dict())
            network.load_state_dict(tensors)
            return network
    names = ", ".join(sorted(tensors)[:6]) or "none"
    raise ValueError(f"its tensors ({names}) belong to no known network")


def _add_heads(network: Network, names: Mapping[str, Any]) -> None:
    """Add the auxiliary heads whose tensors are among the names."""
    for head in AUXILIARY_HEADS:
        if any(name.startswith(f"{head}.") for name in names):
            head_class = find_plugin(AUXILIARY_HEADS, head)
            network.add_module(head, head_class(network.hidden_units))


def _check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Check that the tensors have the expected names, types and shapes, and are finite."""
    if set(tensors) != set(expected):
        odd = ", ".join(sorted(set(tensors) ^ set(expected))[:6])
        raise ValueError(f"tensors are missing or unexpected: {odd}")
    for name, wanted in expected.items():
        tensor = tensors[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            found = f"{tensor.dtype} {list(tensor.shape)}"
            raise ValueError(f"{name} must be {wanted.dtype} {list(wanted.shape)}, got {found}")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} contains NaN or infinity")


# ---- inside: training states


class _SavedRun(NamedTuple):
    """A checkpoint, and the training state that belongs to it, if any."""

    model: Network
    metadata: dict[str, str]
    state_tensors: dict[str, Tensor] = {}  # noqa: RUF012
    state_values: str = ""  # JSON; empty without a state


def _read_run(path: Path) -> _SavedRun | None:
    """Read the checkpoint and its training state; None if neither exists.

    A state belongs to the weights with its checksum. After a crash between the two writes, it also
    belongs to the weights that it was about to replace; its own weights are newer then.
    """
    state = _read_state(state_path(path))
    if not path.exists():
        if state is None or not _is_about_to_replace(path, state[1]):
            return None
        return _with_state(path, {}, *state)
    model, metadata = load_checkpoint(path), read_metadata(path)
    if state is None:
        return _SavedRun(model, metadata)
    belongs = state[1].get("weights") == files.digest(_weights_of(model))
    if belongs or _is_about_to_replace(path, state[1]):
        return _with_state(path, metadata, *state)
    return _SavedRun(model, metadata)


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Return the tensors and metadata of a training state; None if it is missing or damaged."""
    try:
        tensors, metadata = files.read_tensors(path)
    except CheckpointError:
        return None
    is_whole = metadata.get("sha256") == _state_checksum(tensors, metadata)
    return (tensors, metadata) if is_whole else None


def _is_about_to_replace(path: Path, metadata: Mapping[str, str]) -> bool:
    return metadata.get("replaces") == json.dumps(files.signature_of(path))


def _with_state(
    path: Path,
    metadata: dict[str, str],
    tensors: dict[str, Tensor],
    state_metadata: Mapping[str, str],
) -> _SavedRun:
    try:
        model = _network_from(files.without_prefix(tensors, _MODEL_PREFIX)).eval()
    except ValueError as error:
        raise _state_error(path, error) from error
    return _SavedRun(model, metadata, tensors, state_metadata.get(_STATE_KEY, "null"))


def _state_error(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{state_path(path)} is not a valid training state ({error}): delete it to continue from "
        f"the weights in {path}"
    )


def _write_state(
    path: Path, run: TrainingRun, weights: Mapping[str, Tensor], replaces: files.Signature | None
) -> None:
    tensors, values = run.state_dict()
    for name, tensor in weights.items():
        tensors[_MODEL_PREFIX + name] = tensor
    metadata = {
        "weights": files.digest(weights),
        "replaces": json.dumps(replaces),
        _STATE_KEY: json.dumps(values),
    }
    metadata["sha256"] = _state_checksum(tensors, metadata)
    files.write_tensors(path, tensors, metadata)


def _state_checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return a checksum of tensors and metadata: a flipped bit would otherwise go unnoticed."""
    words = [metadata.get(key, "") for key in ("weights", _STATE_KEY, "replaces")]
    return hashlib.sha256("\n".join([files.digest(tensors), *words]).encode()).hexdigest()


def _restore_state(run: TrainingRun, path: Path, saved: _SavedRun) -> RunStart:
    """Restore the training state, or only its epoch if the settings differ."""
    values = files.parse_json(saved.state_values)
    before, chosen = Hyperparameters(**values["hyperparameters"]), run.hyperparameters
    if before != chosen or values["images"] != len(run.data.train):
        check_range("epoch", values["epoch"], 0, 10**9)
        run.first_epoch = run.epoch = int(values["epoch"])
        changes = _describe_changes(before, chosen) or "another set of training images"
        return RunStart(Start.OTHER_SETTINGS, path, run, changes)
    run.load_state_dict(saved.state_tensors, values)
    if not run.finished:
        return RunStart(Start.RESUMED, path, run)
    run.train_more()
    return RunStart(Start.EXTENDED, path, run)


def _describe_changes(saved: Hyperparameters, chosen: Hyperparameters) -> str:
    """Describe the settings that differ: "epochs 3 instead of 10; seed 1 instead of 0"."""
    changes = []
    for field in dataclasses.fields(chosen):
        before, after = getattr(saved, field.name), getattr(chosen, field.name)
        if before != after:
            changes.append(f"{field.name} {after} instead of {before}")
    return "; ".join(changes)


def _run_metadata(run: TrainingRun) -> dict[str, str]:
    metadata = {
        "epoch": str(run.epoch),
        "batch": str(run.batch),
        "data": run.data.source,
        "hyperparameters": json.dumps(dataclasses.asdict(run.hyperparameters)),
    }
    if run.records:
        metadata["validation_accuracy"] = f"{run.records[-1].validation_accuracy:.4f}"
    return metadata


def _epoch_in(metadata: Mapping[str, str]) -> int:
    """Return the epoch in a checkpoint's metadata, or 0."""
    epoch = metadata.get("epoch", "")
    return int(epoch) if epoch.isdecimal() and len(epoch) < 10 else 0
