"""What CONTRIBUTING.md says of one line in one place is done to a copy of the package, and
holds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A folder with a copy of the package to which the two examples were added."""
    package = tmp_path / "mnist_nb"
    shutil.copytree(
        ROOT / "mnist_nb", package, ignore=shutil.ignore_patterns("__pycache__", "pretrained")
    )
    field, network = re.findall(
        r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S
    )

    settings = package / "training" / "hyperparameters.py"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        re.sub(r"(?=^    seed: int)", lambda _: field, text, flags=re.M), encoding="utf-8"
    )
    models = package / "models" / "networks.py"
    text = models.read_text(encoding="utf-8")
    models.write_text(
        re.sub(r"(?=^def build_model)", lambda _: network + "\n\n", text, flags=re.M),
        encoding="utf-8",
    )
    return tmp_path


def python(folder: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "MNIST_NB_SOURCE": "sample"}
    result = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_field_is_an_option_a_slider_and_a_line_in_the_file_and_a_network_is_trained_kept_and_measured(
    changed: Path,
) -> None:
    assert "how much each step shrinks the weights [0 to 1]" in " ".join(
        python(changed, "-m", "mnist_nb", "train", "--help").split()
    )
    python(
        changed,
        "-m",
        "mnist_nb",
        "train",
        "--network",
        "linear",
        "--epochs",
        "1",
        "--weight-decay",
        "0.25",
    )
    assert "read right" in python(changed, "-m", "mnist_nb", "test")
    program = """
from mnist_nb import Hyperparameters, load_checkpoint, read_metadata
from mnist_nb.widgets.controls import Controls
slider = Controls(Hyperparameters(weight_decay=0.5)).by_name["weight_decay"]
label = slider.description.partition("<")[0]  # its hint follows
print(label, slider.value, '"weight_decay": 0.25' in read_metadata("model.safetensors")["hyperparameters"])
print(load_checkpoint("model.safetensors").name)
"""
    assert python(changed, "-c", program).split() == ["Weight", "decay", "0.5", "True", "linear"]
