"""Next to any model that a reader may have left, the notebooks print the committed outputs.

`pytest --nbval` compares them without a model. If the model is too weak, a quick one is trained in
its place: then it is enough to check that it is the same one.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from cells import IN_BROWSER, NOTEBOOKS, printed_by_cells
from networks import same_weights

from mnist_nb import (
    Hyperparameters,
    MyDigits,
    Sketch,
    TrainingRun,
    build_model,
    load_or_train,
    load_pretrained,
    save_checkpoint,
    save_run,
)
from mnist_nb.data import Mnist

IN_NO_BROWSER = [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.name not in IN_BROWSER]
SOLUTIONS = sorted(NOTEBOOKS.glob("solutions/*.ipynb"))
JUDGE = re.compile(r"load_or_train\(")
PANELS = re.compile(r"DrawingPad\(|Explorer\(|PixelEditor\(")
"""What looks for the reader's model, in a notebook's code: to judge it, or to offer it in a
list."""


def with_code(pattern: re.Pattern[str]) -> list[Path]:
    """Return the chapters from 03 on whose code contains this text."""
    chapters = {
        path: nbformat.read(path, as_version=4).cells
        for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))[2:]
    }
    return [
        path
        for path, cells in chapters.items()
        if any(pattern.search(c.source) for c in cells if "code" in c.cell_type)
    ]


JUDGES = with_code(JUDGE)


def halfway(data: Mnist) -> None:
    """A run with 92 % accuracy and its training state, as the studio leaves them."""
    run = TrainingRun(
        build_model("mlp", seed=0), data, Hyperparameters(epochs=2, learning_rate=0.004)
    )
    next(iter(run.epochs()))
    save_run(run, "model.safetensors")


def diverged(data: Mnist) -> None:
    """A network whose second layer is dead, as in notebook 02's exercise with learning rate 1."""
    model = build_model("mlp", seed=0)
    with torch.no_grad():
        model.linear2.bias.fill_(-100)
    save_checkpoint(model, "model.safetensors")


WORLDS: dict[str, Callable[[Mnist], object]] = {
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


@pytest.mark.slow
@pytest.mark.promise("any model")
@pytest.mark.parametrize(
    "path",
    [JUDGES[0], *(pytest.param(path, marks=pytest.mark.nightly) for path in JUDGES[1:])],
    ids=lambda path: path.stem,
)
def test_beside_a_good_model_all_outputs_are_as_committed(
    path: Path, workplace: Path, full_mnist: Mnist
) -> None:
    WORLDS["a convolutional one"](full_mnist)
    before = Path("model.safetensors").read_bytes()
    cells = printed_by_cells(path)
    assert cells
    assert [now for _, now, _ in cells] == [committed for _, _, committed in cells]
    assert Path("model.safetensors").read_bytes() == before


@pytest.mark.slow
@pytest.mark.promise("any model")
def test_beside_a_weak_model_the_usual_quick_one_is_judged(
    workplace: Path, full_mnist: Mnist
) -> None:
    quick, _ = load_or_train("none.safetensors", full_mnist)
    halfway(full_mnist)
    before = {file: file.read_bytes() for file in workplace.iterdir()}
    names: dict[str, Any] = {"__name__": "__main__"}
    printed_by_cells(JUDGES[0], names, until="load_or_train(")
    assert same_weights(names["model"], quick)
    assert {file: file.read_bytes() for file in workplace.iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("path", with_code(PANELS), ids=lambda path: path.stem)
def test_its_panels_open_next_to_any_model(
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
    assert printed_by_cells(path, names, until=panels[-1])  # no later cell uses the model
    for world in WORLDS.values():
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
    "path",
    [*IN_NO_BROWSER, *(pytest.param(path, marks=pytest.mark.nightly) for path in SOLUTIONS)],
    ids=lambda path: path.relative_to(NOTEBOOKS).as_posix(),
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


def keep_digits(per_digit: int, *, are_labelled_wrongly: bool = False) -> None:
    """Save drawings of each digit in the current folder, as the pad does.

    With wrong labels nearly all are misread, and teaching them cannot help.
    """
    strokes = json.loads((NOTEBOOKS / "handwriting.json").read_text(encoding="utf-8"))
    digits = MyDigits()
    for digit in range(10):
        label = (digit + 1) % 10 if are_labelled_wrongly else digit
        for _ in range(per_digit):
            sketch = Sketch(size=280)
            for points in strokes[str(digit)]:
                sketch.add_stroke(points, width=14)
            digits.add(sketch, label)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mnist_nb.handwriting.adaptation.ForgettingWarning")
def test_runs_to_its_end_with_the_readers_digits(workplace: Path, full_mnist: Mnist) -> None:
    for file in NOTEBOOKS.glob("*.json"):
        shutil.copy(file, workplace)
    path = NOTEBOOKS / "04_draw.ipynb"
    names: dict[str, Any] = {"__name__": "__main__"}
    printed_by_cells(path, names, until="def write(")
    for per_digit, is_wrong in ((1, False), (3, False), (3, True), (10, False), (10, True)):
        Path("my_digits.safetensors").unlink(missing_ok=True)
        keep_digits(per_digit, are_labelled_wrongly=is_wrong)
        printed_by_cells(path, names, after="def write(")
        assert names["yours"] == (per_digit >= 3)


@pytest.mark.slow
def test_the_text_shows_the_runs_it_names(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
    path = NOTEBOOKS / "02_train.ipynb"
    names: dict[str, Any] = {"__name__": "__main__"}
    printed_by_cells(path, names, until="TrainingStudio(")
    for _ in range(2):
        names["studio"].train(fresh=True, epochs=2)
    names["studio"].session.start(Hyperparameters(epochs=100), fresh=True)
    names["studio"].stop()
    figures = []
    monkeypatch.setattr(
        "mnist_nb.plots.training_curves", lambda runs: figures.append([run.name for run in runs])
    )
    printed_by_cells(path, names)
    assert figures == [["momentum 0.9", "momentum 0"]]
