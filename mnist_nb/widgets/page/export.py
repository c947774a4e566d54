"""Export of a network and a pad as one HTML file, which needs no Python and no internet."""

import base64
import copy
import dataclasses
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
from mnist_nb.handwriting import (
    brackets,
    grouping,
    numbers,
    page_reading,
    pieces,
    preprocessing,
    refusal,
    sketch,
    slashes,
)
from mnist_nb.handwriting.ink_grouping import SlashFeatures, load_weights
from mnist_nb.models import Network, layer_parameters, predict
from mnist_nb.training import Hyperparameters
from mnist_nb.widgets import markup, prediction
from mnist_nb.widgets.page.layers import describe_layers

TITLE = "Digit reader"
MAX_TITLE = 200  # characters
MAX_TAUGHT = 1_000_000
MAX_TAUGHT_WORDS = 40  # characters of a checkpoint's metadata
MAX_WEIGHTS = 2_000_000  # a page of ten megabytes, too large to send to a phone
GENERATOR = b'<meta name="generator" content="mnist_nb">'
HEAD_BYTES = 1000  # the generator's mark is within these first bytes

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
        "MAX_STROKES",
        "MAX_POINTS",
    ),
    pieces: ("MAX_PIECES", "STEPS_PER_EXTENT"),
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
        "MIN_PIECE_SIZE",
        "MIN_PIECE_HEIGHT",
        "MIN_DIGIT_SIZE",
        "MAX_DASH_HEIGHT",
        "COMMA_TEXTS",
        "COMMA_TOP",
        "COMMA_HEIGHT",
        "COMMA_REACH",
        "MIN_LINE_OVERLAP",
        "SCORE_FACTOR",
    ),
    page_reading: ("DOUBTFUL", "FORMS"),
    slashes: (
        "MAX_COMPARED",
        "MIN_COMPARED",
        "EXTENSION_RANGE",
        "LEAN_RANGE",
        "MAX_THICKNESS",
        "MIN_VARIANCE",
        "MIN_WORTH_ALONE",
        "MIN_WORTH_IN_DATE",
        "DAY_OR_MONTH",
        "YEAR",
    ),
    brackets: ("MIN_BOW", "MIN_EXTENSION", "MIN_INK"),
    refusal: ("MIN_SCORE", "MAX_SCORE_LOGIT", "ENERGY_LOGIT_SLOPE", "ENERGY_LOGIT_SHIFT"),
    prediction: ("SURE", "LIKELY", "NO_NUMBER", "OVER_99"),
    markup: ("OVER_999",),
}
"""The constants of the page's scripts, by module, with the same names."""


def export_page(
    model: nn.Module | str | Path,
    path: str | Path,
    *,
    title: str = TITLE,
    taught: int = 0,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML file with the network and a pad to draw on.

    The page works in any browser, offline, and sends nothing. It reads drawings as
    `Sketch.to_mnist` and `predict` do, and whole numbers as `read_number` does. With a network of
    this series it has at most 700 kB: five characters for each number of four bytes.

    Args:
        model: a `Network` of Linear, Conv2d, BatchNorm2d, MaxPool2d, ReLU, Flatten and Dropout
            layers, or a checkpoint's file. With a file, the page also says how it was trained.
        path: the page's file. An older page is replaced in one step, or kept after an error.
        title: the text above the pad, 1 to 200 characters, always plain text.
        taught: the number of digits of a person's handwriting that `adapt` taught the network, for
            a sentence on the page. The checkpoint of a network taught on the pad contains it.
        overwrite: also replace a file of another kind.

    Raises:
        CheckpointError: if the model cannot be read or has numbers that are not finite, or if the
            page cannot be written or would replace a file of another kind.
        TypeError: if the model is not a `Network`, or the title is not text.
        ValueError: if the length of the title or the number of digits is out of range, the page
            cannot run a layer, or the network has more than two million weights.
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
        TypeError: if it is not text.
        ValueError: if it is empty or too long.
    """
    if not isinstance(title, str):
        raise TypeError(f"title must be text, got {type(title).__name__}")
    printable = "".join(sign if sign.isprintable() else " " for sign in title)
    line = " ".join(printable.split())
    if not 1 <= len(line) <= MAX_TITLE:
        raise ValueError(f"title must have 1 to {MAX_TITLE} characters, got {len(line):,}")
    return line


def _is_our_page(path: str | Path) -> bool:
    """Return whether the file at the path is a page of this module."""
    try:
        with open(regular_file(path), "rb") as file:  # opening a pipe would block
            return GENERATOR in file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return False


def _describe_network(network: Network) -> dict[str, Any]:
    """Return the data of the page's script, as values for JSON.

    Raises:
        CheckpointError: if the network contains or computes numbers that are not finite.
        ValueError: if the page cannot run a layer, or there are too many weights.
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
        "slashes": _slash_weights(),
        "constants": _shared_constants(),
    }


def _slash_weights() -> dict[str, float]:
    weights = load_weights()
    return {field.name: weights[field.name] for field in dataclasses.fields(SlashFeatures)}


def _encode(tensors: list[Tensor]) -> str:
    """Return numbers as text: five characters for the four bytes of each, little-endian."""
    with np.errstate(over="ignore"):
        weights: NDArray[np.float32] = torch.cat(tensors).detach().numpy().astype("<f4")
    if weights.size > MAX_WEIGHTS:
        raise ValueError(
            f"A page has at most {MAX_WEIGHTS:,} weights, but this network has {weights.size:,}."
        )
    _check_finite(weights)
    text = base64.b85encode(weights.tobytes()).decode()
    return text.replace("<", ".")  # a character without a meaning in HTML


def _describe_energy(network: Network) -> dict[str, float]:
    """Return the numbers that turn energies into scores, for networks without a refusal head."""
    mean, deviation = (value.item() for value in refusal.energy_of_digits(network))
    _check_finite([mean, deviation])
    return {"mean": mean, "deviation": deviation, "shift": refusal.ENERGY_SHIFT}


def _check_finite(values: Any) -> None:
    if not np.isfinite(values).all():
        raise CheckpointError("No page was written: this network contains NaN or infinite numbers.")


def _shared_constants() -> dict[str, Any]:
    constants = {}
    for module, names in SHARED_CONSTANTS.items():
        for name in names:
            constants[name] = getattr(module, name)
    return constants


def _fill_template(title: str, about: str, model: str) -> str:
    """Return the page, with a security policy that allows only its own style and scripts."""
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
    """Return the hash of a style or a script for the security policy."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _describe_training(network: Network, metadata: dict[str, str]) -> str:
    """Return a sentence about the network, with its training and teaching if metadata has them."""
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
    except (
        KeyError,
        TypeError,
        ValueError,
    ):  # a file of another program, or a network without metadata
        return f"{sentence}."
    return (
        f"{sentence}, trained on MNIST for {epochs} epochs of batches of "
        f"{settings.batch_size} ({settings.optimizer}, learning rate {settings.learning_rate:g}); "
        f"it read {100 * accuracy:.2f} % of MNIST's validation images correctly."
    )


def _describe_sureness(network: Network) -> str:
    """Return a sentence with the median confidence on images that were not used to train."""
    images = data.load_sample().test.images
    median = float(predict(network, images).amax(1).median())
    return (
        f"It is usually {prediction.how_sure(median)} "
        f"(the median of {len(images):,} of MNIST's test images)."
    )
