"""A network and a pad in one HTML file that any browser opens, without Python and without a
network."""

import base64
import copy
import hashlib
import json
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnist_nb import data
from mnist_nb.checkpoints import load_checkpoint, read_metadata
from mnist_nb.data import SIDE
from mnist_nb.errors import check_range
from mnist_nb.files import (
    CheckpointError,
    check_replaceable,
    explain_os_error,
    parse_json,
    regular_file,
    write_atomically,
)
from mnist_nb.handwriting import grouping, numbers, pieces, preprocessing, refusal, sketch
from mnist_nb.models import Network, layer_parameters, predict
from mnist_nb.training import Hyperparameters
from mnist_nb.widgets import markup, prediction
from mnist_nb.widgets.page.layers import describe_layers

TITLE = "A reader of digits"
MAX_TITLE = 200  # characters
MAX_TAUGHT = 1_000_000
MAX_TAUGHT_WORDS = 40  # characters of a checkpoint's words about it
MAX_WEIGHTS = 2_000_000  # ten megabytes of page: more than a phone likes to be sent
GENERATOR = b'<meta name="generator" content="mnist_nb">'
HEAD_BYTES = 1000  # the mark of the generator is among these first bytes

SHARED_CONSTANTS = {
    data: ("SIDE",),
    preprocessing: ("BOX", "PEN_WIDTH", "RASTER", "SMALLEST_SIDE", "CENTRE"),
    sketch: (
        "CANVAS",
        "ERASER_GRID",
        "DOT_EXTENT",
        "DENSE_POINTS",
        "QUARTERS",
        "STEPS_PER_ERASER",
    ),
    pieces: ("STEPS_PER_EXTENT",),
    grouping: (
        "MAX_SPAN",
        "MAX_GAP",
        "MAX_WIDTH",
        "MAX_HEIGHT",
        "TYPICAL_WIDTH",
        "TYPICAL_HEIGHT",
        "CLEARANCE",
        "MIN_WIDTH",
        "MIN_HEIGHT",
        "LINE_GAP",
        "MAX_SAMPLES",
    ),
    numbers: (
        "MAX_PIECES",
        "MIN_PIECE_SIZE",
        "MIN_PIECE_HEIGHT",
        "MIN_DIGIT_SIZE",
        "MIN_LINE_OVERLAP",
        "MIN_SCORE",
        "MAX_SCORE_LOGIT",
        "ENERGY_LOGIT_SLOPE",
        "ENERGY_LOGIT_SHIFT",
        "DOUBTFUL",
        "FORMS",
        "SCORE_FACTOR",
    ),
    prediction: ("SURE", "LIKELY", "OVER_99"),
    markup: ("OVER_999",),
}
"""The constants that the page's scripts use under the same names, by module."""


def export_page(
    model: nn.Module | str | Path,
    path: str | Path,
    *,
    title: str = TITLE,
    taught: int = 0,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML file that holds the network and a pad to draw on.

    Any browser opens it; it works without a network and sends nothing. It reads drawings as
    `Sketch.to_mnist` and `predict` do, and whole numbers as `read_number` does. A page with a
    network of this series is at most 700 kB long: five characters for each number of four bytes.

    Args:
        model: a `Network` of Linear, Conv2d, BatchNorm2d, MaxPool2d, ReLU, Flatten and Dropout
            layers; or a checkpoint's file: then the page also says how it was trained.
        path: the page's file. An older page is replaced in one step, or kept if anything fails.
        title: shown above the pad, 1 to 200 characters, always as plain text.
        taught: how many digits of one person's handwriting `adapt` taught the network; the page
            says so. A checkpoint that the pad taught has that number in its metadata.
        overwrite: replace a file of another kind as well.

    Raises:
        CheckpointError: if the model cannot be read or holds numbers that are not finite, or if the
            page cannot be written or would replace a file of another kind.
        TypeError: if the model is no `Network`, or the title is no text.
        ValueError: for a title of another length, a negative number of digits, a layer that a page
            cannot hold, or a network of more than two million weights.
    """
    shown_title = _clean_title(title)
    check_range("taught", taught, 0, MAX_TAUGHT)
    check_replaceable(path, "page", ours=overwrite or _is_our_page(path))
    metadata: dict[str, str] = {}
    network = model
    if isinstance(model, str | Path):
        metadata = read_metadata(model)
        network = load_checkpoint(model)
    if not isinstance(network, Network):
        raise TypeError(
            "model must be a Network, such as build_model makes, or a checkpoint's file, "
            f"got {type(network).__name__}"
        )
    content = json.dumps(_describe_network(network), allow_nan=False)
    if taught:
        metadata["taught"] = prediction.describe_digit_count(taught)
    about = f"{_describe_training(network, metadata)} {_describe_sureness(network)}"
    page = _fill_template(shown_title, about, content)
    with explain_os_error(path):
        write_atomically(path, page.encode())


def _clean_title(title: object) -> str:
    """Return a title as one line of printable characters.

    Raises:
        TypeError: if it is no text.
        ValueError: if it has no or too many characters.
    """
    if not isinstance(title, str):
        raise TypeError(f"title must be text, got {type(title).__name__}")
    printable = "".join(sign if sign.isprintable() else " " for sign in title)
    line = " ".join(printable.split())
    if not 1 <= len(line) <= MAX_TITLE:
        raise ValueError(f"title must have 1 to {MAX_TITLE} characters, got {len(line):,}")
    return line


def _is_our_page(path: str | Path) -> bool:
    """Whether the file at the path is a page that this module wrote."""
    try:
        with open(regular_file(path), "rb") as file:  # opening a pipe would wait
            return GENERATOR in file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return False


def _describe_network(network: Network) -> dict[str, Any]:
    """Return all that the page's script needs to know, as JSON can hold it.

    Raises:
        CheckpointError: if the network holds or computes numbers that are not finite.
        ValueError: for a layer that a page cannot hold, or too many weights.
    """
    copied = copy.deepcopy(network).cpu().double().eval()
    image = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.float64)
    layers, layer_numbers = describe_layers(copied.layers, image)
    head = refusal.refusal_head(copied)
    head_layers = {} if head is None else dict(head.named_children())
    hidden = torch.zeros(1, copied.hidden_units, dtype=torch.float64)
    refusal_layers, refusal_numbers = describe_layers(head_layers, hidden)
    return {
        "layers": layers,
        "refusal_layers": refusal_layers,
        "weights": _encode(layer_numbers + refusal_numbers),
        "refused": refusal.refusal_threshold(network),
        "energy": _describe_energy(network),
        "grouping": vars(grouping.GROUP_WEIGHTS),
        "constants": _shared_constants(),
    }


def _encode(tensors: list[Tensor]) -> str:
    """Return numbers as text: five characters for the four bytes of each, little-endian."""
    with np.errstate(over="ignore"):
        weights: NDArray[np.float32] = torch.cat(tensors).detach().numpy().astype("<f4")
    if weights.size > MAX_WEIGHTS:
        raise ValueError(
            f"A page holds at most {MAX_WEIGHTS:,} weights, and this network has {weights.size:,}."
        )
    _check_finite(weights)
    text = base64.b85encode(weights.tobytes()).decode()
    return text.replace("<", ".")  # a sign that means nothing in HTML


def _describe_energy(network: Network) -> dict[str, float]:
    """Return what makes the energy of logits a score, for networks without a refusal head."""
    mean, deviation = (value.item() for value in refusal.energy_of_digits(network))
    _check_finite([mean, deviation])
    return {"mean": mean, "deviation": deviation, "shift": refusal.ENERGY_SHIFT}


def _check_finite(values: Any) -> None:
    if not np.isfinite(values).all():
        raise CheckpointError("No page was written: this model holds NaN or infinite numbers.")


def _shared_constants() -> dict[str, Any]:
    constants = {}
    for module, names in SHARED_CONSTANTS.items():
        for name in names:
            constants[name] = getattr(module, name)
    return constants


def _fill_template(title: str, about: str, model: str) -> str:
    """Return the page; its security policy lets only its own style and scripts run."""
    page, reader, pad = (_read_file(name) for name in ("page.html", "reader.js", "page.js"))
    style = page.partition("<style>")[2].partition("</style>")[0]
    return Template(page).substitute(
        style_hash=_hash(style),
        reader_hash=_hash(reader),
        pad_hash=_hash(pad),
        title=escape(title),
        about=escape(about),
        model=model,
        reader=reader,
        pad=pad,
    )


def _read_file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the hash by which a security policy recognizes a style or a script."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _describe_training(network: Network, metadata: dict[str, str]) -> str:
    """Return a sentence on what reads in the page, and how it was trained and what it was taught if
    metadata says so."""
    has_convolution = any(isinstance(layer, nn.Conv2d) for layer in network.layers.values())
    kind = "convolutional" if has_convolution else "fully connected"
    weights = sum(parameter.numel() for parameter in layer_parameters(network))
    sentence = f"Read by a {kind} network of {weights:,} weights"
    if "taught" in metadata:
        taught = metadata["taught"][:MAX_TAUGHT_WORDS]
        sentence += f", taught {taught} of one person's handwriting"
    try:
        settings = Hyperparameters(**parse_json(metadata["hyperparameters"]))
        epochs, accuracy = int(metadata["epoch"]), float(metadata["validation_accuracy"])
        check_range("epoch", epochs, 0, 10**9)
        check_range("validation_accuracy", accuracy, 0, 1)
    except (KeyError, TypeError, ValueError):  # another program's file, or the model alone
        return f"{sentence}."
    return (
        f"{sentence}, trained on MNIST for {epochs} epochs of batches of "
        f"{settings.batch_size} ({settings.optimizer}, learning rate {settings.learning_rate:g}); "
        f"it read {100 * accuracy:.2f} % of MNIST's validation images right."
    )


def _describe_sureness(network: Network) -> str:
    """Return a sentence on how sure the network usually is: the median on images that none has been
    trained on."""
    images = data.load_sample().test.images
    median = float(predict(network, images).amax(1).median())
    return (
        f"It is usually {prediction.how_sure(median)} "
        f"(the median of {len(images):,} of MNIST's test images)."
    )
