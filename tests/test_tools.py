"""The tools that make the files of this package run, on a small scale."""

import gzip
import sys
from pathlib import Path

import make_sample
import pytest
from make_sample import SAMPLE


def test_the_sample_is_made_from_mnist_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first 5,000 and 1,000 items of the sample's own files are the sample again."""
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


def test_the_first_items_of_an_idx_file() -> None:
    labels = gzip.decompress((SAMPLE / "train-labels-idx1-ubyte.gz").read_bytes())
    images = gzip.decompress((SAMPLE / "train-images-idx3-ubyte.gz").read_bytes())
    assert make_sample.first_items(labels, 3) == labels[:4] + bytes([0, 0, 0, 3]) + labels[8:11]
    few = make_sample.first_items(images, 2)
    assert few == images[:4] + bytes([0, 0, 0, 2]) + images[8 : 16 + 2 * 784]
