"""Saving and loading networks: contents, rejected files, and no loss of data."""

import json
import os
import re
import struct
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from faults import full_disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import TiedWeights, same_weights

from mnist_nb import Hyperparameters, TrainingRun, build_model, load_or_train, load_pretrained
from mnist_nb.checkpoints import (
    CheckpointError,
    continue_run,
    load_checkpoint,
    read_metadata,
    save_checkpoint,
    save_run,
)
from mnist_nb.files import write_atomically
from mnist_nb.models import MODELS, loss_and_accuracy

# ---- Save and load


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_loaded_model_is_identical_bit_for_bit(path, name):
    model = build_model(name, seed=7)
    save_checkpoint(model, path)
    loaded = load_checkpoint(path)
    assert loaded.name == name
    assert not loaded.training
    assert same_weights(loaded, model)


def test_a_loaded_mlp_keeps_its_width(path):
    save_checkpoint(build_model("mlp", hidden=(32, 16)), path)
    assert load_checkpoint(path).linear2.weight.shape == (16, 32)


def test_a_run_of_tied_weights_is_saved_and_resumed(path, sample, monkeypatch):
    monkeypatch.setitem(MODELS, TiedWeights.name, TiedWeights)
    settings = Hyperparameters(network=TiedWeights.name, epochs=1)
    run, _ = continue_run(path, sample, settings, device="cpu")
    for _ in range(3):
        run.step()
    save_run(run, path)
    resumed, _ = continue_run(path, sample, settings, device="cpu")
    assert resumed.steps_done == 3
    assert resumed.step() == run.step()
    assert resumed.model.second.weight is resumed.model.first.weight
    assert same_weights(resumed.model, run.model)


def test_the_file_holds_the_six_tensors_and_string_metadata_only(path):
    save_checkpoint(build_model("mlp"), path, {"note": "hello"})
    header_length = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + header_length])
    metadata = header.pop("__metadata__")
    assert sorted(header) == sorted(
        f"linear{n}.{kind}" for n in (1, 2, 3) for kind in ("weight", "bias")
    )
    assert metadata["note"] == "hello"
    assert metadata["model"] == "mlp"
    assert all(isinstance(value, str) for value in metadata.values())
    assert read_metadata(path) == metadata


def test_a_file_of_the_rust_program_loads(path):
    """It has six tensors and no metadata."""
    model = build_model("mlp", seed=3)
    safetensors.torch.save_file(model.state_dict(), path)
    assert torch.equal(load_checkpoint(path).linear1.weight, model.linear1.weight)
    assert read_metadata(path) == {}


@pytest.mark.parametrize(
    "name", ["a name with spaces.safetensors", "模型-ψηφία.safetensors", "😀" * 60]
)
def test_any_file_name_will_do(tmp_path, name):
    save_checkpoint(build_model("mlp", seed=1), tmp_path / name)
    assert load_checkpoint(str(tmp_path / name)).name == "mlp"


# ---- Files that are not checkpoints


def without(key):
    return lambda tensors: tensors.pop(key)


def replacing(key, change):
    def apply(tensors):
        tensors[key] = change(tensors[key].clone())

    return apply


def poison(value):
    def apply(tensor):
        tensor.view(-1)[0] = value
        return tensor

    return apply


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (without("linear2.bias"), "no known network"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "no known network"),
        (lambda tensors: tensors.clear(), r"its tensors \(none\)"),
        (
            replacing("linear1.weight", lambda t: t.T.contiguous()),
            r"linear1\.weight must be .*\[784, 128\]",
        ),
        (
            replacing("linear2.bias", lambda t: t[:10].contiguous()),
            r"linear\d\.(weight|bias) must be",
        ),
        (replacing("linear1.bias", lambda t: t.sum()), "linear1.bias must be"),
        (replacing("linear3.weight", lambda t: t.half()), "torch.float16"),
        (replacing("linear1.weight", poison(float("nan"))), "NaN or infinity"),
        (replacing("linear3.bias", poison(float("inf"))), "NaN or infinity"),
    ],
)
def test_the_wrong_tensors_are_refused_with_the_reason(path, damage, reason):
    tensors = dict(build_model("mlp").state_dict())
    damage(tensors)
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(CheckpointError, match=reason) as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)


@pytest.mark.promise("bounded reading")
def test_a_huge_file_is_refused_unread(path):
    with path.open("wb") as file:
        file.truncate(2**40)  # a sparse file: a terabyte that takes no space
    with pytest.raises(CheckpointError, match=r"is longer than .* choose another file"):
        load_checkpoint(path)


def test_a_missing_file_and_a_folder_are_clear_errors(path):
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors does not exist: train one first"
    ):
        load_checkpoint(path)
    with pytest.raises(CheckpointError):
        load_checkpoint(path.parent)


WHOLE = safetensors.torch.save(
    build_model("mlp", seed=0, hidden=(16, 8)).state_dict(), {"model": "mlp"}
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.integers(0, len(WHOLE) - 1).map(lambda end: WHOLE[:end]),
        st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=16)).map(
            lambda cut: WHOLE[: cut[0]] + cut[1] + WHOLE[cut[0] + len(cut[1]) :]
        ),
        st.tuples(st.integers(0, 8 * len(WHOLE) - 1)).map(
            lambda bit: (
                WHOLE[: bit[0] // 8]
                + bytes([WHOLE[bit[0] // 8] ^ 1 << bit[0] % 8])
                + WHOLE[bit[0] // 8 + 1 :]
            )
        ),
    )
)
@pytest.mark.promise("damaged file")
def test_a_damaged_file_is_an_error_or_a_finite_model(path, content):
    path.write_bytes(content)
    try:
        model = load_checkpoint(path)
    except CheckpointError:
        return
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


# ---- No incomplete files


@pytest.mark.promise("failed write")
def test_a_failed_write_keeps_the_old_file_and_no_other(path, monkeypatch):
    save_checkpoint(build_model("mlp", seed=1), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match=r"cannot be written: No space left on device"):
        save_checkpoint(build_model("mlp", seed=2), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_files_of_a_killed_program_are_removed_by_a_later_save(path):
    killed = "import os, sys; from mnist_nb.files import write_atomically as write\n"
    killed += "os.replace = lambda *_: os._exit(9); write(sys.argv[1], b'half')"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", killed, str(path)]).returncode == 9
    old, young = path.parent.iterdir()
    os.utime(old, (1e9, 1e9))
    mine = [
        path.with_name(name)
        for name in (".bashrc", f".{path.name}.notes.part", f".{path.name}.lock")
    ]
    for file in mine:
        file.write_text("not of a save")
        os.utime(file, (1e9, 1e9))
    save_checkpoint(build_model("mlp"), path)
    assert {*path.parent.iterdir()} == {path, young, *mine}  # the recent one may still be in use


def test_a_missing_folder_or_a_folder_is_one_clear_error(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_checkpoint(build_model("mlp"), tmp_path / "nowhere" / "model.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        save_checkpoint(build_model("mlp"), tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
@pytest.mark.promise("other kinds")
def test_a_device_or_a_pipe_is_never_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/null"):
        with pytest.raises(CheckpointError, match="it is a device or a pipe"):
            save_checkpoint(build_model("mlp"), path)
        assert not os.path.isfile(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: model.double(), "torch.float64"),
        (
            lambda model: torch.nn.init.constant_(model.linear1.bias, float("nan")),
            "NaN or infinity",
        ),
        (lambda model: setattr(model, "linear4", torch.nn.Linear(10, 10)), "no known network"),
    ],
    ids=["other numbers", "NaN", "another network"],
)
def test_networks_that_could_not_be_loaded_are_not_saved(path, sample, change, reason):
    save_checkpoint(build_model("mlp", seed=1), path)
    before, model = path.read_bytes(), build_model("mlp", seed=2)
    change(model)
    with pytest.raises(CheckpointError, match=rf"was not saved.*{reason}"):
        save_checkpoint(model, path)
    with pytest.raises(CheckpointError, match=rf"was not saved.*{reason}"):
        save_run(TrainingRun(model, sample, Hyperparameters(), device="cpu"), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_are_kept_and_new_files_have_the_users_own(path):
    write_atomically(path, b"one")
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o640)
    write_atomically(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o640)


# ---- The shipped networks


def test_without_a_model_a_quick_one_is_trained(path, sample):
    model, sentence = load_or_train(path, sample)
    assert sentence.startswith(f"There is no {path} yet; so a new network was trained")
    assert loss_and_accuracy(model, sample.validation.images, sample.validation.labels)[1] > 0.87
    assert not path.exists()


def test_a_model_that_reads_well_enough_is_used(path, sample):
    save_checkpoint(load_pretrained("mlp"), path)
    model, sentence = load_or_train(path, sample)
    assert sentence.startswith(f"Using the network in {path}: it reads 99")
    assert torch.equal(model.linear1.weight, load_pretrained("mlp").linear1.weight)


def test_a_weak_model_is_named_and_left_alone(path, sample):
    save_checkpoint(build_model("mlp", seed=8), path)
    content = path.read_bytes()
    model, sentence = load_or_train(path, sample)
    assert re.match(
        rf"The network in {re.escape(str(path))} reads \d+\.\d%, and 87% are needed here; so",
        sentence,
    )
    assert loss_and_accuracy(model, sample.validation.images, sample.validation.labels)[1] > 0.87
    assert path.read_bytes() == content


def test_a_damaged_model_is_named_and_left_alone(path, sample):
    path.write_bytes(b"damaged")
    _, sentence = load_or_train(path, sample)
    assert sentence.startswith(f"{path} is not a complete safetensors file")
    assert path.read_bytes() == b"damaged"


@pytest.mark.parametrize("header", [b"[]", b'{"__metadata__":null}', b'{"__metadata__":5}'])
def test_a_foreign_file_with_an_odd_header_is_kept(path, header):
    content = len(header).to_bytes(8, "little") + header
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a network of this package"):
        save_checkpoint(build_model("mlp", seed=0), path)
    assert path.read_bytes() == content


def test_a_path_with_a_null_character_is_one_sentence():
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint("a\0b")
