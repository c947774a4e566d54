"""The networks that ship with the package, trained for drawings."""

from pathlib import Path

from mnist_nb.checkpoints import load_checkpoint
from mnist_nb.models import Network

PRETRAINED = Path(__file__).parent / "weights"


def load_pretrained(name: str = "cnn") -> Network:
    """Load a network that ships with the package, trained for drawings: "cnn" (best) or "mlp".

    Raises:
        ValueError: for another name.
        CheckpointError: if this installation lacks its file.
    """
    if name not in ("cnn", "mlp"):
        raise ValueError(f"name must be 'cnn' or 'mlp', the networks that ship, got {name!r}")
    return load_checkpoint(PRETRAINED / f"{name}.safetensors")
