"""Where the studio's runs begin and are saved: in memory or in a checkpoint."""

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
    """A run that is about to begin."""

    run: TrainingRun
    sentence: str  # how it begins
    source: str  # where its first weights come from


class MemoryStore:
    """Runs that are kept in this kernel only.

    Args:
        data: from `load_mnist`.
        device: "cpu", "cuda" or "mps"; None chooses.

    Attributes:
        label: the name of the weights that training can continue from.
    """

    def __init__(self, data: Mnist, device: str | None) -> None:
        self.label = "the current network"
        self._data = data
        self._device = device

    def find_unfinished(self) -> TrainingRun | None:
        """Return None: an earlier kernel's memory is gone."""
        return None

    def begin(
        self, settings: Hyperparameters, current: RunRecord | None, *, fresh: bool
    ) -> Beginning:
        """Return a run that begins with a new network, or with a copy of the current one.

        Raises:
            ValueError: if the current network is of another kind than the settings ask for.
        """
        if fresh or current is None:
            new = build_model(settings.network, seed=settings.seed)
            run = TrainingRun(new, self._data, settings, device=self._device)
            return Beginning(run, f"A new {settings.network} begins.", NEW_NETWORK)
        model = copy.deepcopy(current.model)
        if model.name != settings.network:
            raise ValueError(
                f"the current network is a {model.name} and the settings ask for "
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
    """Runs that are saved to a checkpoint, and continue from it.

    Args:
        path: the checkpoint.
        data: from `load_mnist`.
        device: "cpu", "cuda" or "mps"; None chooses.

    Attributes:
        label: the name of the weights that training can continue from.
    """

    def __init__(self, path: Path, data: Mnist, device: str | None) -> None:
        self.label = path.name
        self._path = path
        self._data = data
        self._device = device

    def find_unfinished(self) -> TrainingRun | None:
        """Return the unfinished run that an earlier kernel or the command line left, if any.

        Its training state is enough, if the weights beside it could not be written.
        """
        # no training state, or not one of ours: an error when training starts says so
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
        """Return a run that begins with a new network, or from the checkpoint.

        Raises:
            CheckpointError: if the checkpoint is no model, or one of another kind than the
                settings ask for.
        """
        run, start = continue_run(
            self._path, self._data, settings, fresh=fresh, device=self._device
        )
        is_new = start.kind in (Start.NEW, Start.REPLACING)
        source = NEW_NETWORK if is_new else self._path.name
        short_start = start._replace(path=Path(self.label))  # its name without the folder
        return Beginning(run, str(short_start), source)

    def save(self, run: TrainingRun) -> None:
        """Save the run's weights, and what resuming it needs.

        Raises:
            CheckpointError: if a file cannot be written.
        """
        save_run(run, self._path)

    def save_record(self, record: RunRecord) -> None:
        """Save the weights of a run, and if it is unfinished what resuming it needs.

        Raises:
            CheckpointError: if a file cannot be written.
        """
        if record.unfinished is None:
            save_checkpoint(record.model, self._path, record.metadata())
        else:
            save_run(record.unfinished, self._path)
