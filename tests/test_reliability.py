"""Killed processes, two writers at once, and malicious files."""

import json
import os
import pickle
import random
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from networks import same_weights
from torch import nn

from mnist_nb import (
    Hyperparameters,
    MyDigits,
    TrainingRun,
    build_model,
    from_image,
    load_checkpoint,
    read_metadata,
)
from mnist_nb.checkpoints import (
    CheckpointError,
    Start,
    continue_run,
    save_checkpoint,
    save_run,
    state_path,
)

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def forked(work: Callable[[], object]) -> int:
    """Run the work in a fork of this process, and return its id. This is seconds quicker than a new
    Python."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def killed(work: Callable[[], object], seconds: float) -> None:
    """Run the work in a process of its own for a while, then kill it."""
    child = forked(work)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the work ended by itself"


def for_ever(*acts: Callable[[], object]) -> None:
    while True:
        for act in acts:
            act()


@forks
@pytest.mark.slow
@pytest.mark.promise("whole file")
@pytest.mark.parametrize("kills", [50, pytest.param(200, marks=pytest.mark.nightly)])
def test_a_save_killed_at_any_moment_leaves_a_whole_file(path: Path, kills: int) -> None:
    models = [build_model(seed=seed) for seed in (1, 2)]
    weights = [model.linear1.weight for model in models]
    save_checkpoint(models[0], path)
    moments, seen, longest = random.Random(0), set(), 0.08
    for _ in range(kills):
        killed(
            lambda: for_ever(*(lambda m=model: save_checkpoint(m, path) for model in models)),
            moments.uniform(0, longest),
        )
        found = load_checkpoint(path).linear1.weight
        seen.add(
            next(number for number, weight in enumerate(weights) if torch.equal(weight, found))
        )
        longest *= 1.0 if len(seen) == 2 else 1.1  # on a busy machine the first save takes longer
    assert seen == {0, 1}, "no save was ever cut short between the two"


@forks
@pytest.mark.slow
@pytest.mark.promise("exact resume")
def test_a_run_killed_while_it_is_saved_resumes_exactly(tiny, path: Path) -> None:
    settings = Hyperparameters(epochs=9, batch_size=32, learning_rate=0.05)
    runs = [TrainingRun(build_model(seed=0), tiny, settings, device="cpu") for _ in range(2)]
    for steps, run in zip((3, 4), runs, strict=True):
        for _ in range(steps):
            run.step()
    save_run(runs[0], path)
    moments = random.Random(0)
    for _ in range(60):
        saves = [lambda run=run: save_run(run, path) for run in runs]
        killed(lambda saves=saves: for_ever(*saves), moments.uniform(0, 0.05))
        resumed, start = continue_run(path, tiny, settings, device="cpu")
        assert start.kind is Start.RESUMED, start
        whole = runs[resumed.steps_done - 3]
        assert torch.equal(resumed.model.linear1.weight, whole.model.linear1.weight)
        assert resumed.batch_losses == whole.batch_losses


@forks
@pytest.mark.slow
@pytest.mark.promise("two programs")
def test_two_programs_can_save_one_file_at_once(path: Path) -> None:
    models = [build_model(seed=seed) for seed in (1, 2)]

    def save_often(model: nn.Module) -> None:
        for _ in range(40):
            save_checkpoint(model, path)

    children = [forked(lambda model=model: save_often(model)) for model in models]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    found = load_checkpoint(path)
    assert any(same_weights(found, model) for model in models)


class Harmful:
    """An object that leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.promise("no code")
def test_a_pickle_is_read_by_nothing(path: Path, tiny, protocol: int) -> None:
    mark, other = path.with_name("mark"), path.with_name("torch.safetensors")
    path.write_bytes(pickle.dumps(Harmful(mark), protocol))
    torch.save(Harmful(mark), other)
    for file in (path, other):
        for read in (load_checkpoint, read_metadata, from_image, lambda file: len(MyDigits(file))):
            with pytest.raises(ValueError, match=r".+"):
                read(file)
        with pytest.raises(CheckpointError):
            continue_run(file, tiny, Hyperparameters())
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the file would have done harm"


def packed(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        packed([]),
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2**40) + b"{" * 100,
        packed({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, bytes(8)),
        packed({"a": {"dtype": "F32", "shape": [2**31, 2], "data_offsets": [0, 2**34]}}, bytes(8)),
        packed({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, bytes(8)),
        packed({"a": TENSOR, "b": TENSOR}, bytes(8)),
        packed(b"[" * 200_000 + b"]" * 200_000),
        packed(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        packed(b'{"__metadata__": {"n": ' + b"9" * 100_000 + b"}}"),
        packed({str(number): TENSOR for number in range(50_000)}, bytes(8)),
        packed({"__metadata__": {"x": "y" * 5_000_000}}),
        packed({"__metadata__": {"x": 1}, "a": TENSOR}, bytes(8)),
        packed(b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}} trailing', bytes(8)),
        packed(b"\xff\xfe\x00", bytes(8)),
    ],
    ids=[
        "empty",
        "png",
        "zip",
        "no object",
        "exabytes",
        "terabyte header",
        "product overflows",
        "beyond the end",
        "backwards",
        "overlap",
        "deep list",
        "deep object",
        "long number",
        "many names",
        "long metadata",
        "no strings",
        "trailing",
        "no text",
    ],
)
@pytest.mark.promise("damaged file")
def test_a_file_without_a_network_is_one_clear_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is "):
        load_checkpoint(path)


@pytest.mark.promise("damaged file")
def test_a_checkpoint_cut_at_any_4_kb_boundary_is_refused(path: Path) -> None:
    save_checkpoint(build_model(seed=0), path)
    content = path.read_bytes()
    for size in range(0, len(content), 4096):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="not a complete safetensors file"):
            load_checkpoint(path)


@pytest.mark.promise("damaged file")
def test_one_flipped_bit_in_the_weights_is_noticed(path: Path) -> None:
    bits = random.Random(0)
    save_checkpoint(build_model(seed=0), path)
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    for _ in range(200):
        damaged = bytearray(content)
        damaged[bits.randrange(begin, len(content))] ^= 1 << bits.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"damaged after it was saved|NaN or infinity"):
            load_checkpoint(path)


@pytest.mark.slow
@pytest.mark.promise("damaged state")
@pytest.mark.parametrize("files", [200, pytest.param(1000, marks=pytest.mark.nightly)])
def test_a_damaged_training_state_does_not_cost_the_weights(tiny, path: Path, files: int) -> None:
    settings, bits = Hyperparameters(epochs=2, batch_size=32), random.Random(1)
    run = TrainingRun(build_model(seed=0), tiny, settings, device="cpu")
    run.step()
    save_run(run, path)
    state = state_path(path)
    content = state.read_bytes()
    header = int.from_bytes(content[:8], "little")
    for number in range(files):
        damaged = bytearray(content)
        for _ in range(bits.randint(1, 4)):
            reach = len(content) if number % 2 else 8 + header  # half of them in the header's text
            damaged[bits.randrange(reach)] ^= 1 << bits.randrange(8)
        state.write_bytes(damaged)
        resumed, start = continue_run(path, tiny, settings, device="cpu")
        assert torch.equal(resumed.model.linear1.weight, run.model.linear1.weight)
        assert start.kind is Start.WEIGHTS or resumed.batch_losses == run.batch_losses


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
@pytest.mark.promise("Jupyter's safety")
def test_jupyters_own_security_is_not_weakened() -> None:
    root = Path(__file__).resolve().parent.parent
    patterns = ["mnist_nb/**/*.py", "notebooks/**/*.ipynb", "tools/*"]
    patterns += ["Makefile", "environment.yml", "pyproject.toml"]
    for file in (file for pattern in patterns for file in root.glob(pattern)):
        if file.is_file():
            text = file.read_text(encoding="utf-8").lower()
            for setting in (
                "serverapp.token",
                "serverapp.password",
                "--ip",
                "allow_origin",
                "disable_check_xsrf",
            ):
                assert setting not in text, f"{file} sets {setting}"
