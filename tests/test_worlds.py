"""The notebooks beside whatever a reader may have left: each prints what it was committed with."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import torch
from cells import printed_by_cells

from mnist_nb import Hyperparameters, TrainingRun, build_model, load_pretrained, save_checkpoint, save_run
from mnist_nb.data import Mnist

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
EVERY = sorted(path for path in NOTEBOOKS.rglob("[0-9]*.ipynb") if ".ipynb_checkpoints" not in path.parts)
PATHS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))[2:]
READERS = re.compile(r"model\.safetensors|load_or_train|DrawingPad|TrainingStudio|ModelCatalog")
"""What looks for the reader's model, in a notebook's code."""


def looks_for_a_model(path: Path) -> bool:
    cells = nbformat.read(path, as_version=4).cells
    return any(READERS.search(cell.source) for cell in cells if cell.cell_type == "code")


def halfway(data: Mnist) -> None:
    """A run that reads 92 %, with its training state beside it, as the studio leaves it."""
    run = TrainingRun(build_model("mlp", seed=0), data, Hyperparameters(epochs=2, learning_rate=0.004))
    next(iter(run.epochs()))
    save_run(run, "model.safetensors")


def diverged(data: Mnist) -> None:
    """All units of the second layer silent, as in notebook 02's exercise with learning rate 1."""
    model = build_model("mlp", seed=0)
    with torch.no_grad():
        model.linear2.bias.fill_(-100)
    save_checkpoint(model, "model.safetensors")


WORLDS: dict[str, Callable[[Mnist], object]] = {
    "no model": lambda data: None,
    "an untrained one": lambda data: save_checkpoint(build_model("mlp", seed=1), "model.safetensors"),
    "a diverged one": diverged,
    "one that reads 92 %": halfway,
    "a convolutional one": lambda data: save_checkpoint(load_pretrained("cnn"), "model.safetensors"),
    "a damaged one": lambda data: Path("model.safetensors").write_bytes(b"\x08" + b"\x00" * 7 + b'{"a": 1}'),
}


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_prints_what_it_was_committed_with(
    path: Path, world: str, workplace: Path, full_mnist: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    if world != "no model" and not looks_for_a_model(path):
        pytest.skip("opens no model of the reader's, so one world is enough")
    for file in NOTEBOOKS.glob("*.json"):
        shutil.copy(file, workplace)
    WORLDS[world](full_mnist)
    before = {file: file.read_bytes() for file in workplace.iterdir()}
    cells = printed_by_cells(path)
    assert cells
    assert [(source, now) for source, now, _ in cells] == [(source, kept) for source, _, kept in cells]
    assert {file: file.read_bytes() for file in before} == before, "what the reader left is left alone"


@pytest.mark.slow
@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.relative_to(NOTEBOOKS).as_posix())
def test_runs_to_its_end_with_the_sample_too(path: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
    (workplace / "solutions").mkdir()
    for file in NOTEBOOKS.glob("*.json"):
        shutil.copy(file, workplace)
    monkeypatch.chdir(workplace / path.parent.relative_to(NOTEBOOKS))
    assert printed_by_cells(path)
