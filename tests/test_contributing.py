"""The examples of CONTRIBUTING.md work everywhere, from training to the exported page."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cells import NOTEBOOKS, printed_by_cells
from networks import same_weights
from torch import Tensor, nn

from mnist_nb import (
    DrawingPad,
    Hyperparameters,
    Mnist,
    TrainingRun,
    TrainingStudio,
    adapt,
    build_model,
    continue_run,
    digit_score,
    evaluate,
    export_page,
    load_checkpoint,
    predict,
    save_run,
)
from mnist_nb.models import MODELS, Network
from mnist_nb.plugins import AUGMENTATIONS
from mnist_nb.widgets.explorers import LayerExplorer, PixelEditor, PruningExplorer

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = dict(
    re.findall(
        r"^## (?:A|An) ([a-z ]+)\n.*?^```python\n(.*?)^```",
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
)
THREE = [[(80, 60), (140, 50), (190, 90), (130, 130)], [(130, 130), (200, 170), (140, 230)]]


class ConvDropout(Network):
    """A convolution with dropout, and no hidden fully connected layer."""

    name = "conv with dropout"

    def __init__(self) -> None:
        super().__init__(
            filters=nn.Conv2d(1, 8, 5, stride=3),
            sparks=nn.ReLU(),
            forget=nn.Dropout(0.3),
            flat=nn.Flatten(),
            answer=nn.Linear(8 * 8 * 8, 10),
        )


@pytest.fixture(params=["linear", "conv with dropout"])
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a network of one's own: the example of the page, or a larger one."""
    monkeypatch.setitem(MODELS, ConvDropout.name, ConvDropout)
    monkeypatch.setitem(MODELS, "linear", nn.Module)  # so that it is removed afterwards
    exec(EXAMPLES["network"], {})
    return request.param


@pytest.fixture
def trained(network: str, tiny: Mnist, workplace: Path) -> nn.Module:
    """The network after two epochs, and its run in `model.safetensors`."""
    run = new_run(network, tiny)
    list(run.epochs())
    save_run(run, "model.safetensors")
    return run.model.eval()


def new_run(network: str, data: Mnist, **settings: Any) -> TrainingRun:
    chosen = Hyperparameters(network=network, epochs=2, learning_rate=0.05, **settings)
    return TrainingRun(build_model(network, seed=0), data, chosen, device="cpu")


class TestNetwork:
    def test_it_is_trained_saved_and_recognised(self, trained: nn.Module, tiny: Mnist) -> None:
        loaded = load_checkpoint("model.safetensors")
        assert type(loaded) is type(trained)
        assert same_weights(loaded, trained)
        assert evaluate(loaded, tiny.test).accuracy > 0.4
        assert digit_score(loaded, tiny.test.images).shape == (len(tiny.test),)

    @pytest.mark.promise("exact resume")
    def test_a_stopped_run_resumes_exactly(
        self, network: str, tiny: Mnist, workplace: Path
    ) -> None:
        whole, stopped = new_run(network, tiny), new_run(network, tiny)
        list(whole.epochs())
        for _ in range(7):
            stopped.step()
        save_run(stopped, "model.safetensors")
        torch.manual_seed(99)  # nothing depends on PyTorch's own generator
        settings = whole.hyperparameters
        resumed, _ = continue_run("model.safetensors", tiny, settings, device="cpu")
        list(resumed.epochs())
        assert same_weights(resumed.model, whole.model)

    def test_the_studio_trains_it(self, network: str, tiny: Mnist, workplace: Path) -> None:
        settings = Hyperparameters(network=network, epochs=1)
        studio = TrainingStudio(tiny, hyperparameters=settings, device="cpu")
        studio.train()
        (run,) = studio.runs
        assert load_checkpoint("model.safetensors").name == network
        assert run.best_accuracy is not None
        assert "could not" not in studio.session.warning
        studio.close()

    def test_the_pad_reads_with_it(self, trained: nn.Module, tiny: Mnist) -> None:
        pad = DrawingPad(tiny, model=trained)
        pad.replay(THREE, width=16)
        assert pad.guess is not None
        pad.close()

    @pytest.mark.parametrize("explorer", [PixelEditor, PruningExplorer, LayerExplorer])
    def test_explorers_open_on_it(
        self, explorer: type[Any], trained: nn.Module, tiny: Mnist
    ) -> None:
        panel = explorer(tiny, trained)
        panel.close()

    def test_it_learns_handwriting(self, trained: nn.Module, tiny: Mnist) -> None:
        adapted = adapt(trained, tiny.test.take(30), tiny, steps=20)
        assert not same_weights(adapted, trained)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["03_evaluate", "08_look_inside"])
    def test_notebooks_run_with_it(
        self, name: str, trained: nn.Module, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
        assert printed_by_cells(NOTEBOOKS / f"{name}.ipynb")

    def test_it_becomes_a_page(self, trained: nn.Module) -> None:
        export_page(trained, "page.html")
        assert Path("page.html").stat().st_size > 10_000


def test_an_augmentation_is_trained_with_and_resumes_exactly(
    tiny: Mnist, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AUGMENTATIONS, "noise", "")
    exec(EXAMPLES["augmentation"], {})
    whole, stopped, plain = (
        new_run("mlp", tiny, augmentation=name) for name in ("noise", "noise", "none")
    )
    for run in (whole, plain):
        list(run.epochs())
    for _ in range(7):
        stopped.step()
    save_run(stopped, path)
    resumed, _ = continue_run(path, tiny, whole.hyperparameters, device="cpu")
    list(resumed.epochs())
    assert same_weights(resumed.model, whole.model)
    assert not same_weights(plain.model, whole.model)


def test_a_run_trains_on_your_own_data_set(workplace: Path) -> None:
    names: dict[str, Any] = {"images": stripes(), "labels": torch.arange(1000) % 10}
    exec(EXAMPLES["data set of your own"], names)
    data = names["data"]
    run = new_run("mlp", data, batch_size=16)
    list(run.epochs())
    assert evaluate(run.model, data.test).accuracy == 1
    studio = TrainingStudio(data, path=None, hyperparameters=Hyperparameters(epochs=1))
    studio.train()
    studio.close()
    assert np.isfinite(predict(run.model, data.test.images)).all()


def stripes() -> Tensor:
    """Return images with one bright stripe, whose row is the label."""
    images = torch.zeros(1000, 28, 28, dtype=torch.uint8)
    for number, image in enumerate(images):
        row = 2 * (number % 10) + 4
        image[row : row + 2, 4:24] = 255
    return images


@pytest.mark.slow
def test_a_hyperparameter_is_an_option_a_slider_and_metadata(tmp_path: Path) -> None:
    package = tmp_path / "mnist_nb"
    ignored = shutil.ignore_patterns("__pycache__", "pretrained")
    shutil.copytree(ROOT / "mnist_nb", package, ignore=ignored)
    settings = package / "training" / "hyperparameters.py"
    field = EXAMPLES["hyperparameter"].strip()
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        text.replace("    seed: int", f"    {field}\n    seed: int"), encoding="utf-8"
    )

    def python(*words: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "MNIST_NB_SOURCE": "sample"}
        command = [sys.executable, *words]
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    help_page = " ".join(python("-m", "mnist_nb", "train", "--help").split())
    assert "how much each step shrinks the weights" in help_page
    python("-m", "mnist_nb", "train", "--epochs", "1", "--weight-decay", "0.25")
    program = """
from mnist_nb import Hyperparameters, read_metadata
from mnist_nb.widgets.controls import Controls
print(Controls(Hyperparameters(weight_decay=0.5)).by_name["weight_decay"].value)
print('"weight_decay": 0.25' in read_metadata("model.safetensors")["hyperparameters"])
"""
    assert python("-c", program).split() == ["0.5", "True"]
