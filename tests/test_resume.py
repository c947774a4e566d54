"""A run that was stopped anywhere ends with the same weights, bit for bit, as an uninterrupted
one."""

import dataclasses
import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from networks import same_weights

from mnist_nb import (
    Hyperparameters,
    TrainingRun,
    build_model,
    continue_run,
    load_checkpoint,
    save_checkpoint,
    save_run,
)
from mnist_nb.checkpoints import CheckpointError, Start, state_path
from mnist_nb.files import MAX_FILE_BYTES
from mnist_nb.training import TrainingDivergedError

SGD = Hyperparameters(epochs=3, learning_rate=0.02, batch_size=50)
SETTINGS = {
    "sgd": SGD,
    "sgd without momentum": dataclasses.replace(SGD, momentum=0.0),
    "adamw": dataclasses.replace(SGD, optimizer="adamw", learning_rate=0.002),
    "one-cycle": dataclasses.replace(SGD, schedule="one-cycle"),
    "cosine with adam": dataclasses.replace(
        SGD, optimizer="adam", schedule="cosine", learning_rate=0.002
    ),
    "everything": dataclasses.replace(
        SGD,
        optimizer="adamw",
        schedule="one-cycle",
        augmentation="handwriting",
        learning_rate=0.004,
    ),
    "cnn with adamw": dataclasses.replace(
        SGD, network="cnn", epochs=2, optimizer="adamw", learning_rate=0.002
    ),
    "cnn": dataclasses.replace(SGD, network="cnn", epochs=2, augmentation="affine"),
}


def uninterrupted(data, settings):
    run = TrainingRun(build_model(settings.network, seed=settings.seed), data, settings)
    list(run.epochs())
    return run


def stop_after(run, steps):
    """Train for a number of steps, then stop between two batches."""
    end = run.steps_done + steps
    list(run.epochs(lambda run: run.stop() if run.steps_done >= end else None))


def saved_after(steps, data, path):
    """Return a new run that was stopped after a number of steps, and saved."""
    run, _ = continue_run(path, data, SGD)
    stop_after(run, steps)
    save_run(run, path)
    return run


def resumed_from(path, data):
    """Return the run resumed from the training state next to the file."""
    run, start = continue_run(path, data, SGD)
    assert start.kind is Start.RESUMED
    return run


@pytest.mark.parametrize(
    "setting",
    [
        {"momentum": np.float16(0.9)},
        {"momentum": np.float32(0.98)},
        {"momentum": -0.0},
        {"learning_rate": 1 / 30},
        {"learning_rate": np.float32(1 / 30)},
        {"learning_rate": np.longdouble("1e-5") / 3},
        {"learning_rate": 1},
        {"batch_size": np.float32(50)},
        {"seed": np.uint32(2**31 - 1)},
    ],
    ids=str,
)
def test_every_accepted_setting_survives_save_and_resume(tiny, path, setting):
    settings = dataclasses.replace(SGD, **setting)
    run, _ = continue_run(path, tiny, settings)
    stop_after(run, 3)
    save_run(run, path)
    resumed, start = continue_run(path, tiny, settings)
    assert start.kind is Start.RESUMED
    assert resumed.hyperparameters == settings


@pytest.mark.parametrize("value", [np.float16(0.99), np.float32(0.99)])
def test_a_setting_that_rounds_out_of_its_range_is_refused(value):
    with pytest.raises(ValueError, match="momentum must be between"):
        Hyperparameters(momentum=value)


def test_the_losses_of_the_longest_run_fit_into_a_file():
    longest = Hyperparameters(epochs=200, batch_size=1)
    assert 8 * 55_000 * longest.epochs < MAX_FILE_BYTES / 2


def test_a_run_of_very_many_changes_can_be_resumed(tiny, path, monkeypatch):
    monkeypatch.setattr("mnist_nb.training.learning_rate.MAX_CHANGES", 20)
    settings = dataclasses.replace(SGD, batch_size=1, epochs=2)
    rates = itertools.cycle([0.001, 0.002])
    run, _ = continue_run(path, tiny, settings)
    while run.steps_done < 700:
        run.learning_rate = next(rates)
        stop_after(run, 1)
    tensors, _ = run.state_dict()
    assert len(tensors["learning_rate_changes"]) == 20
    save_run(run, path)
    resumed, start = continue_run(path, tiny, settings)
    assert start.kind is Start.RESUMED
    assert resumed.learning_rate_changes == run.learning_rate_changes
    assert resumed.batch_losses == run.batch_losses
    list(run.epochs())
    list(resumed.epochs())
    assert same_weights(resumed.model, run.model)
    assert resumed.records[-1].mean_loss == run.records[-1].mean_loss


@pytest.mark.parametrize("name", SETTINGS)
def test_stopped_at_random_batches_and_resumed_from_files(tiny, path, name):
    settings = SETTINGS[name]
    expected = uninterrupted(tiny, settings)
    dice = random.Random(name)
    run, _ = continue_run(path, tiny, settings)
    while not run.finished:
        stop_after(run, dice.randint(1, run.batches_per_epoch))
        save_run(run, path)
        if not run.finished:
            run, start = continue_run(path, tiny, settings)
            assert start.kind is Start.RESUMED
    assert same_weights(run.model, expected.model)
    assert same_weights(load_checkpoint(path), expected.model)
    assert run.batch_losses == expected.batch_losses
    ours, theirs = (
        [dataclasses.replace(r, seconds=0) for r in one.records] for one in (run, expected)
    )
    assert ours == theirs


@pytest.mark.parametrize("name", ["sgd", "everything"])
def test_stopped_and_resumed_in_the_same_kernel(tiny, name):
    settings = SETTINGS[name]
    run = TrainingRun(build_model("mlp", seed=settings.seed), tiny, settings)
    for steps in (3, 11):
        stop_after(run, steps)
        assert (run.epoch, run.batch) == divmod(run.steps_done, run.batches_per_epoch)
        assert not run.finished
    list(run.epochs())
    assert run.finished
    assert [record.epoch for record in run.records] == [1, 2, 3]
    assert run.steps_done == run.steps_total == len(run.batch_losses)
    assert same_weights(run.model, uninterrupted(tiny, settings).model)


def test_a_changed_learning_rate_is_part_of_the_resume(tiny, path):
    def with_change(run):
        stop_after(run, 5)
        run.learning_rate = 0.003
        return run

    expected = with_change(TrainingRun(build_model("mlp", seed=0), tiny, SGD))
    list(expected.epochs())

    run = with_change(continue_run(path, tiny, SGD)[0])
    stop_after(run, 4)
    save_run(run, path)
    run, _ = continue_run(path, tiny, SGD)
    assert run.learning_rate == 0.003
    assert run.learning_rate_changes == [(5, 0.003)]
    list(run.epochs())
    assert same_weights(run.model, expected.model)


def test_a_finished_run_is_trained_for_as_many_epochs_more(tiny, path):
    run, start = continue_run(path, tiny, SGD)
    assert str(start) == "A new mlp begins."
    list(run.epochs())
    save_run(run, path)

    run, start = continue_run(path, tiny, SGD)
    assert str(start) == f"{path} has finished 3 epochs; training 3 more."
    stop_after(run, 7)
    save_run(run, path)
    resumed = resumed_from(path, tiny)
    list(run.epochs())
    list(resumed.epochs())
    assert same_weights(run.model, resumed.model)
    assert [record.epoch for record in resumed.records] == [1, 2, 3, 4, 5, 6]


def test_other_settings_start_from_the_weights_and_say_so(tiny, path):
    run = saved_after(39, tiny, path)  # to its end
    other, start = continue_run(path, tiny, dataclasses.replace(SGD, learning_rate=0.001))
    assert "other settings (learning_rate 0.001 instead of 0.02)" in str(start)
    assert same_weights(other.model, run.model)
    assert (other.first_epoch, other.steps_done) == (3, 0)


def test_replaced_weights_are_continued_from_with_fresh_state(tiny, path):
    run = saved_after(9, tiny, path)
    stranger = build_model("mlp", seed=99)
    save_checkpoint(stranger, path)
    run, start = continue_run(path, tiny, SGD)
    assert start.kind is Start.WEIGHTS
    assert same_weights(run.model, stranger)
    assert run.steps_done == 0


def test_an_older_backup_is_not_taken_for_the_latest_weights(tiny, path):
    run = saved_after(13, tiny, path)  # an epoch
    backup = path.read_bytes()
    stop_after(run, 4)
    save_run(run, path)
    path.write_bytes(backup)
    run, start = continue_run(path, tiny, SGD)
    assert start.kind is Start.WEIGHTS
    assert run.steps_done == 0


def test_a_fresh_start_keeps_the_file_until_the_first_save(tiny, path):
    save_checkpoint(build_model("mlp", seed=99), path)
    before = path.read_bytes()
    run, start = continue_run(path, tiny, SGD, fresh=True)
    assert str(start) == f"A new mlp begins; {path} will be replaced."
    assert path.read_bytes() == before
    assert same_weights(run.model, build_model("mlp", seed=SGD.seed))


def test_a_damaged_state_costs_the_state_and_not_the_weights(tiny, path):
    run = saved_after(9, tiny, path)
    state_path(path).write_bytes(state_path(path).read_bytes()[:1000])
    resumed, start = continue_run(path, tiny, SGD)
    assert start.kind is Start.WEIGHTS
    assert same_weights(resumed.model, run.model)


def test_a_model_named_like_a_state_is_not_overwritten(tiny, path):
    save_checkpoint(build_model("mlp", seed=99), state_path(path))
    before = state_path(path).read_bytes()
    run, _ = continue_run(path, tiny, SGD)
    stop_after(run, 3)
    with pytest.raises(
        CheckpointError, match=r"resume\.safetensors is not a training state.*choose another name"
    ):
        save_run(run, path)
    assert state_path(path).read_bytes() == before
    assert not path.exists()


def test_a_diverged_run_saves_its_good_weights_and_no_state(tiny, path):
    run = saved_after(13, tiny, path)  # an epoch
    run.learning_rate = 10.0
    with pytest.raises(TrainingDivergedError):
        list(run.epochs())
    save_run(run, path)
    again, start = continue_run(path, tiny, SGD)
    assert start.kind is Start.WEIGHTS
    assert all(torch.isfinite(tensor).all() for tensor in again.model.state_dict().values())


def test_a_run_that_diverges_at_once_keeps_the_unfinished_one(tiny, path):
    run = saved_after(9, tiny, path)
    wild, start = continue_run(
        path, tiny, dataclasses.replace(SGD, optimizer="adam", learning_rate=10.0)
    )
    assert start.kind is Start.OTHER_SETTINGS
    with pytest.raises(TrainingDivergedError):
        list(wild.epochs())
    save_run(wild, path)
    again = resumed_from(path, tiny)
    list(again.epochs())
    list(run.epochs())
    assert same_weights(again.model, run.model)


def crash_at(monkeypatch, number):
    """Let the nth renaming of a file fail as in a killed process: nothing after it is executed."""
    real_replace, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) == number:
            raise KeyboardInterrupt
        real_replace(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize(
    ("renaming", "steps"), [(1, 5), (2, 10)], ids=["before the state", "before the weights"]
)
@pytest.mark.promise("exact resume")
def test_a_crash_while_saving_resumes_the_latest_state(tiny, path, monkeypatch, renaming, steps):
    expected = uninterrupted(tiny, SGD)
    run = saved_after(5, tiny, path)
    stop_after(run, 5)
    with monkeypatch.context() as patch:
        crash_at(patch, renaming)
        with pytest.raises(KeyboardInterrupt):
            save_run(run, path)
    resumed = resumed_from(path, tiny)
    assert resumed.steps_done == steps
    list(resumed.epochs())
    assert same_weights(resumed.model, expected.model)


@pytest.mark.slow
@pytest.mark.promise("exact resume")
def test_a_killed_process_is_resumed_from_its_last_checkpoint(sample, tmp_path, path):
    """A real process is killed in mid-epoch, and the run is resumed in this one."""
    program = textwrap.dedent(
        """
        import os, signal, sys
        from mnist_nb import Hyperparameters, continue_run, load_mnist, save_run
        settings = Hyperparameters(epochs=2, learning_rate=0.05)
        run, _ = continue_run(sys.argv[1], load_mnist(), settings)
        def kill(run):
            if run.epoch == 1 and run.batch == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        for record in run.epochs(kill):
            save_run(run, sys.argv[1])
        """
    )
    environment = os.environ | {
        "MNIST_NB_SOURCE": "sample",
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, timeout=120
    )
    assert result.returncode == -signal.SIGKILL
    settings = Hyperparameters(epochs=2, learning_rate=0.05)
    run, start = continue_run(path, sample, settings)
    assert start.kind is Start.RESUMED
    assert (run.epoch, run.batch) == (1, 0)
    list(run.epochs())
    assert same_weights(run.model, uninterrupted(sample, settings).model)


@pytest.mark.promise("exact resume")
def test_a_second_crash_keeps_the_state_of_the_first(tiny, path, monkeypatch):
    run = saved_after(1, tiny, path)
    stop_after(run, 1)
    for renaming in (2, 1):  # between the two files, and in the next attempt before the first one
        with monkeypatch.context() as patch:
            crash_at(patch, renaming)
            with pytest.raises(KeyboardInterrupt):
                save_run(run, path)
    resumed = resumed_from(path, tiny)
    assert resumed.batch_losses == run.batch_losses
    assert same_weights(resumed.model, run.model)
