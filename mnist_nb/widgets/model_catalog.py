"""Which networks can read what is on a pad: the shipped ones, the reader's own, those taught a
hand. No widget here."""

import os
from pathlib import Path

from torch import nn

from mnist_nb import checkpoints
from mnist_nb.checkpoints import free_path, load_checkpoint

GIVEN = "model"
_SHIPPED = "shipped:"
_SHIPPED_LABELS = {"cnn": "convolutional network, shipped", "mlp": "784-128-64-10 network, shipped"}
_TAUGHT = ".my-hand"


class ModelCatalog:
    """The networks to choose from; each has a key, and is loaded when it is chosen.

    Args:
        model: one that is already loaded, and is then chosen first.
        path: where the reader's own model lies or will lie; the taught ones lie in the same folder.
    """

    def __init__(
        self, model: nn.Module | None = None, path: str | Path = "model.safetensors"
    ) -> None:
        self.path = Path(path)
        self._networks = (
            {} if model is None else {GIVEN: model}
        )  # those without a file of their own
        self._files: list[Path] = []

    def options(self) -> list[tuple[str, str]]:
        """(label, key) of each network that is there now."""
        found = [("the network of this notebook", GIVEN)] if GIVEN in self._networks else []
        shipped = {file.stem for file in checkpoints.PRETRAINED.glob("*.safetensors")}
        found += [(_SHIPPED_LABELS.get(name, name), _SHIPPED + name) for name in sorted(shipped)]
        if os.path.isfile(self.path):
            found.append((f"your own, {self.path.name}", os.fspath(self.path)))
        taught = sorted(self.path.parent.glob(f"*{_TAUGHT}*.safetensors"))
        labels = [(file, f"taught your hand, {file.name}") for file in taught]
        labels += [
            (file, f"from {file}") for file in self._files if file.is_file() and file not in taught
        ]
        found += [(label, os.fspath(file)) for file, label in labels if file != self.path]
        return found + [(f"opened: {name}", name) for name in self._networks if name != GIVEN]

    def load(self, key: str) -> nn.Module:
        """The network with this key, read anew if it is a file.

        Raises:
            CheckpointError: if its file does not hold one.
        """
        source = self.source(key)
        return load_checkpoint(source) if isinstance(source, Path) else source

    def source(self, key: str) -> nn.Module | Path:
        """The file of the network with this key, or the network itself if it has none."""
        if key in self._networks:
            return self._networks[key]
        shipped = checkpoints.PRETRAINED / f"{key.removeprefix(_SHIPPED)}.safetensors"
        return shipped if key.startswith(_SHIPPED) else Path(key)

    def open_file(self, path: str | Path) -> str:
        """Add a model's file to the choices; its key.

        Raises:
            CheckpointError: if it does not hold a model of ours.
        """
        file = Path(path).expanduser()
        load_checkpoint(file)
        if file not in self._files:
            self._files.append(file)
        return os.fspath(file)

    def open_content(self, name: str, content: bytes) -> str:
        """Add a model from the bytes of a safetensors file, as a browser sends them; its key.

        Raises:
            CheckpointError: if they do not hold a model of ours.
        """
        self._networks[name] = load_checkpoint(content, name=name)
        return name

    def taught_path(self, key: str) -> Path:
        """Where the network with this key is saved once it has been taught, never over another.

        `cnn.my-hand.safetensors` in the folder of the reader's own, then
        `cnn.my-hand-2.safetensors` and on.
        """
        stem = Path(key.removeprefix(_SHIPPED)).stem.partition(_TAUGHT)[0]
        return free_path(self.path.with_name(f"{stem}{_TAUGHT}.safetensors"))
