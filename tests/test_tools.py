"""The tools that make the package's files run, on a small scale."""

import gzip
import json
import runpy
import sys
from pathlib import Path

import make_sample
import pytest
import torch
import train_shipped
from make_sample import SAMPLE

from mnist_nb import Hyperparameters, load_checkpoint, load_pretrained, read_metadata
from mnist_nb.data import Mnist
from mnist_nb.handwriting.refusal import digit_score, is_refused, refusal_head
from mnist_nb.models import to_input

BENCHMARKS = sorted((Path(__file__).resolve().parent.parent / "benchmarks").glob("*.py"))


def test_the_sample_is_made_from_mnist_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first 5,000 and 1,000 items of the sample's own files are the sample itself."""
    shipped = {path.name: gzip.decompress(path.read_bytes()) for path in SAMPLE.glob("*.gz")}
    full, output = tmp_path / "full", tmp_path / "sample"
    full.mkdir()
    for name, content in shipped.items():
        (full / name.removesuffix(".gz")).write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["make_sample.py", str(full), "--output", str(output)])
    make_sample.main()
    made = {path.name: gzip.decompress(path.read_bytes()) for path in output.iterdir()}
    assert made == shipped
    assert capsys.readouterr().out.count("ubyte") == 4


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_imports_names_that_exist(path: Path) -> None:
    runpy.run_path(str(path), run_name="benchmark")


def test_the_first_items_of_an_idx_file() -> None:
    labels = gzip.decompress((SAMPLE / "train-labels-idx1-ubyte.gz").read_bytes())
    images = gzip.decompress((SAMPLE / "train-images-idx3-ubyte.gz").read_bytes())
    assert make_sample.first_items(labels, 3) == labels[:4] + bytes([0, 0, 0, 3]) + labels[8:11]
    few = make_sample.first_items(images, 2)
    assert few == images[:4] + bytes([0, 0, 0, 2]) + images[8 : 16 + 2 * 784]


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_shipped_network_is_made_from_nothing(name: str, tmp_path: Path) -> None:
    train_shipped.main([name, "--quick", "--output", str(tmp_path)])
    path = tmp_path / f"{name}.safetensors"
    model = load_checkpoint(path)
    assert refusal_head(model) is not None
    settings = Hyperparameters(**json.loads(read_metadata(path)["hyperparameters"]))
    assert (settings.network, settings.augmentation) == (name, "handwriting")
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == [
        path.name
    ]


def test_logits_are_divided_by_the_temperature(sample: Mnist) -> None:
    model = load_pretrained("mlp")
    images = to_input(sample.test.images[:20])
    before = model(images)
    train_shipped.divide_logits(model, 1.3)
    assert torch.allclose(model(images), before / 1.3, atol=1e-5)


def test_the_threshold_refuses_a_small_share_of_digits(sample: Mnist) -> None:
    model = load_pretrained("cnn")
    head = refusal_head(model)
    assert head is not None
    with torch.no_grad():
        head[-1].bias[1] -= 2
    train_shipped.set_threshold(model, head, sample.validation, refused=0.01)
    refused = is_refused(model, digit_score(model, sample.validation.images))
    assert float(refused.float().mean()) == pytest.approx(0.01, abs=0.003)
