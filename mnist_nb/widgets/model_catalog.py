"""The networks that can read a drawing: shipped, your own, and those taught your handwriting.

Imports no widget.
"""

import itertools
import os
from glob import glob
from pathlib import Path

from torch import nn

from mnist_nb.checkpoints import load_checkpoint, state_path
from mnist_nb.handwriting import pretrained

GIVEN = "model"
"""The key of the network that was passed to the catalog."""

_SHIPPED = "shipped:"  # the prefix of keys of shipped networks
_OPENED = "opened:"  # the prefix of keys of uploaded networks
_SHIPPED_LABELS = {
    "cnn": "convolutional network, shipped",
    "mlp": "784-128-64-10 network, shipped",
}
_TAUGHT = ".my-hand"  # a part of the names of taught networks

Option = tuple[str, str]  # label, key


class ModelCatalog:
    """The networks to choose from. Each has a key, and is loaded when it is chosen.

    Args:
        model: a loaded network, which becomes the first option.
        path: your own network's file. Taught networks are saved in the same folder.
    """

    def __init__(
        self, model: nn.Module | None = None, path: str | Path = "model.safetensors"
    ) -> None:
        self.path = Path(path).absolute()  # the working folder may change
        self._networks: dict[str, nn.Module] = {}  # networks without a file
        if model is not None:
            self._networks[GIVEN] = model
        self._opened_files: list[Path] = []

    def options(self) -> list[Option]:
        """Return the label and key of each network that exists now."""
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
        """Return the networks in files: your own, the taught ones, and those that were opened."""
        labels = {}
        if os.path.isfile(self.path):  # False also if the folder may not be read
            labels[self.path] = f"your own, {self.path.name}"
        # Unlike Path.glob, glob returns nothing for a folder that may not be read.
        for name in sorted(glob(f"*{_TAUGHT}*.safetensors", root_dir=self.path.parent)):
            file = self.path.parent / name
            labels.setdefault(file, f"taught your handwriting, {file.name}")
        for file in self._opened_files:
            if file.is_file():
                labels.setdefault(file, f"from {file}")
        return [(label, os.fspath(file)) for file, label in labels.items()]

    def load(self, key: str) -> nn.Module:
        """Return the network with this key. Files are read again each time.

        Raises:
            CheckpointError: if the file is not a network.
        """
        source = self.source(key)
        return load_checkpoint(source) if isinstance(source, Path) else source

    def source(self, key: str) -> nn.Module | Path:
        """Return the file of the network with this key, or the network itself if it has no file."""
        if key in self._networks:
            return self._networks[key]
        if key.startswith(_SHIPPED):
            return pretrained.PRETRAINED / f"{key.removeprefix(_SHIPPED)}.safetensors"
        return Path(key)

    def open_file(self, path: str | Path) -> str:
        """Add a network's file to the options, and return its key.

        Raises:
            CheckpointError: if the file is not a network.
        """
        file = Path(path).expanduser().absolute()
        load_checkpoint(file)
        if file not in self._opened_files:
            self._opened_files.append(file)
        return os.fspath(file)

    def open_content(self, name: str, content: bytes) -> str:
        """Add a network from the bytes of a safetensors file, and return its key.

        Raises:
            CheckpointError: if they are not a network.
        """
        key = f"{_OPENED}{name}"
        self._networks[key] = load_checkpoint(content, name=name)
        return key

    def file_name(self, key: str) -> str:
        """Return the name or path of the network's file, such as "cnn" for a shipped network."""
        return key.removeprefix(_SHIPPED).removeprefix(_OPENED)

    def taught_path(self, key: str) -> Path:
        """Return a free path for the taught version of the network with this key.

        It is `cnn.my-hand.safetensors` in the folder of your own network, then
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
