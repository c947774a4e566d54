"""The page that holds a network and a pad: what is in its file, and what is refused. How it reads:
tests/browser."""

import json
import re
from pathlib import Path

import pytest
import torch
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
from mnist_nb.checkpoints import PRETRAINED


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_one_file_of_700_kb_at_most_with_nothing_from_elsewhere(name: str, workplace: Path) -> None:
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
    assert "a convolutional network of 60," in text
    assert re.search(
        r"for 16 epochs of batches of \d+ \(adamw, learning rate [\d.]+\); it read 99\.\d\d %", text
    )
    save_checkpoint(load_pretrained("mlp"), "taught.safetensors", {"taught": "30 digits"})
    export_page("taught.safetensors", "page.html")
    assert "taught a hand from 30 digits." in Path("page.html").read_text(encoding="utf-8")


def nan_model() -> nn.Module:
    model = build_model("mlp", seed=0)
    with torch.no_grad():
        model.linear3.bias[3] = torch.nan
    return model


@pytest.mark.parametrize(
    ("model", "title", "error", "words"),
    [
        (nn.Linear(784, 10), "mine", TypeError, "an Mlp or a Cnn.*not a Linear"),
        (7, "mine", TypeError, "model must be"),
        (nan_model(), "mine", CheckpointError, "holds NaN or infinite numbers"),
        (build_model("mlp", hidden=(4000, 64)), "mine", ValueError, "at most 2,000,000 weights"),
        (build_model("mlp", seed=0), "x" * 10_000, ValueError, "1 to 200 characters, not 10,000"),
        (build_model("mlp", seed=0), " \n ", ValueError, "1 to 200 characters"),
        (build_model("mlp", seed=0), 7, TypeError, "title.*text"),
        ("missing.safetensors", "mine", CheckpointError, "missing.safetensors"),
    ],
    ids=[
        "another kind",
        "no model",
        "NaN",
        "too large",
        "long title",
        "empty title",
        "no title",
        "no file",
    ],
)
@pytest.mark.promise("old page")
def test_an_invalid_page_is_refused_and_the_old_page_stays(
    model: nn.Module, title: str, error: type[Exception], words: str, workplace: Path
) -> None:
    Path("page.html").write_text('<meta name="generator" content="mnist_nb"> the old one')
    with pytest.raises(error, match=words):
        export_page(model, "page.html", title=title)
    assert Path("page.html").read_text().endswith("the old one")
    assert [path.name for path in workplace.iterdir()] == ["page.html"]


@pytest.mark.parametrize("path", ["missing/page.html", ".", "/dev/null"])
def test_a_place_that_cannot_be_written_is_one_sentence(path: str, workplace: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be written"):
        export_page(build_model("mlp", seed=0), path)
    assert not list(workplace.iterdir())


def test_the_weights_are_the_networks_own(workplace: Path) -> None:
    model = build_model("mlp", seed=0)
    export_page(model, "page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    content = json.loads(text.partition('id="model">')[2].partition("</script>")[0])
    assert content["shapes"] == [[128, 784], [64, 128], [10, 64]]


def test_the_command_line_writes_a_page(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["page", "--model", "cnn", "-o", "mine.html", "--title", "Ada's reader"]) == 0
    assert re.fullmatch(
        r"mine\.html: 3\d\d kB\. Open it in any browser, or send it on\.\n", capsys.readouterr().out
    )
    assert "<h1>Ada&#x27;s reader</h1>" in Path("mine.html").read_text(encoding="utf-8")
    assert main(["page"]) == 2
    assert capsys.readouterr().err.startswith(
        "mnist_nb page: there is no model at model.safetensors: train one first"
    )


def test_the_pad_saves_the_network_that_reads_and_says_where(workplace: Path) -> None:
    pad = DrawingPad()
    part(pad, "Save as a page").click()
    export_page(PRETRAINED / "cnn.safetensors", "expected.html")
    assert Path("cnn.html").read_bytes() == Path("expected.html").read_bytes()
    assert "cnn.html reads without Python" in shown(pad)
    pad.close()
