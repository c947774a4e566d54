"""The networks included in the package, trained for drawings."""

from pathlib import Path

from mnist_nb.checkpoints import load_checkpoint
from mnist_nb.models import Network

PRETRAINED = Path(__file__).parent / "weights"


def load_pretrained(name: str = "cnn") -> Network:
    """Load a network included in the package, trained for drawings: "cnn" (best) or "mlp".

    Raises:
        ValueError: if the name is unknown.
        CheckpointError: if its file is missing in this installation.
    """
    if name not in ("cnn", "mlp"):
        raise ValueError(f"name must be 'cnn' or 'mlp', the shipped networks, got {name!r}")
    return load_checkpoint(PRETRAINED / f"{name}.safetensors")
