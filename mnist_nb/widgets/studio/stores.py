"""Storage of the studio's runs: in memory or in a checkpoint."""

import contextlib
import copy
from pathlib import Path
from typing import NamedTuple

from mnist_nb.checkpoints import (
    Start,
    continue_run,
    read_metadata,
    save_checkpoint,
    save_run,
    state_path,
)
from mnist_nb.data import Mnist
from mnist_nb.files import parse_json
from mnist_nb.models import build_model
from mnist_nb.training import Hyperparameters, TrainingRun
from mnist_nb.widgets.studio.records import RunRecord

NEW_NETWORK = "a new network"


class Beginning(NamedTuple):
    """A run that is about to start."""

    run: TrainingRun
    sentence: str  # how it begins
    source: str  # the source of its initial weights


class MemoryStore:
    """Storage in memory, for this kernel only.

    Args:
        data: from `load_mnist`.
        device: "cpu", "cuda" or "mps"; None chooses the fastest available.

    Attributes:
        label: the name of the weights that training can continue from.
    """

    def __init__(self, data: Mnist, device: str | None) -> None:
        self.label = "the current network"
        self._data = data
        self._device = device

    def find_unfinished(self) -> TrainingRun | None:
        """Return None: the memory of an earlier kernel is lost."""
        return None

    def begin(
        self, settings: Hyperparameters, current: RunRecord | None, *, fresh: bool
    ) -> Beginning:
        """Return a run that starts with a new network, or with a copy of the current one.

        Raises:
            ValueError: if the current network is not the network of the settings.
        """
        if fresh or current is None:
            new = build_model(settings.network, seed=settings.seed)
            run = TrainingRun(new, self._data, settings, device=self._device)
            return Beginning(run, f"A new {settings.network} begins.", NEW_NETWORK)
        model = copy.deepcopy(current.model)
        if model.name != settings.network:
            raise ValueError(
                f"the current network is of type {model.name}, but the settings say "
                f"{settings.network}: choose network {model.name}, or start from a new network"
            )
        run = TrainingRun(model, self._data, settings, device=self._device)
        run.first_epoch = run.epoch = current.epoch
        sentence = f"Starting from the weights of {current.name} with these settings."
        return Beginning(run, sentence, current.name)

    def save(self, run: TrainingRun) -> None:
        """Do nothing: the run is in memory."""

    def save_record(self, record: RunRecord) -> None:
        """Do nothing: the record is in memory."""


class FileStore:
    """Storage in a checkpoint, from which runs can continue.

    Args:
        path: the checkpoint.
        data: from `load_mnist`.
        device: "cpu", "cuda" or "mps"; None chooses the fastest available.

    Attributes:
        label: the name of the weights that training can continue from.
    """

    def __init__(self, path: Path, data: Mnist, device: str | None) -> None:
        self.label = path.name
        self._path = path
        self._data = data
        self._device = device

    def find_unfinished(self) -> TrainingRun | None:
        """Return the unfinished run of an earlier kernel or the command line, if any.

        Its training state is enough if the weights could not be written.
        """
        # no valid training state: an error when training starts says so
        with contextlib.suppress(ValueError, TypeError, KeyError):
            metadata = read_metadata(state_path(self._path))
            settings = Hyperparameters(**parse_json(metadata["state"])["hyperparameters"])
            run, _ = continue_run(self._path, self._data, settings, device=self._device)
            if run.steps_done:
                return run
        return None

    def begin(
        self, settings: Hyperparameters, current: RunRecord | None, *, fresh: bool
    ) -> Beginning:
        """Return a run that starts with a new network, or from the checkpoint.

        Raises:
            CheckpointError: if the checkpoint is not a network, or not the network of the
                settings.
        """
        run, start = continue_run(
            self._path, self._data, settings, fresh=fresh, device=self._device
        )
        is_new = start.kind in (Start.NEW, Start.REPLACING)
        source = NEW_NETWORK if is_new else self._path.name
        short_start = start._replace(path=Path(self.label))  # its name without the folder
        return Beginning(run, str(short_start), source)

    def save(self, run: TrainingRun) -> None:
        """Save the run's weights and the state to resume it.

        Raises:
            CheckpointError: if a file cannot be written.
        """
        save_run(run, self._path)

    def save_record(self, record: RunRecord) -> None:
        """Save the weights of a run, and the state to resume it if it is unfinished.

        Raises:
            CheckpointError: if a file cannot be written.
        """
        if record.unfinished is None:
            save_checkpoint(record.model, self._path, record.metadata())
        else:
            save_run(record.unfinished, self._path)
