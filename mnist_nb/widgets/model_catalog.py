"""The networks that can read a drawing: shipped ones, the reader's own, and those taught a hand.

No widget here.
"""

import itertools
import os
from glob import glob
from pathlib import Path

from torch import nn

from mnist_nb.checkpoints import load_checkpoint, state_path
from mnist_nb.handwriting import pretrained

GIVEN = "model"
"""The key of the network that the catalog was made with."""

_SHIPPED = "shipped:"  # what keys of shipped networks begin with
_OPENED = "opened:"  # what keys of uploaded networks begin with
_SHIPPED_LABELS = {"cnn": "convolutional network, shipped", "mlp": "784-128-64-10 network, shipped"}
_TAUGHT = ".my-hand"  # what names of taught networks contain

Option = tuple[str, str]  # label, key


class ModelCatalog:
    """The networks to choose from; each has a key, and is loaded when it is chosen.

    Args:
        model: one that is already loaded, and becomes the first.
        path: of the reader's own model; taught networks are saved in the same folder.
    """

    def __init__(
        self, model: nn.Module | None = None, path: str | Path = "model.safetensors"
    ) -> None:
        self.path = Path(path).absolute()  # the current folder may change
        self._networks: dict[str, nn.Module] = {}  # those without a file
        if model is not None:
            self._networks[GIVEN] = model
        self._opened_files: list[Path] = []

    def options(self) -> list[Option]:
        """Return label and key of each network that exists now."""
        options = []
        if GIVEN in self._networks:
            options.append(("the network of this notebook", GIVEN))
        options += self._shipped()
        options += self._saved()
        uploaded = [key for key in self._networks if key != GIVEN]
        return options + [(f"{self.file_name(key)}, opened", key) for key in uploaded]

    def _shipped(self) -> list[Option]:
        names = sorted(file.stem for file in pretrained.PRETRAINED.glob("*.safetensors"))
        return [(_SHIPPED_LABELS.get(name, name), _SHIPPED + name) for name in names]

    def _saved(self) -> list[Option]:
        """The networks in files: the reader's own, the taught ones, those that were opened."""
        labels = {}
        if os.path.isfile(self.path):  # False as well where the folder may not be read
            labels[self.path] = f"your own, {self.path.name}"
        # Unlike Path.glob, glob finds nothing in a folder that may not be read.
        for name in sorted(glob(f"*{_TAUGHT}*.safetensors", root_dir=self.path.parent)):
            file = self.path.parent / name
            labels.setdefault(file, f"taught your hand, {file.name}")
        for file in self._opened_files:
            if file.is_file():
                labels.setdefault(file, f"from {file}")
        return [(label, os.fspath(file)) for file, label in labels.items()]

    def load(self, key: str) -> nn.Module:
        """Return the network with this key; a file is read again.

        Raises:
            CheckpointError: if the file does not hold a network.
        """
        source = self.source(key)
        return load_checkpoint(source) if isinstance(source, Path) else source

    def source(self, key: str) -> nn.Module | Path:
        """Return the file of the network with this key, or the network if it has no file."""
        if key in self._networks:
            return self._networks[key]
        if key.startswith(_SHIPPED):
            return pretrained.PRETRAINED / f"{key.removeprefix(_SHIPPED)}.safetensors"
        return Path(key)

    def open_file(self, path: str | Path) -> str:
        """Add a model's file to the options, and return its key.

        Raises:
            CheckpointError: if it does not hold a network.
        """
        file = Path(path).expanduser().absolute()
        load_checkpoint(file)
        if file not in self._opened_files:
            self._opened_files.append(file)
        return os.fspath(file)

    def open_content(self, name: str, content: bytes) -> str:
        """Add a model from the bytes of a safetensors file, and return its key.

        Raises:
            CheckpointError: if they do not hold a network.
        """
        key = f"{_OPENED}{name}"
        self._networks[key] = load_checkpoint(content, name=name)
        return key

    def file_name(self, key: str) -> str:
        """Return the name or path of the network's file; "cnn" for a shipped network."""
        return key.removeprefix(_SHIPPED).removeprefix(_OPENED)

    def taught_path(self, key: str) -> Path:
        """Return a free path for the network with this key once it has been taught.

        It is `cnn.my-hand.safetensors` in the folder of the reader's own, then
        `cnn.my-hand-2.safetensors` and so on.
        """
        name = Path(self.file_name(key)).stem.partition(_TAUGHT)[0]
        return free_path(self.path.with_name(f"{name}{_TAUGHT}.safetensors"))


def free_path(path: Path) -> Path:
    """Return the path, or the first free one of `model-2.safetensors`, `model-3.safetensors` ..."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    for candidate in itertools.chain([path], numbered):
        if not candidate.exists() and not state_path(candidate).exists():
            return candidate
    raise AssertionError("the numbers never end")
