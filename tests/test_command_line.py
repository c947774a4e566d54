"""The command line: files, messages and exit statuses. Ctrl-C is sent to a separate process."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from networks import same_weights

from mnist_nb import Hyperparameters, build_model, load_checkpoint, read_metadata, save_checkpoint
from mnist_nb.__main__ import main

QUICK = ("--learning-rate", "0.05", "--epochs", "2")


@pytest.fixture
def mnist_nb(workplace, monkeypatch, capsys):
    """A function that runs `python -m mnist_nb` with these arguments, on the sample, in an empty
    folder."""
    monkeypatch.setenv("MNIST_NB_SOURCE", "sample")

    def run(*words):
        capsys.readouterr()
        try:
            status = main(words)
        except SystemExit as exit:  # argparse exits this way
            status = exit.code
        output = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=output.out, stderr=output.err)

    run.folder = workplace
    return run


def test_without_a_subcommand_it_trains_and_saves(mnist_nb):
    result = mnist_nb("--epochs", "1")
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()[:2]
    assert "No subcommand" in first
    assert "this trains" in first
    assert second == "A new mlp begins."
    assert re.search(r"epoch +1  loss [\d.]+ \([\d.]+ to [\d.]+\).*accuracy [\d.]+%", result.stdout)
    assert load_checkpoint(mnist_nb.folder / "model.safetensors").name == "mlp"
    assert result.stderr == ""  # no progress bar without a terminal


def test_it_continues_from_the_file_and_says_so(mnist_nb):
    assert mnist_nb("train", *QUICK).returncode == 0
    second = mnist_nb("train", *QUICK)
    assert "model.safetensors has finished 2 epochs; training 2 more." in second.stdout
    assert "epoch   4" in second.stdout
    fresh = mnist_nb("train", "--fresh", *QUICK)
    assert "A new mlp begins; model.safetensors will be replaced." in fresh.stdout
    assert "epoch   3" not in fresh.stdout


def test_options_and_presets_reach_the_settings(mnist_nb):
    words = ["--preset", "fast", "--epochs", "1", "--batch-size", "500", "--optimizer", "adam"]
    words += ["--learning-rate", "0.01", "--model", "other.safetensors"]
    assert mnist_nb("train", *words).returncode == 0
    settings = read_metadata(mnist_nb.folder / "other.safetensors")["hyperparameters"]
    for part in (
        '"epochs": 1',
        '"batch_size": 500',
        '"optimizer": "adam"',
        '"schedule": "one-cycle"',
    ):
        assert part in settings


def test_every_hyperparameter_is_an_option_with_its_hint(mnist_nb):
    text = " ".join(mnist_nb("train", "--help").stdout.split())
    for field in dataclasses.fields(Hyperparameters):
        assert f"--{field.name.replace('_', '-')}" in text
        assert field.metadata["hint"].split(";")[0] in text


def test_the_measurement_has_an_interval_and_a_table(mnist_nb):
    mnist_nb("train", "--learning-rate", "0.05")
    result = mnist_nb("test")
    assert result.returncode == 0, result.stderr
    accuracy, low, high = map(
        float,
        re.search(
            r"accuracy ([\d.]+)% \(95 % interval ([\d.]+)% to ([\d.]+)%\)", result.stdout
        ).groups(),
    )
    assert 70 < low < accuracy < high < 100
    assert len(re.findall(r"^ +\d  +[\d.]+ \(", result.stdout, re.MULTILINE)) == 10


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("test",), "model.safetensors does not exist: train one first"),
        (("train", "--epochs", "0"), "epochs must be between 1"),
        (("train", "--epochs", "many"), "invalid int value"),
        (("train", "--optimizer", "lion"), "invalid choice"),
        (("train", "--shuffle"), "unrecognized arguments"),
        (("fly",), "fly"),
        (("train", "--model", "nowhere/model.safetensors"), "cannot be written"),
        (("train", "--model", "."), "cannot be written"),
        (("train", "--device", "cuda"), "got 'cuda'"),
        (("train", "--learning-rate", "10"), "learning rate 10 is too high"),
        (("train", "--model", "cnn.safetensors"), "contains a network of type cnn"),
        (
            ("train", "--model", "bad.safetensors"),
            "bad.safetensors is not a complete safetensors file",
        ),
        (
            ("test", "--model", "bad.safetensors"),
            "bad.safetensors is not a complete safetensors file",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(mnist_nb, words, reason):
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("here is a GPU")
    save_checkpoint(build_model("cnn"), "cnn.safetensors")
    Path("bad.safetensors").write_bytes(b"not a model")
    result = mnist_nb(*words)
    assert result.returncode == 2
    assert reason in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert Path("bad.safetensors").read_bytes() == b"not a model"


def test_help_says_that_without_a_subcommand_it_trains(mnist_nb):
    text = " ".join(mnist_nb("--help").stdout.split())
    assert "With no subcommand it trains" in text
    assert all(word in text for word in ("train", "test", "draw"))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package installed elsewhere with its notebooks, as from a wheel. Calls of JupyterLab are
    recorded."""
    package = tmp_path / "site-packages" / "mnist_nb"
    (package / "notebooks" / "solutions").mkdir(parents=True)
    (package / "notebooks" / "draw.ipynb").write_text("{}")
    (package / "notebooks" / "solutions" / "04_draw.ipynb").write_text("{}")
    monkeypatch.setattr("mnist_nb.__main__.__file__", str(package / "__main__.py"))
    opened = []

    def call(command):
        assert "--LabApp.default_url=/lab/tree/draw.ipynb" in command, (
            "the address printed leads to the pad"
        )
        return opened.append(Path(command[3])) or 0

    monkeypatch.setattr("subprocess.call", call)
    return package, opened


def test_draw_from_an_installed_package_opens_copies(mnist_nb, installed):
    _, opened = installed
    first = mnist_nb("draw")
    copy = mnist_nb.folder / "notebooks" / "draw.ipynb"
    assert (first.returncode, opened) == (0, [copy])
    assert str(copy.parent) in first.stdout
    assert (copy.parent / "solutions" / "04_draw.ipynb").exists()

    copy.write_text("changed by its reader")
    again = mnist_nb("draw")
    assert (again.returncode, again.stdout, opened) == (0, "", [copy, copy])
    assert copy.read_text() == "changed by its reader"


def test_draw_leaves_a_folder_of_that_name_alone(mnist_nb, installed):
    theirs = mnist_nb.folder / "notebooks"
    theirs.mkdir()
    result = mnist_nb("draw")
    assert (result.returncode, installed[1], list(theirs.iterdir())) == (2, [], [])
    assert "change to another folder" in result.stderr


def test_draw_without_any_notebooks_says_so(mnist_nb, installed):
    shutil.rmtree(installed[0] / "notebooks")
    result = mnist_nb("draw")
    assert result.returncode == 2
    assert "reinstall mnist_nb" in result.stderr


# ---- Ctrl-C, sent to a separate process


def interruptible(test):
    return pytest.mark.slow(pytest.mark.skipif(os.name == "nt", reason="signals")(test))


def as_process(*words):
    """Start `python -m mnist_nb` with these arguments, on the sample, in a separate process."""
    environment = os.environ | {"MNIST_NB_SOURCE": "sample"}
    command = [sys.executable, "-m", "mnist_nb", *words]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_lets_jupyterlab_shut_down(tmp_path):
    (tmp_path / "jupyterlab.py").write_text(
        "import time\n"
        "try:\n    print('up', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(1); print('shut down', flush=True)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    process = subprocess.Popen(
        [sys.executable, "-m", "mnist_nb", "draw"],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # in its own group, which receives Ctrl-C as from a terminal
    )
    assert process.stdout.readline() == "up\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "shut down\n"
    assert process.returncode == 0


@interruptible
def test_ctrl_c_saves_a_run_that_resumes_exactly(mnist_nb):
    words = ["train", "--epochs", "20", "--learning-rate", "0.01"]
    assert mnist_nb(*words, "--model", "whole.safetensors").returncode == 0

    path = mnist_nb.folder / "model.safetensors"
    process = as_process(*words)
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped at epoch" in output
    assert "The same command resumes it." in output

    assert "Resuming the unfinished run" in mnist_nb(*words).stdout
    assert same_weights(load_checkpoint(path), load_checkpoint("whole.safetensors"))


@interruptible
def test_ctrl_c_at_the_end_of_a_saved_run_does_not_crash(workplace):
    process = as_process("train", "--epochs", "1")
    last = ""
    while not last.startswith("Saved in"):
        last = process.stdout.readline()
        assert last or process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert load_checkpoint("model.safetensors").name == "mlp"


def test_an_error_of_pytorch_is_one_line(mnist_nb, monkeypatch):
    def without_memory(*_):
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr("mnist_nb.evaluate", without_memory)
    save_checkpoint(build_model("mlp"), "model.safetensors")
    result = mnist_nb("test")
    assert (result.returncode, result.stderr) == (2, "mnist_nb test: can't allocate memory\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk to print to")
def test_a_log_on_a_full_disk_is_one_line(mnist_nb, monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", full)
            assert main(["train", "--epochs", "1"]) == 2
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # or closing it would fail
    assert re.fullmatch(r"mnist_nb train: .*No space left on device\n", capsys.readouterr().err)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("words", ["page -o page.html", "train --epochs 1"])
def test_a_closed_output_does_not_crash(workplace, words, closed):
    save_checkpoint(build_model("mlp", seed=0), "model.safetensors")
    command = f'"{sys.executable}" -m mnist_nb {words} {closed}'
    environment = os.environ | {"MNIST_NB_SOURCE": "sample"}
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="shell")
def test_a_reader_that_closes_the_output_stops_no_run(workplace):
    command = f'"{sys.executable}" -m mnist_nb train --epochs 2 | head -n 1'
    environment = os.environ | {"MNIST_NB_SOURCE": "sample"}
    subprocess.run(command, shell=True, env=environment, stdout=subprocess.DEVNULL, check=True)
    assert read_metadata("model.safetensors")["epoch"] == "2"
