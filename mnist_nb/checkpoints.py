"""Models and runs of training in files: safetensors in, safetensors out."""

import dataclasses
import enum
import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mnist_nb import files
from mnist_nb.data import Mnist
from mnist_nb.data.arguments import Share, check_arguments
from mnist_nb.files import CheckpointError, Tell, signature_of
from mnist_nb.models import MODELS, Mlp, build_model, loss_and_accuracy
from mnist_nb.training import PRESETS, Hyperparameters, TrainingRun, train

PRETRAINED = Path(__file__).parent / "models" / "pretrained"


# ---- weights


@check_arguments
def save_checkpoint(
    model: nn.Module,
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    tell: Tell | None = None,
) -> None:
    """Write the model's tensors, and string metadata, to a safetensors file that other programs can
    read.

    Args:
        model: an `Mlp` or a `Cnn`.
        path: the file; an old one is replaced in one step, or kept if anything goes wrong.
        metadata: strings beside "model", the versions and the checksum, which are always there.
        tell: called with a sentence if another program has saved the file meanwhile; None warns
            instead.

    Raises:
        CheckpointError: if the file cannot be written, or the model could not be read again: one of
            another class, with numbers of another type, or not finite. The old file stays.
    """
    files.tell_if_changed(path, tell)
    files.keep_other_kinds(path, "model")
    _write_weights(path, *_checked_weights(model, path), metadata or {})


@check_arguments
def load_checkpoint(source: str | Path | bytes, *, name: str = "") -> nn.Module:
    """Read a model from a safetensors file, ours or the Rust program's; on the CPU, in evaluation
    mode.

    Which network it is follows from the names of its tensors, its hidden width from their shapes.

    Args:
        source: the file's path, or its content.
        name: what errors call the file; its path if empty.

    Raises:
        CheckpointError: if there is no such file, or it does not hold a whole and finite model.
    """
    return _load(source, name)[0]


@check_arguments
def read_metadata(path: str | Path) -> dict[str, str]:
    """The string metadata of a checkpoint: settings, epoch, accuracy, versions; empty for another
    program's file.

    Raises:
        CheckpointError: if there is no such file or it is not a safetensors file.
    """
    return files.read_tensors(path)[1]


@check_arguments
def load_pretrained(name: str = "cnn") -> nn.Module:
    """A model that ships with the package, trained for drawings: "mlp", or "cnn", which reads hands
    best.

    Raises:
        ValueError: for a name that is not one of those.
    """
    names = sorted(file.stem for file in PRETRAINED.glob("*.safetensors"))
    if name not in names:
        raise ValueError(
            f"no model named {name!r} ships with the package: choose one of {', '.join(names)}"
        )
    return load_checkpoint(PRETRAINED / f"{name}.safetensors")


@check_arguments
def load_or_train(path: str | Path, data: Mnist, at_least: Share = 0.97) -> tuple[nn.Module, str]:
    """The model in the file where it reads well enough, else one trained in seconds; and a sentence
    that says which.

    So a notebook's text stays true, whatever lies in the file. The quick one is trained with the
    preset "fast" and kept nowhere.

    Args:
        at_least: the validation accuracy in [0, 1] that the file's model must reach; with the
            sample, 0.1 less will do.

    Raises:
        ValueError: for an accuracy out of range.
    """
    settings, wanted = PRESETS["fast"], at_least - 0.1 * data.is_sample
    try:
        model = load_checkpoint(path)
        accuracy = loss_and_accuracy(model, data.validation.images, data.validation.labels)[1]
        if accuracy >= wanted:
            return (
                model,
                f"Using the model in {path}: it reads {accuracy:.1%} of the validation images.",
            )
        why = f"The model in {path} reads {accuracy:.1%}, and what is said here needs {wanted:.0%}"
    except CheckpointError as error:
        why = str(error) if os.path.exists(path) else f"There is no {path} yet"
    model = build_model(settings.network, seed=settings.seed)
    records = list(train(model, data, settings))
    return model.eval(), (
        f"{why}; so a quick one was trained: {settings.epochs} epochs, {sum(one.seconds for one in records):.0f} s, "
        f"{records[-1].validation_accuracy:.1%} of the validation images read right. Your file stays as it is."
    )


# ---- runs: a file that resumes them exactly lies beside the weights


class Start(enum.Enum):
    """How `continue_run` begins, each with the sentence that says so."""

    NEW = "A new {run.hyperparameters.network} begins."
    REPLACING = "A new {run.hyperparameters.network} begins; {path} will be replaced."
    WEIGHTS = "Starting from the weights in {path}; no training state belongs to them, so that begins fresh."
    OTHER_SETTINGS = "Starting from the weights in {path} with other settings ({changes})."
    RESUMED = "Resuming the unfinished run in {path} at {run.position}."
    EXTENDED = "{path} has finished {run.epoch} epochs; training {run.hyperparameters.epochs} more."


class RunStart(NamedTuple):
    """What `continue_run` decided; as text, a sentence about the run as it stands, to be said at
    once."""

    kind: Start
    path: Path
    run: TrainingRun
    changes: str = ""  # which settings differ, for OTHER_SETTINGS

    def __str__(self) -> str:
        return self.kind.value.format(**self._asdict())


def state_path(path: str | Path) -> Path:
    """Where the training state that belongs to a checkpoint lies: `model.safetensors` ->
    `model.resume.safetensors`."""
    path = Path(path)
    return path.with_name(f"{path.stem}.resume{path.suffix}")


def free_path(path: Path) -> Path:
    """The path itself, or with the first number that is free: `model.safetensors` ->
    `model-2.safetensors`."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(
        one
        for one in itertools.chain([path], numbered)
        if not one.exists() and not state_path(one).exists()
    )


@check_arguments
def save_run(run: TrainingRun, path: str | Path, *, tell: Tell | None = None) -> None:
    """Write the run's weights to `path`, and beside it a file that alone is enough to resume the
    run exactly.

    That file is written first and notes which weights it will replace. So after a crash between the
    two writes, `continue_run` knows that it belongs here, and goes on from it. Of a run that
    diverged only the last good weights are kept; if it did in its first epoch, a model that lies
    there already stays instead.

    Args:
        tell: called with a sentence if another program has saved the weights meanwhile; None warns
            instead.

    Raises:
        CheckpointError: if a file cannot be written.
    """
    with files.explain_refusal(path):  # before the state, which would come to lie beside a device
        files.regular_file(path)
    files.tell_if_changed(path, tell)
    files.keep_other_kinds(path, "model")
    state = state_path(path)
    files.keep_other_kinds(state, "training state")
    name, weights = _checked_weights(run.model, path)
    if run.diverged and run.epoch == run.first_epoch and Path(path).exists():
        return  # it learnt nothing: what lies there can still be used, and a run be resumed
    if run.diverged:  # its optimiser has seen infinity: only the weights are worth keeping
        with files.explain_refusal(state, "removed"):
            state.unlink(missing_ok=True)
    else:
        tensors, values = run.state_dict()
        tensors = {f"model.{name}": tensor for name, tensor in weights.items()} | tensors
        told = {
            "weights": files.digest(weights),
            "replaces": json.dumps(signature_of(path)),
            "state": json.dumps(values),
        }
        files.write_tensors(state, tensors, {**told, "sha256": _checksum(tensors, told)})
    _write_weights(path, name, weights, _run_metadata(run))


@check_arguments
def continue_run(
    path: str | Path,
    data: Mnist,
    hyperparameters: Hyperparameters,
    *,
    fresh: bool = False,
    device: str | None = None,
) -> tuple[TrainingRun, RunStart]:
    """A run that goes on from the checkpoint, or begins if there is none, and how it does.

    An unfinished run with the same settings is resumed exactly; a finished one is given `epochs`
    more; other settings, or weights that the training state does not belong to, start from the
    weights alone.

    Args:
        path: the checkpoint; it need not exist.
        fresh: begin anew even if it does.

    Raises:
        CheckpointError: if the file is no model, or one of another kind than the settings ask for.
    """
    path = Path(path)
    with files.explain_refusal(path, "read"):
        there = path.exists()
    if fresh or not there:
        model: nn.Module = build_model(hyperparameters.network, seed=hyperparameters.seed)
        run = TrainingRun(model, data, hyperparameters, device=device)
        files.remember(path)
        return run, RunStart(Start.REPLACING if there else Start.NEW, path, run)
    model, metadata = _load(path)
    state = _read_state(path, files.digest(_tensors(model)))
    if state is not None:  # it may hold later weights, if a crash fell between the two files
        own = {
            name.removeprefix("model."): one
            for name, one in state[0].items()
            if name.startswith("model.")
        }
        model = _recognise(own)[0] or model
    if model.name != hyperparameters.network:
        raise CheckpointError(
            f"{path} holds a network of the kind {model.name}, and the settings ask for {hyperparameters.network}: "
            f"choose network {model.name}, another file, or a fresh start"
        )
    run = TrainingRun(model, data, hyperparameters, device=device)
    if state is None:
        epoch = metadata.get("epoch", "")
        run.first_epoch = run.epoch = int(epoch) if epoch.isdecimal() and len(epoch) < 10 else 0
        return run, RunStart(Start.WEIGHTS, path, run)
    try:
        return run, _take_up(run, path, *state)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise CheckpointError(
            f"{state_path(path)} is not a training state of ours ({error}): delete it, and training "
            f"continues from the weights in {path}"
        ) from error


# ---- inside


def _take_up(run: TrainingRun, path: Path, tensors: Mapping[str, Tensor], words: str) -> RunStart:
    """Give the run a training state, or only its epoch where the settings are others."""
    values = files.parse_json(words)
    new, old = (
        run.hyperparameters,
        Hyperparameters(**values["hyperparameters"]),
    )  # a field it lacks has its default
    if new != old or values["images"] != len(run.data.train):
        if not 0 <= values["epoch"] < 10**9:
            raise ValueError(f"epoch {values['epoch']}")
        run.first_epoch = run.epoch = int(values["epoch"])
        before, after = dataclasses.asdict(old), dataclasses.asdict(new)
        changed = [
            f"{name} {after[name]} instead of {before[name]}"
            for name in after
            if after[name] != before[name]
        ]
        return RunStart(
            Start.OTHER_SETTINGS, path, run, "; ".join(changed) or "another set of training images"
        )
    run.load_state_dict(tensors, values)
    if not run.finished:
        return RunStart(Start.RESUMED, path, run)
    run.train_more()
    return RunStart(Start.EXTENDED, path, run)


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}


def _checked_weights(model: nn.Module, path: str | Path) -> tuple[str, dict[str, Tensor]]:
    """The network's name and its weights; an error if they could not be read again, for then they
    are not written."""
    tensors = _tensors(model)
    found, problem = _recognise(tensors)
    if found is None:
        raise CheckpointError(
            f"{path} is left as it is, for this model could not be read again: {problem}"
        )
    return str(found.name), tensors


def _write_weights(
    path: str | Path, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    versions = {"mnist_nb": version("mnist_nb"), "torch": str(torch.__version__)}
    files.write_tensors(
        path, tensors, {"model": name, **versions, **metadata, "sha256": files.digest(tensors)}
    )


def _load(source: str | Path | bytes, name: str = "") -> tuple[nn.Module, dict[str, str]]:
    tensors, metadata = files.read_tensors(source, name)
    name = name or ("the file" if isinstance(source, bytes) else str(source))
    model, problem = _recognise(tensors)
    if model is None:
        raise CheckpointError(
            f"{name} is a safetensors file but not a model of this series: {problem}. Expected the tensors of "
            f"one of {', '.join(MODELS)}, as save_checkpoint writes them"
        )
    if metadata.get("sha256", own := files.digest(tensors)) != own:
        raise CheckpointError(
            f"{name} was damaged after it was written: its numbers do not fit its checksum; train again or take a copy"
        )
    return model.eval(), metadata


def _recognise(tensors: Mapping[str, Tensor]) -> tuple[nn.Module | None, str]:
    """The network that has these weights, copied; None, and why not, if they are no network's."""
    refuses = any(name.startswith("reject.") for name in tensors)
    for name in MODELS:
        model = build_model(name, seed=0, reject=refuses)
        if set(model.state_dict()) != set(tensors):
            continue
        if name == Mlp.name:  # as wide as its tensors are
            widths = tuple(
                len(bias) if bias.ndim else 0
                for bias in (tensors["linear1.bias"], tensors["linear2.bias"])
            )
            if all(0 < width <= 4096 for width in widths):
                model = build_model(name, seed=0, reject=refuses, hidden=widths)
        for key, wanted in model.state_dict().items():
            tensor = tensors[key]
            if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
                found, expected = (f"{one.dtype} {list(one.shape)}" for one in (tensor, wanted))
                return None, f"{key} is {found} and not {expected}"
            if not bool(torch.isfinite(tensor).all()):
                return None, f"{key} holds NaN or infinite numbers"
        model.load_state_dict(tensors)
        return model, ""
    return None, f"its tensors are named {', '.join(sorted(tensors)[:6]) or 'nothing at all'}"


def _read_state(path: Path, weights: str) -> tuple[dict[str, Tensor], str] | None:
    """The training state beside the checkpoint, as tensors and JSON, if it belongs to the weights
    with this digest."""
    try:
        tensors, metadata = files.read_tensors(state_path(path))
    except CheckpointError:  # there is none, or a damaged one, which belongs to nothing
        return None
    belongs = metadata.get("weights") == weights or metadata.get("replaces") == json.dumps(
        signature_of(path)
    )
    whole = metadata.get("sha256") == _checksum(tensors, metadata)
    return (tensors, metadata.get("state", "")) if belongs and whole else None


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Of a training state, numbers and words: a flipped bit in a momentum would be noticed by
    nobody."""
    words = [
        metadata[key] for key in ("weights", "state", "replaces") if key in metadata
    ]  # 0.1.0 had no "replaces"
    return hashlib.sha256("\n".join([files.digest(tensors), *words]).encode()).hexdigest()


def _run_metadata(run: TrainingRun) -> dict[str, str]:
    metadata = {"epoch": str(run.epoch), "batch": str(run.batch), "data": run.data.source}
    metadata["hyperparameters"] = json.dumps(dataclasses.asdict(run.hyperparameters))
    if run.learning_rate_changes:
        metadata["learning_rate_changes"] = json.dumps(run.learning_rate_changes)
    if run.records:
        metadata["validation_accuracy"] = f"{run.records[-1].validation_accuracy:.4f}"
    return metadata
