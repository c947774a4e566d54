"""The exported page: the contents of its file, and rejected arguments. tests/browser tests how it
reads."""

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import ConvDropout
from torch import nn
from tree import part, shown

from mnist_nb import (
    CheckpointError,
    DrawingPad,
    build_model,
    export_page,
    load_pretrained,
    save_checkpoint,
)
from mnist_nb.__main__ import main
from mnist_nb.data import SIDE
from mnist_nb.handwriting.preprocessing import RASTER
from mnist_nb.handwriting.pretrained import PRETRAINED
from mnist_nb.models import Network
from mnist_nb.widgets.page import export


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_one_file_of_at_most_700_kb_without_other_resources(name: str, workplace: Path) -> None:
    export_page(load_pretrained(name), "page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    assert len(text.encode()) <= 700_000
    assert not re.search(r"""(?:src|href)=["'](?!data:)|@import|url\((?!data:)""", text)
    assert "default-src 'none'" in text
    assert "unsafe" not in text


@pytest.mark.promise("text stays text")
def test_a_title_stays_text(workplace: Path) -> None:
    export_page(
        build_model("mlp", seed=0),
        "page.html",
        title="</title><script>alert(1)</script> $model & 'more'",
    )
    text = Path("page.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt; $model &amp; &#x27;more&#x27;") == 2


def test_it_says_how_its_network_was_trained(workplace: Path) -> None:
    export_page(PRETRAINED / "cnn.safetensors", "page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    assert "a convolutional network of 60,986 weights" in text
    assert re.search(
        r"for 16 epochs of batches of \d+ \(adamw, learning rate [\d.]+\); it read 99\.\d\d %", text
    )
    save_checkpoint(load_pretrained("mlp"), "taught.safetensors", {"taught": "30 digits"})
    export_page("taught.safetensors", "page.html")
    words = "taught 30 digits of one person&#x27;s handwriting."
    assert words in Path("page.html").read_text(encoding="utf-8")
    export_page(load_pretrained("mlp"), "page.html", taught=30)
    assert words in Path("page.html").read_text(encoding="utf-8")


def test_it_says_how_sure_it_usually_is(workplace: Path) -> None:
    export_page(load_pretrained("mlp"), "page.html")
    assert "It is usually over 99 % sure" in Path("page.html").read_text(encoding="utf-8")
    export_page(build_model("mlp", seed=0), "page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    assert re.search(r"It is usually 1\d % sure \(the median of 1,000 of MNIST&#x27;s test", text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hyperparameters", '{"batch_size": 1e999}'),
        ("hyperparameters", "[1]"),
        ("hyperparameters", "{"),
        ("epoch", "-3"),
        ("epoch", "9" * 5000),
        ("validation_accuracy", "1e308"),
        ("validation_accuracy", "nan"),
    ],
)
def test_impossible_metadata_is_left_out(workplace: Path, key: str, value: str) -> None:
    metadata = {"hyperparameters": "{}", "epoch": "3", "validation_accuracy": "0.97"}
    save_checkpoint(build_model("mlp", seed=0), "model.safetensors", metadata)
    export_page("model.safetensors", "page.html")
    assert "; it read 97.00 % of" in Path("page.html").read_text(encoding="utf-8")
    save_checkpoint(build_model("mlp", seed=0), "model.safetensors", metadata | {key: value})
    export_page("model.safetensors", "page.html")
    assert "network of 109,386 weights." in Path("page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["index.html", "PAGE", "page.txt"])
def test_a_page_replaces_pages_and_no_other_file(workplace: Path, name: str) -> None:
    for _ in range(2):
        assert main(["page", "--model", "mlp", "-o", name]) == 0
    page = Path(name).read_bytes()
    foreign = b"<html>my own</html>"
    Path(name).write_bytes(foreign)
    assert main(["page", "--model", "mlp", "-o", name]) == 2
    with pytest.raises(CheckpointError, match="is not a page of this package"):
        export_page(load_pretrained("mlp"), name)
    assert Path(name).read_bytes() == foreign
    export_page(load_pretrained("mlp"), name, overwrite=True)
    assert Path(name).read_bytes() == page


def content_of(page: str) -> dict[str, Any]:
    """Return the data of a page's script."""
    text = Path(page).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text.partition('id="model">')[2].partition("</script>")[0])
    return content


OLD_PAGE = '<meta name="generator" content="mnist_nb"> the old one'


def with_bias(value: float) -> nn.Module:
    """Return an mlp with this number among its biases."""
    model = build_model("mlp", seed=0).double()
    with torch.no_grad():
        model.linear3.bias[3] = value
    return model


def stack(**layers: nn.Module) -> Network:
    """Return a network of these layers, followed by ten outputs from 784 inputs."""
    return Network(**layers, flatten=nn.Flatten(), output=nn.Linear(784, 10))


INVALID_MODELS = {
    "no Network": (nn.Linear(784, 10), TypeError, "a Network.*got Linear"),
    "no model": (7, TypeError, "model must be.*got int"),
    "no file": ("missing.safetensors", CheckpointError, "missing.safetensors"),
    "NaN": (with_bias(math.nan), CheckpointError, "NaN or infinite numbers"),
    "infinite as float32": (with_bias(1e300), CheckpointError, "NaN or infinite numbers"),
    "energy overflows": (with_bias(3e38).float(), CheckpointError, "NaN or infinite numbers"),
    "too large": (build_model("mlp", hidden=(4000, 64)), ValueError, "at most 2,000,000 weights"),
    "unknown layer": (
        stack(squash=nn.Tanh()),
        ValueError,
        "the layer squash, a Tanh: it can run Linear, Conv2d, BatchNorm2d, MaxPool2d, ReLU, "
        "Flatten and Dropout",
    ),
    "groups": (
        stack(first=nn.Conv2d(1, 2, 1), second=nn.Conv2d(2, 1, 1, groups=1, dilation=2)),
        ValueError,
        "the layer second with dilation",
    ),
    "padding by name": (
        stack(conv=nn.Conv2d(1, 1, 3, padding="same")),
        ValueError,
        "padding='same': give the number",
    ),
    "rounding up": (
        stack(pool=nn.MaxPool2d(1, ceil_mode=True)),
        ValueError,
        "the layer pool with ceil_mode=True",
    ),
    "statistics of the batch": (
        stack(norm=nn.BatchNorm2d(1, track_running_stats=False)),
        ValueError,
        "the layer norm with track_running_stats=False",
    ),
    "linear layer on maps": (
        stack(rows=nn.Linear(28, 28)),
        ValueError,
        "the layer rows: put a Flatten before it",
    ),
}


@pytest.mark.parametrize("name", INVALID_MODELS)
@pytest.mark.promise("old page")
def test_an_invalid_model_is_refused_and_the_old_page_stays(name: str, workplace: Path) -> None:
    model, error, words = INVALID_MODELS[name]
    Path("page.html").write_text(OLD_PAGE)
    with pytest.raises(error, match=words):
        export_page(model, "page.html", title="mine")
    assert Path("page.html").read_text() == OLD_PAGE
    assert [path.name for path in workplace.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    ("title", "error", "words"),
    [
        ("x" * 10_000, ValueError, "1 to 200 characters, got 10,000"),
        (" \n ", ValueError, "1 to 200 characters, got 0"),
        (7, TypeError, "title must be text, got int"),
    ],
    ids=["long", "empty", "no text"],
)
@pytest.mark.promise("old page")
def test_an_invalid_title_is_refused_and_the_old_page_stays(
    title: Any, error: type[Exception], words: str, workplace: Path
) -> None:
    Path("page.html").write_text(OLD_PAGE)
    with pytest.raises(error, match=words):
        export_page(build_model("mlp", seed=0), "page.html", title=title)
    assert Path("page.html").read_text() == OLD_PAGE


@pytest.mark.parametrize("path", ["missing/page.html", ".", "/dev/null"])
def test_a_place_that_cannot_be_written_is_one_sentence(path: str, workplace: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be written"):
        export_page(build_model("mlp", seed=0), path)
    assert not list(workplace.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders")
def test_a_pipe_is_refused_at_once(workplace: Path) -> None:
    os.mkfifo("page.html")
    with pytest.raises(CheckpointError, match="a device or a pipe"):
        export_page(build_model("mlp", seed=0), "page.html")


def test_the_weights_are_the_networks_own(workplace: Path) -> None:
    model = build_model("mlp", seed=0)
    export_page(model, "page.html")
    content = content_of("page.html")
    kinds = [layer["kind"] for layer in content["layers"]]
    assert kinds == ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    shapes = [layer["output"] for layer in content["layers"]]
    assert shapes == [[784], [128], [128], [64], [64], [10]]


def test_dropout_is_left_out_and_the_mode_stays(workplace: Path) -> None:
    network = ConvDropout().train()
    export_page(network, "page.html")
    content = content_of("page.html")
    assert "Dropout" not in str([layer["kind"] for layer in content["layers"]])
    assert network.training


def test_the_scripts_constants_are_pythons_own(workplace: Path) -> None:
    export_page(build_model("mlp", seed=0), "page.html")
    constants = content_of("page.html")["constants"]
    assert (constants["SIDE"], constants["RASTER"]) == (SIDE, RASTER)
    scripts = "".join(
        Path(export.__file__).with_name(name).read_text(encoding="utf-8")
        for name in ("reader.js", "page.js")
    )
    assert all(re.search(rf"\b{name}\b", scripts) for name in constants)


def test_the_command_line_writes_a_page(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["page", "--model", "cnn", "-o", "mine.html", "--title", "Ada's reader"]) == 0
    assert re.fullmatch(
        r"mine\.html: [34]\d\d kB\. Open it in any browser, or send it to others\.\n",
        capsys.readouterr().out,
    )
    assert "<h1>Ada&#x27;s reader</h1>" in Path("mine.html").read_text(encoding="utf-8")
    assert main(["page"]) == 2
    assert capsys.readouterr().err.startswith(
        "mnist_nb page: model.safetensors does not exist: train one first"
    )


def test_the_pad_saves_the_network_that_reads_and_says_where(workplace: Path) -> None:
    pad = DrawingPad()
    part(pad, "Save as a page").click()
    export_page(PRETRAINED / "cnn.safetensors", "expected.html")
    assert Path("cnn.html").read_bytes() == Path("expected.html").read_bytes()
    assert "cnn.html reads without Python" in shown(pad)
    pad.close()
