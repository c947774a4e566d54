"""A network and a pad in one HTML file that any browser opens, without Python and without a
network."""

import base64
import copy
import hashlib
import json
import math
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from mnist_nb.checkpoints import load_checkpoint, read_metadata
from mnist_nb.data.arguments import check_arguments
from mnist_nb.files import CheckpointError, check_replaceable, parse_json, write_or_explain
from mnist_nb.handwriting.grouping import GROUP_WEIGHTS
from mnist_nb.handwriting.refusal import energy_of_digits, refusal_head, refusal_threshold
from mnist_nb.models import Cnn, Mlp

_GENERATOR = b'<meta name="generator" content="mnist_nb">'
TITLE = "A reader of digits"
MAX_TITLE = 200
MAX_WEIGHTS = 2_000_000  # ten megabytes of page: more than a phone likes to be sent


@check_arguments
def export_page(model: nn.Module | str | Path, path: str | Path, *, title: str = TITLE) -> None:
    """Write one self-contained HTML file that holds the network and a pad to draw on.

    It is opened by a double click, works without a network and sends nothing. It prepares and reads
    drawings as `Sketch.to_mnist` and `predict` do, and whole numbers as `read_number` does. With
    the networks of this series it is at most 700 kB long: four bytes of each weight, written as
    five characters.

    Args:
        model: an `Mlp` or a `Cnn`; or a checkpoint's file, and then the page also tells how it was
            trained.
        path: the page's file; an old one is replaced in one step, or kept if anything goes wrong.
        title: what stands above the pad, 1 to 200 characters; it is shown as text, whatever is in
            it.

    Raises:
        CheckpointError: if the model cannot be read, holds numbers that are not finite, or the page
            cannot be written.
        TypeError: for a model of another kind, or a title that is no text.
        ValueError: for a title that is empty or too long, or a network of more than two million
            weights.
    """
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in title).split())
    if not 1 <= len(words) <= MAX_TITLE:
        raise ValueError(f"the title of a page has 1 to {MAX_TITLE} characters, not {len(words):,}")
    check_replaceable(path, "page", ours=_is_our_page(path))
    metadata = read_metadata(model) if isinstance(model, str | Path) else {}
    network = load_checkpoint(model) if isinstance(model, str | Path) else model
    if not isinstance(network, Mlp | Cnn):
        raise TypeError(
            f"a page can hold an Mlp or a Cnn, such as build_model makes, not a {type(network).__name__}"
        )
    layers, refusing = _layers(network)
    parts = [
        part.detach().flatten()
        for layer in layers + refusing
        for part in (layer.weight, layer.bias)
    ]
    with np.errstate(over="ignore"):
        weights = torch.cat(parts).numpy().astype("<f4")
    if not np.isfinite(weights).all():
        raise CheckpointError(
            f"{path} is left as it is, for this model holds NaN or infinite numbers"
        )
    if weights.size > MAX_WEIGHTS:
        raise ValueError(
            f"a page holds at most {MAX_WEIGHTS:,} weights, and this network has {weights.size:,}"
        )
    shapes, of_refusing = (
        [list(layer.weight.shape) for layer in part] for part in (layers, refusing)
    )
    content: dict[str, Any] = {
        "shapes": shapes,
        "refusing": of_refusing,
        "refused": refusal_threshold(network),
    }
    content |= {
        "energy": [value.item() for value in energy_of_digits(network)],
        "grouping": vars(GROUP_WEIGHTS),
    }
    content["weights"] = (
        base64.b85encode(weights.tobytes()).decode().replace("<", ".")
    )  # which HTML would look at
    write_or_explain(path, _page(words, _about(shapes, metadata), json.dumps(content)).encode())


def _is_our_page(path: str | Path) -> bool:
    """Whether the file at the path is a page that this function wrote."""
    try:
        with open(path, "rb") as file:
            return _GENERATOR in file.read(1000)
    except (OSError, ValueError):
        return False


def _layers(model: Mlp | Cnn) -> tuple[list[Any], list[Any]]:
    """The layers that read and those that refuse, float64, each with weight and bias; normalisation
    is part of them."""
    copied = copy.deepcopy(model).cpu().double().eval()
    reading: list[Any] = []
    for part in copied.children():
        if isinstance(part, nn.BatchNorm2d):
            reading.append(fuse_conv_bn_eval(reading.pop(), part))
        elif isinstance(part, nn.Conv2d | nn.Linear):
            reading.append(part)
    head = refusal_head(copied) or ()
    return reading, [part for part in head if isinstance(part, nn.Linear)]


def _page(title: str, about: str, model: str) -> str:
    """The template, filled in; only our own style and script may run in it."""
    files = resources.files(__package__)
    names = ("page.html", "reader.js", "page.js")
    page, reader, pad = (files.joinpath(name).read_text(encoding="utf-8") for name in names)
    style = page.partition("<style>")[2].partition("</style>")[0]
    hashed = {"style_hash": style, "reader_hash": reader, "pad_hash": pad}
    parts = {
        key: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for key, text in hashed.items()
    }
    parts |= {
        "title": escape(title),
        "about": escape(about),
        "model": model,
        "reader": reader,
        "pad": pad,
    }
    return Template(page).substitute(parts)


def _about(shapes: list[list[int]], metadata: dict[str, str]) -> str:
    """What reads here and how it was trained, as far as the checkpoint says so."""
    kind = "convolutional" if len(shapes[0]) == 4 else "fully connected"
    words = f"Read by a {kind} network of {sum(math.prod(shape) + shape[0] for shape in shapes):,} weights"
    try:
        settings = parse_json(metadata["hyperparameters"])
        words += f", trained on MNIST for {int(metadata['epoch'])} epochs of batches of {int(settings['batch_size'])}"
        words += f" ({str(settings['optimizer'])[:40]}, learning rate {float(settings['learning_rate']):g})"
        words += f"; it read {float(metadata['validation_accuracy']):.2%} of MNIST's validation images right"
    except (
        KeyError,
        TypeError,
        ValueError,
    ):  # another program's file, a taught model's, or the model alone
        words += f", taught a hand from {metadata['taught'][:40]}" if "taught" in metadata else ""
    return f"{words}.".replace("%", " %")
