"""The notebooks beside whatever a reader may have left: each prints what it was committed with.

Beside five of the six, those that judge the model train a quick one in its place: it is enough to
run them up to there and to see that it is the same one, for all that follows then is what `pytest
--nbval` compares.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from cells import IN_BROWSER, NOTEBOOKS, printed_by_cells

from mnist_nb import (
    Hyperparameters,
    TrainingRun,
    build_model,
    load_or_train,
    load_pretrained,
    save_checkpoint,
    save_run,
)
from mnist_nb.data import Mnist

IN_NO_BROWSER = sorted(
    [path for path in NOTEBOOKS.glob("*.ipynb") if path.name not in IN_BROWSER]
    + [*NOTEBOOKS.glob("solutions/*.ipynb")]
)
JUDGE = re.compile(r"load_or_train\(")
PANELS = re.compile(r"DrawingPad\(|Explorer\(|PixelEditor\(")
"""What looks for the reader's model, in a notebook's code: to judge it, or to offer it in a
list."""


def with_code(pattern: re.Pattern[str]) -> list[Path]:
    """The chapters from 03 on whose code holds this."""
    chapters = {
        path: nbformat.read(path, as_version=4).cells
        for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))[2:]
    }
    return [
        path
        for path, cells in chapters.items()
        if any(pattern.search(c.source) for c in cells if "code" in c.cell_type)
    ]


def halfway(data: Mnist) -> None:
    """A run that reads 92 %, with its training state beside it, as the studio leaves it."""
    run = TrainingRun(
        build_model("mlp", seed=0), data, Hyperparameters(epochs=2, learning_rate=0.004)
    )
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
    "an untrained one": lambda data: save_checkpoint(
        build_model("mlp", seed=1), "model.safetensors"
    ),
    "a diverged one": diverged,
    "one that reads 92 %": halfway,
    "a convolutional one": lambda data: save_checkpoint(
        load_pretrained("cnn"), "model.safetensors"
    ),
    "a damaged one": lambda data: Path("model.safetensors").write_bytes(
        b"\x08" + b"\x00" * 7 + b'{"a": 1}'
    ),
}


@pytest.fixture(scope="module")
def quick(full_mnist: Mnist) -> dict[str, torch.Tensor]:
    """The weights of the network that is trained where the reader's own does not read well
    enough."""
    return load_or_train("there is none.safetensors", full_mnist)[0].state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("path", with_code(JUDGE), ids=lambda path: path.stem)
@pytest.mark.promise("any model")
def test_prints_what_it_was_committed_with(
    path: Path, world: str, workplace: Path, full_mnist: Mnist, quick: dict[str, torch.Tensor]
) -> None:
    WORLDS[world](full_mnist)
    before = {file: file.read_bytes() for file in workplace.iterdir()}
    names: dict[str, Any] = {"__name__": "__main__"}
    whole = world == "a convolutional one"
    cells = printed_by_cells(path, names, until=None if whole else "load_or_train(")
    assert cells or not whole
    assert [(source, now) for source, now, _ in cells] == [
        (source, kept) for source, _, kept in cells
    ]
    assert {file: file.read_bytes() for file in before} == before, (
        "what the reader left is left alone"
    )
    if not whole:
        weights = names["model"].state_dict()
        assert all(torch.equal(tensor, quick[name]) for name, tensor in weights.items())


@pytest.mark.slow
@pytest.mark.parametrize("path", with_code(PANELS), ids=lambda path: path.stem)
def test_its_panels_open_beside_any_model(
    path: Path, workplace: Path, full_mnist: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
    for file in NOTEBOOKS.glob("*.json"):
        shutil.copy(file, workplace)
    cells = [
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    ]
    panels = [source for source in cells if PANELS.search(source)]
    names: dict[str, Any] = {"__name__": "__main__"}
    assert printed_by_cells(path, names, until=panels[-1])  # no later cell knows of the model
    for world in list(WORLDS.values())[1:]:
        for file in workplace.glob("model*"):
            file.unlink()
        world(full_mnist)
        model = {file: file.read_bytes() for file in workplace.glob("model*")}
        assert model
        for source in panels:
            exec(source, names)
        assert {file: file.read_bytes() for file in model} == model, (
            "what the reader left is left alone"
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", IN_NO_BROWSER, ids=lambda path: path.relative_to(NOTEBOOKS).as_posix()
)
def test_runs_to_its_end_with_the_sample_too(
    path: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
    (workplace / "solutions").mkdir()
    for file in NOTEBOOKS.glob("*.json"):
        shutil.copy(file, workplace)
    monkeypatch.chdir(workplace / path.parent.relative_to(NOTEBOOKS))
    assert printed_by_cells(path)
