"""Networks and training runs in files: safetensors in, safetensors out."""

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

_MODEL_KEY, _STATE_KEY = "model", "state"  # metadata by which a save recognizes files of its kind
_MODEL_PREFIX = "model."  # of the weights in a training state


# ---- weights


def save_checkpoint(
    model: nn.Module,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write the network's tensors, and string metadata, to a safetensors file.

    Args:
        model: a network of one of the classes in `MODELS`.
        path: the file; a network that lies there is replaced in one step.
        metadata: strings besides "model", the versions and the checksum, which are always written.
        overwrite: replace a file of another kind as well.

    Raises:
        CheckpointError: if the file cannot be written, something else lies there, or the network
            could not be read again: another class, another type of numbers, or not finite. Nothing
            has changed then.
    """
    if not overwrite:
        _check_replaceable(path)
    name, weights = _checked_weights(model, path)
    _write_weights(path, name, weights, metadata or {})


def load_checkpoint(source: str | Path | bytes, *, name: str = "") -> Network:
    """Read a network from a safetensors file; it is on the CPU and in evaluation mode.

    The names of the tensors decide which network it is, their shapes its hidden width.

    Args:
        source: the file's path, or its content.
        name: what errors call the file; its path if empty.

    Raises:
        CheckpointError: if there is no such file, or it does not hold a whole and finite network.
    """
    tensors, metadata = files.read_tensors(source, name)
    name = name or ("the file" if isinstance(source, bytes) else str(source))
    try:
        model = _network_from(tensors)
    except ValueError as error:
        raise CheckpointError(
            f"{name} is a safetensors file but not a network of this series: {error}. Expected "
            f"the tensors of one of {', '.join(MODELS)}, as save_checkpoint writes them"
        ) from error
    checksum = files.digest(tensors)
    if metadata.get("sha256", checksum) != checksum:
        raise CheckpointError(
            f"{name} was damaged after it was written: its numbers do not match its checksum; "
            "train again or use a copy"
        )
    return model.eval()


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return a checkpoint's metadata: settings, epoch, accuracy, versions; other files have none.

    Raises:
        CheckpointError: if there is no such file or it is not a safetensors file.
    """
    return files.read_tensors(path)[1]


# ---- runs: beside the weights lies a file that resumes them exactly


class Start(enum.Enum):
    """How `continue_run` begins, each with the sentence that says so."""

    NEW = "A new {run.hyperparameters.network} begins."
    REPLACING = "A new {run.hyperparameters.network} begins; {path} will be replaced."
    WEIGHTS = "Starting from the weights in {path}; there is no training state for them."
    OTHER_SETTINGS = "Starting from the weights in {path} with other settings ({changes})."
    RESUMED = "Resuming the unfinished run in {path} at {run.position}."
    EXTENDED = "{path} has finished {run.epoch} epochs; training {run.hyperparameters.epochs} more."


class RunStart(NamedTuple):
    """How `continue_run` began; as text, a sentence about the run as it is at that moment."""

    kind: Start
    path: Path
    run: TrainingRun
    changes: str = ""  # which settings differ, for OTHER_SETTINGS

    def __str__(self) -> str:
        return self.kind.value.format(**self._asdict())


def state_path(path: str | Path) -> Path:
    """Return the training state's path: `model.safetensors` -> `model.resume.safetensors`."""
    path = Path(path)
    return path.with_name(f"{path.stem}.resume{path.suffix}")


def save_run(run: TrainingRun, path: str | Path) -> None:
    """Write the run's weights to `path`, and beside it a training state that resumes it exactly.

    The state holds the weights as well, is written first, and notes which weights it will replace.
    So after a crash between the two writes, `continue_run` recognizes it and resumes from it. Of a
    run that diverged only the last good weights are kept, and if it diverged in its first epoch, a
    network that already lies there stays instead.

    Raises:
        CheckpointError: if a file cannot be written, or something else lies in its place.
    """
    _check_replaceable(path)
    state = state_path(path)
    files.check_replaceable(state, "training state", ours=_STATE_KEY in files.read_header(state)[1])
    name, weights = _checked_weights(run.model, path)
    if run.diverged and run.epoch == run.first_epoch and Path(path).exists():
        return
    if run.diverged:
        with files.explain_refusal(state, "removed"):
            state.unlink(missing_ok=True)  # infinite buffers are not worth keeping
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
    """Resume or extend the run in a checkpoint, or begin a new one.

    An unfinished run with the same settings is resumed exactly; a finished one gets `epochs` more.
    With other settings, or without a training state that belongs to the weights, training starts
    from the weights alone.

    Args:
        path: the checkpoint; it need not exist.
        data: what is learnt.
        hyperparameters: the settings.
        fresh: begin with a new network even if the checkpoint exists.
        device: "cpu", "cuda" or "mps"; None chooses.

    Raises:
        CheckpointError: if the file holds no network, or one of another kind than the settings ask
            for.
    """
    path = Path(path)
    with files.explain_refusal(path, "read"):
        exists = path.exists()
    saved = None if fresh else _read_run(path)
    if saved is None:
        model: nn.Module = build_model(hyperparameters.network, seed=hyperparameters.seed)
        run = TrainingRun(model, data, hyperparameters, device=device)
        return run, RunStart(Start.REPLACING if exists else Start.NEW, path, run)
    if saved.model.name != hyperparameters.network:
        raise CheckpointError(
            f"{path} holds a {saved.model.name}, and the settings ask for a "
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
    """Check that a network may be written here: a file of ours, or tensors of one of `MODELS`."""
    names, metadata = files.read_header(path)
    is_network = (
        any(names == set(model().state_dict()) for model in MODELS.values()) if names else False
    )
    files.check_replaceable(path, "network", ours=_MODEL_KEY in metadata or is_network)


def _checked_weights(model: nn.Module, path: str | Path) -> tuple[str, dict[str, Tensor]]:
    """Return the network's name and weights, once it is sure that they can be read again."""
    weights = _weights_of(model)
    try:
        return _network_from(weights).name, weights
    except ValueError as error:
        raise CheckpointError(
            f"{path} is left as it is, for this model could not be read again: {error}"
        ) from error


def _weights_of(model: nn.Module) -> dict[str, Tensor]:
    state = model.state_dict()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def _write_weights(
    path: str | Path, name: str, weights: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    versions = {"mnist_nb": version("mnist_nb"), "torch": str(torch.__version__)}
    checksum = files.digest(weights)
    files.write_tensors(
        path, weights, {_MODEL_KEY: name, **versions, **metadata, "sha256": checksum}
    )


def _network_from(tensors: Mapping[str, Tensor]) -> Network:
    """Build the network that has these weights, copied.

    Raises:
        ValueError: if no network has them; the message says why.
    """
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    for network_class in MODELS.values():
        if set(network_class().state_dict()) == _layer_names(shapes):
            network = network_class(**network_class.options_from(shapes))
            _add_heads(network, shapes)
            _check_tensors(tensors, network.state_dict())
            network.load_state_dict(tensors)
            return network
    names = ", ".join(sorted(tensors)[:6]) or "nothing at all"
    raise ValueError(f"its tensors are named {names}")


def _layer_names(names: Mapping[str, Any]) -> set[str]:
    """The names of tensors that belong to no auxiliary head."""
    return {name for name in names if name.partition(".")[0] not in AUXILIARY_HEADS}


def _add_heads(network: Network, names: Mapping[str, Any]) -> None:
    """Add the auxiliary heads whose tensors are among the names."""
    for head in AUXILIARY_HEADS:
        if any(name.startswith(f"{head}.") for name in names):
            head_class = find_plugin(AUXILIARY_HEADS, head)
            network.add_module(head, head_class(network.hidden_units))


def _check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Check that the tensors have the names, types and shapes expected, and are finite."""
    if set(tensors) != set(expected):
        odd = ", ".join(sorted(set(tensors) ^ set(expected))[:6])
        raise ValueError(f"tensors are missing, or too many: {odd}")
    for name, wanted in expected.items():
        tensor = tensors[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            found = f"{tensor.dtype} {list(tensor.shape)}"
            raise ValueError(f"{name} is {found} and not {wanted.dtype} {list(wanted.shape)}")
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds NaN or infinite numbers")


# ---- inside: training states


class _SavedRun(NamedTuple):
    """A checkpoint, with its training state where one belongs to it."""

    model: Network
    metadata: dict[str, str]
    state_tensors: dict[str, Tensor] = {}  # noqa: RUF012
    state_values: str = ""  # JSON; empty without a state


def _read_run(path: Path) -> _SavedRun | None:
    """Read the checkpoint and its training state; None if there is neither.

    A state belongs to the weights with its checksum, and to those that it was about to replace when
    a crash came between the two writes; then its own weights are the later ones.
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
    """The tensors and metadata of a whole training state; a damaged one belongs to nothing."""
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
        f"{state_path(path)} is not a training state of ours ({error}): delete it, and training "
        f"continues from the weights in {path}"
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
    """The checksum of numbers and words: nobody would notice a flipped bit in a momentum."""
    words = [metadata.get(key, "") for key in ("weights", _STATE_KEY, "replaces")]
    return hashlib.sha256("\n".join([files.digest(tensors), *words]).encode()).hexdigest()


def _restore_state(run: TrainingRun, path: Path, saved: _SavedRun) -> RunStart:
    """Restore the training state, or only its epoch where the settings differ."""
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
    """Which settings differ: "epochs 3 instead of 10; seed 1 instead of 0"."""
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
    """The epoch that a checkpoint's metadata names, or 0."""
    epoch = metadata.get("epoch", "")
    return int(epoch) if epoch.isdecimal() and len(epoch) < 10 else 0
