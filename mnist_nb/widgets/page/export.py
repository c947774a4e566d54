"""A network and a pad in one HTML file that any browser opens, without Python and without a network."""

import base64
import hashlib
import json
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mnist_nb.checkpoints import load_checkpoint, read_metadata
from mnist_nb.data.mnist import load_sample
from mnist_nb.files import CheckpointError, keep_other_kinds, parse_json, write_or_explain
from mnist_nb.models import Cnn, Mlp, to_input
from mnist_nb.reading import _WEIGHTS

TITLE = "A reader of digits"
MAX_TITLE = 200
REFUSED = 0.5  # a score under this is no digit's
MAX_WEIGHTS = 2_000_000  # ten megabytes of page: more than a phone likes to be sent


def export_page(model: nn.Module | str | Path, path: str | Path, *, title: str = TITLE) -> None:
    """Write one self-contained HTML file that holds the network and a pad to draw on.

    It is opened by a double click, works without a network and sends nothing. It prepares and reads drawings as
    `Sketch.to_mnist` and `predict` do, and whole numbers as `read_number` does. With the networks of this series it is
    at most 700 kB long: four bytes of each weight, written as text.

    Args:
        model: an `Mlp` or a `Cnn`; or a checkpoint's file, and then the page also tells how it was trained.
        path: the page's file; an old one is replaced in one step, or kept if anything goes wrong.
        title: what stands above the pad, 1 to 200 characters; it is shown as text, whatever is in it.

    Raises:
        CheckpointError: if the model cannot be read, holds numbers that are not finite, or the page cannot be written.
        TypeError: for a model of another kind, or a title that is no text.
        ValueError: for a title that is empty or too long, or a network of more than two million weights.
    """
    if not isinstance(title, str):
        raise TypeError(f"the title of a page is text, not a {type(title).__name__}")
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in title).split())
    if not 1 <= len(words) <= MAX_TITLE:
        raise ValueError(f"the title of a page has 1 to {MAX_TITLE} characters, not {len(words):,}")
    keep_other_kinds(path, "page")
    metadata = read_metadata(model) if isinstance(model, str | Path) else {}
    network = load_checkpoint(model) if isinstance(model, str | Path) else model
    layers, refusing = _layers(network), _refusing(network)
    with np.errstate(over="ignore"):
        parts = [part.cpu().numpy().ravel() for layer in layers + refusing for part in layer]
        weights = np.concatenate(parts).astype("<f4")
    if not np.isfinite(weights).all():
        raise CheckpointError(f"{path} is left as it is, for this model holds NaN or infinite numbers")
    if weights.size > MAX_WEIGHTS:
        raise ValueError(f"a page holds at most {MAX_WEIGHTS:,} weights, and this network has {weights.size:,}")
    shapes, of_refusing = ([list(weight.shape) for weight, _ in part] for part in (layers, refusing))
    content: dict[str, Any] = {"shapes": shapes, "refusing": of_refusing}
    content |= {"energy": _energy(network), "refused": REFUSED, "grouping": _WEIGHTS}
    content["weights"] = base64.b64encode(weights.tobytes()).decode("ascii")
    write_or_explain(path, _page(words, _about(shapes, weights.size, metadata), json.dumps(content)).encode())


def _refusing(model: Any) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each layer of what says that an image is no digit; empty if the model never learnt that."""
    return [
        (part.weight.detach().double(), part.bias.detach().double())
        for part in getattr(model, "reject", None) or ()
        if isinstance(part, nn.Linear)
    ]


@torch.inference_mode()
def _energy(model: Any) -> tuple[float, float]:
    """Mean and standard deviation of the energy of some of MNIST's digits, which others are compared with."""
    was_training = model.training
    energies = model.eval()(to_input(load_sample().test.images[:256])).logsumexp(1)
    model.train(was_training)
    return float(energies.mean()), float(energies.std().clamp_min(1e-6))


def _layers(model: object) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each layer in turn, float64; what normalisation does is part of its convolution's."""
    if not isinstance(model, Mlp | Cnn):
        raise TypeError(f"a page can hold an Mlp or a Cnn, such as build_model makes, not a {type(model).__name__}")
    found: list[tuple[Tensor, Tensor]] = []
    for part in (part for name, part in model.named_children() if name != "reject"):
        state = {name: tensor.detach().double() for name, tensor in part.state_dict().items()}
        if isinstance(part, nn.BatchNorm2d):
            weight, factor = found.pop()[0], state["weight"] / (state["running_var"] + part.eps).sqrt()
            found.append((weight * factor[:, None, None, None], state["bias"] - state["running_mean"] * factor))
        else:
            found.append((state["weight"], state.get("bias", torch.zeros(0))))
    return found


def _page(title: str, about: str, model: str) -> str:
    """The template, filled in; only our own style and script may run in it."""
    files = resources.files(__package__)
    page, *scripts = (
        files.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "reader.js", "page.js")
    )
    style = page.partition("<style>")[2].partition("</style>")[0]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, *scripts)]
    own = [f"'sha256-{value}'" for value in hashes]
    policy = (
        f"default-src 'none'; style-src {own[0]}; script-src {' '.join(own[1:])}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    reader, pad = scripts
    return Template(page).substitute(
        policy=policy, title=escape(title), about=escape(about), model=model, reader=reader, pad=pad
    )


def _about(shapes: list[list[int]], weights: int, metadata: dict[str, str]) -> str:
    """What reads here and how it was trained, as far as the checkpoint says so."""
    kind = "convolutional" if len(shapes[0]) == 4 else "fully connected"
    words = f"Read by a {kind} network of {weights:,} weights"
    try:
        settings = parse_json(metadata["hyperparameters"])
        words += f", trained on MNIST for {int(metadata['epoch'])} epochs of batches of {int(settings['batch_size'])}"
        words += f" ({str(settings['optimizer'])[:40]}, learning rate {float(settings['learning_rate']):g})"
        words += f"; it read {float(metadata['validation_accuracy']):.2%} of MNIST's validation images right"
    except (KeyError, TypeError, ValueError):  # another program's file, a taught model's, or the model alone
        words += f", taught a hand from {metadata['taught'][:40]}" if "taught" in metadata else ""
    return f"{words}.".replace("%", " %")
