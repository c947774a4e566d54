"""The training studio without a browser: there is at most one run, and no result is lost."""

import _thread
import dataclasses
import gc
import html
import random
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from ipywidgets import Button, Text, ToggleButtons
from matplotlib.backends.backend_agg import FigureCanvasAgg
from networks import same_weights
from torch import nn
from tree import part, shown, widgets

from mnist_nb import (
    CheckpointError,
    Hyperparameters,
    MyDigits,
    TrainingRun,
    build_model,
    load_checkpoint,
    save_checkpoint,
    save_run,
)
from mnist_nb.data import Mnist
from mnist_nb.labs.presets import PRESETS
from mnist_nb.training.optimizers import Sgd
from mnist_nb.widgets.studio import TrainingStudio
from mnist_nb.widgets.studio.chart import spread_labels, style_of
from mnist_nb.widgets.studio.records import MAX_POINTS, RunRecord, State
from mnist_nb.widgets.studio.sentences import code_of, code_of_settings
from mnist_nb.widgets.studio.session import TrainingSession

LONG = Hyperparameters(
    epochs=200, learning_rate=0.001, batch_size=4
)  # 31,000 steps, far more than any test waits for
SHORT = Hyperparameters(epochs=2, learning_rate=0.01, batch_size=50)  # 26 steps
EXPLODING = dataclasses.replace(SHORT, optimizer="adam", learning_rate=10.0)

Make = Callable[..., TrainingStudio]


@pytest.fixture
def make(tiny: Mnist, workplace: Path) -> Iterator[Make]:
    """Return a function that makes studios over a few hundred images, in memory unless a path is
    given. They are closed afterwards."""
    made: list[TrainingStudio] = []

    def studio(settings: Hyperparameters | None = SHORT, path: str | None = None) -> TrainingStudio:
        made.append(TrainingStudio(tiny, path, settings, device="cpu"))
        return made[-1]

    yield studio
    for one in made:
        one.close()


def buttons(studio: TrainingStudio, label: str) -> list[Button]:
    return [one for one in widgets(studio) if isinstance(one, Button) and one.description == label]


def click(studio: TrainingStudio, label: str, number: int = 0) -> None:
    """Click a button as the page does, unless it is disabled."""
    button = buttons(studio, label)[number]
    if not button.disabled:
        button.click()


def names(studio: TrainingStudio) -> list[Text]:
    return [one for one in widgets(studio) if isinstance(one, Text)]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def steps(studio: TrainingStudio) -> int:
    assert studio.session.run is not None
    return studio.session.run.steps_done


def stop_and_wait(studio: TrainingStudio) -> None:
    wait_until(lambda: not (studio.session.is_running and buttons(studio, "Stop")[0].disabled))
    click(studio, "Stop")
    studio.session.wait()


def begin(studio: TrainingStudio) -> None:
    """Start a run, and wait until it is training."""
    click(studio, "Train")
    wait_until(lambda: steps(studio) > 5)


def train_a_little(studio: TrainingStudio) -> None:
    """Start a run, and stop it in mid-epoch."""
    begin(studio)
    stop_and_wait(studio)


def running_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "training"]


def trained(data: Mnist, settings: Hyperparameters, stop_at: int | None = None) -> nn.Module:
    """Return the network of an uninterrupted run, or of one stopped after `steps` steps."""
    run = TrainingRun(
        build_model(settings.network, seed=settings.seed), data, settings, device="cpu"
    )
    if stop_at != 0:
        list(run.epochs(lambda run: run.stop() if run.steps_done == stop_at else None))
    return run.model


# ---- Controls


def test_while_it_runs_only_the_learning_rate_can_be_moved(make: Make) -> None:
    studio = make(LONG)
    begin(studio)
    locked = {name for name, control in studio.controls.by_name.items() if control.disabled}
    assert studio.controls.presets.disabled
    stop_and_wait(studio)
    assert locked == set(studio.controls.by_name) - {"learning_rate"}
    assert not any(control.disabled for control in studio.controls.by_name.values())


# ---- Train, stop, resume


def test_buttons_and_calls_fit_the_state_of_the_session(make: Make) -> None:
    studio = make(LONG)
    session = studio.session

    def usable() -> set[str]:
        return {
            label for label in ("Train", "Stop", "Resume") if not buttons(studio, label)[0].disabled
        }

    assert (session.state, usable()) == (State.IDLE, {"Train"})
    assert not session.resume()
    session.stop()  # harmless
    click(studio, "Train")
    wait_until(lambda: usable() == {"Stop"})
    assert session.state is State.RUNNING
    assert not session.start(LONG)
    assert not session.resume()
    session.stop()
    stop_and_wait(studio)
    assert (session.state, usable()) == (State.STOPPED, {"Train", "Resume"})
    assert "Stopped at epoch 1, batch" in shown(studio)
    assert session.resume()
    session.stop()
    session.wait()
    studio.train(**dataclasses.asdict(SHORT))
    assert (session.state, usable()) == (State.FINISHED, {"Train"})
    assert not session.resume()


@pytest.mark.parametrize("path", [None, "model.safetensors"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_run_stopped_three_times_ends_as_an_unbroken_one(
    path: str | None, optimizer: str, make: Make, tiny: Mnist
) -> None:
    settings = Hyperparameters(
        epochs=3,
        batch_size=8,
        learning_rate=0.002,
        optimizer=optimizer,
        schedule="one-cycle",
        augmentation="affine",
    )
    studio = make(settings, path)
    click(studio, "Train")
    for stops in (5, 40, 90):
        wait_until(lambda stops=stops: steps(studio) >= stops or not studio.session.is_running)
        stop_and_wait(studio)
        if path is not None:
            assert same_weights(load_checkpoint(path), studio.model)
        click(studio, "Resume")
    studio.session.wait()
    assert studio.session.state is State.FINISHED
    assert same_weights(studio.model, trained(tiny, settings))
    assert len(studio.runs) == 1
    assert len(studio.runs[0].batch_losses) == 3 * 78


def test_another_studio_resumes_the_stopped_run_in_the_file(make: Make, tiny: Mnist) -> None:
    settings = dataclasses.replace(SHORT, batch_size=4)
    studio = make(settings, "model.safetensors")
    begin(studio)
    studio.close()
    later = make(None, "model.safetensors")
    assert later.controls.value == settings
    assert "Resume continues it" in shown(later)
    later.resume()
    assert same_weights(later.model, trained(tiny, settings))


@pytest.mark.parametrize("seed", range(6))
def test_rapid_clicks_leave_one_run_at_most_and_every_weight(
    seed: int, make: Make, tiny: Mnist
) -> None:
    path = "model.safetensors" if seed % 2 else None
    studio = make(LONG, path)
    part(studio, ToggleButtons).value = True
    dice = random.Random(seed)
    for _ in range(20):
        label = dice.choice(["Train", "Stop", "Resume"])
        if seed % 3:
            click(studio, label)
        else:
            buttons(studio, label)[0].click()  # clicks sent before the button was disabled
        assert len(running_threads()) <= 1
        time.sleep(dice.choice([0, 0, 0.01, 0.05]))
    studio.stop()
    studio.session.wait()
    for kept in studio.runs:
        assert kept.state in (State.STOPPED, State.IDLE)
        assert same_weights(kept.model, trained(tiny, LONG, stop_at=len(kept.batch_losses)))
    if studio.runs and path is not None:
        assert same_weights(load_checkpoint(path), studio.model)
    before = len(studio.runs)
    ended = studio.train(fresh=True, **dataclasses.asdict(SHORT))
    assert len(studio.runs) == before + 1
    assert ended.state is State.FINISHED
    assert same_weights(ended.model, trained(tiny, SHORT))


def test_clicks_from_several_threads_leave_one_run_at_most(make: Make) -> None:
    studio = make(LONG)
    most = 0

    def storm(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(20):
            buttons(studio, dice.choice(["Train", "Stop", "Resume"]))[0].click()

    stormers = [threading.Thread(target=storm, args=(seed,)) for seed in range(3)]
    for stormer in stormers:
        stormer.start()
    while any(stormer.is_alive() for stormer in stormers):
        most = max(most, len(running_threads()))
        time.sleep(0.001)
    stop_and_wait(studio)
    assert most <= 1
    assert "⚠" not in shown(studio)
    assert studio.train(fresh=True, **dataclasses.asdict(SHORT)).state is State.FINISHED


def test_a_cell_run_again_offers_its_run_up_to_the_last_step(make: Make) -> None:
    first = make(LONG, "model.safetensors")
    click(first, "Train")
    wait_until(lambda: steps(first) > 5)
    make(LONG, "other.safetensors")
    assert first.session.is_running
    second = make(None, "model.safetensors")
    assert first.session.state is State.STOPPED
    assert steps(second) == steps(first)


def test_a_click_in_mid_run_is_answered_at_once(
    make: Make, tiny: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PUBLISH_EVERY", "MAX_PAUSE"):
        monkeypatch.setattr(f"mnist_nb.widgets.studio.observer.{name}", 1000.0)
    studio = make(LONG)
    click(studio, "Train")
    wait_until(lambda: steps(studio) > 20)
    studio.pin(tiny.test.images[0].numpy(), "my seven")
    wait_until(lambda: "my seven" in shown(studio))


def test_a_second_studio_stops_the_run_of_the_first(make: Make) -> None:
    first, second = make(LONG), make(SHORT)
    click(first, "Train")
    second.train()
    assert first.session.state is State.STOPPED
    assert first.session.can_resume


def test_closing_leaves_no_thread(make: Make) -> None:
    studio = make(LONG)
    begin(studio)
    studio.close()
    assert running_threads() == []
    assert studio.session.state is State.STOPPED
    assert len(studio.runs[0].batch_losses) == steps(studio)
    with pytest.raises(RuntimeError, match="closed"):
        studio.train()


# ---- Changing the learning rate during a run


def test_a_studio_keeps_its_file_when_the_folder_changes(
    make: Make, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = make(path="model.safetensors")
    (workplace / "other").mkdir()
    monkeypatch.chdir(workplace / "other")
    click(studio, "Train")
    studio.session.wait()
    assert (workplace / "model.safetensors").is_file()
    assert not list(Path().iterdir())


def test_a_rate_moved_in_mid_run_is_in_history_and_resume(make: Make, tiny: Mnist) -> None:
    settings = dataclasses.replace(SHORT, batch_size=2, epochs=3)
    studio = make(settings)
    begin(studio)
    studio.controls.by_name["learning_rate"].value = 0.002
    wait_until(lambda: studio.session.run and studio.session.run.learning_rate_changes)
    stop_and_wait(studio)
    [(step, rate)] = studio.runs[0].learning_rate_changes
    assert rate == 0.002
    assert "0.01 → 0.002" in shown(studio)
    kept = studio.resume()
    assert [tuple(change) for change in kept.learning_rate_changes] == [(step, rate)]
    run = TrainingRun(build_model("mlp", seed=0), tiny, settings, device="cpu")

    def change(run: TrainingRun) -> None:
        if run.steps_done == step:
            run.learning_rate = rate

    list(run.epochs(change))
    assert same_weights(kept.model, run.model)


def test_resume_takes_the_moved_rate_and_no_other_setting(
    make: Make,
) -> None:
    studio = make(LONG)
    train_a_little(studio)
    stopped_at = steps(studio)
    studio.controls.by_name["learning_rate"].value = 0.003
    studio.controls.by_name["epochs"].value = 1
    click(studio, "Resume")
    wait_until(lambda: steps(studio) > stopped_at)
    stop_and_wait(studio)
    assert studio.runs[0].learning_rate_changes == ((stopped_at, 0.003),)
    assert studio.controls.value == dataclasses.replace(LONG, learning_rate=0.003)


def test_resume_names_the_settings_that_it_ignores(make: Make) -> None:
    studio = make(LONG)
    train_a_little(studio)
    studio.controls.by_name["learning_rate"].value = 0.003
    studio.controls.by_name["epochs"].value = 1
    studio.controls.by_name["optimizer"].value = "adam"
    click(studio, "Resume")
    ignored = "A resumed run keeps its settings: Epochs stays 200, Optimi[sz]er stays sgd"
    wait_until(lambda: re.search(ignored, shown(studio)))
    assert studio.controls.value == dataclasses.replace(LONG, learning_rate=0.003)
    stop_and_wait(studio)
    click(studio, "Resume")
    assert "keeps its settings" not in shown(studio)
    stop_and_wait(studio)


def test_a_rate_meant_for_the_next_run_leaves_the_stopped_one(make: Make, tiny: Mnist) -> None:
    settings = dataclasses.replace(SHORT, batch_size=4)
    studio = make(settings)
    train_a_little(studio)
    studio.controls.by_name["learning_rate"].value = 10.0
    studio.controls.by_name["optimizer"].value = "adam"
    click(studio, "Train")
    studio.session.wait()
    assert studio.session.state is State.FAILED
    click(studio, "Resume")
    studio.session.wait()
    assert same_weights(studio.runs[0].model, trained(tiny, settings))


def test_a_rate_with_many_decimals_resumes_its_run(make: Make, tiny: Mnist) -> None:
    settings = dataclasses.replace(SHORT, batch_size=4, learning_rate=1 / 300)
    train_a_little(make(settings, "model.safetensors"))
    later = make(None, "model.safetensors")
    part(later, ToggleButtons).value = False
    click(later, "Train")
    later.session.wait()
    assert len(later.runs) == 1
    assert same_weights(later.model, trained(tiny, settings))


# ---- Errors


def test_a_rate_too_high_ends_with_the_last_good_weights(make: Make, tiny: Mnist) -> None:
    studio = make(EXPLODING, "model.safetensors")
    kept = studio.train(fresh=True)
    assert kept.state is State.FAILED
    assert "is too high" in kept.summary
    assert "try 1." in kept.summary
    assert kept.summary in shown(studio)
    assert same_weights(
        kept.model, build_model("mlp", seed=0)
    )  # the weights at the start of the epoch
    assert same_weights(load_checkpoint("model.safetensors"), kept.model)
    assert buttons(studio, "Resume")[0].disabled
    studio.controls.value = SHORT
    click(studio, "Train")
    studio.session.wait()
    assert same_weights(studio.model, trained(tiny, SHORT))


@pytest.mark.promise("shown errors")
def test_an_error_in_training_is_shown_and_raised_from_train(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = make()

    def broken(optimizer: Sgd, rate: float) -> None:
        raise ZeroDivisionError("<b>no number</b>")

    with monkeypatch.context() as patch:
        patch.setattr(Sgd, "step", broken)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            studio.train()
    assert "&lt;b&gt;no number" in shown(studio)
    assert studio.train(fresh=True).state is State.FINISHED


def test_an_unwritable_file_is_a_sentence_and_ends_no_run(make: Make, workplace: Path) -> None:
    studio = make(SHORT, "missing/folder/model.safetensors")
    (workplace / "missing").write_text("a file where a folder is needed")
    assert studio.train(fresh=True).state is State.FINISHED
    assert re.search(r"Not saved: .*[^.]\.<", shown(studio))


def test_a_network_of_another_kind_is_refused(make: Make) -> None:
    save_checkpoint(build_model("cnn"), "model.safetensors")
    studio = make(SHORT, "model.safetensors")
    with pytest.raises(CheckpointError, match="choose network cnn"):
        studio.train(fresh=False)
    part(studio, ToggleButtons).value = False
    click(studio, "Train")
    assert "choose network cnn" in shown(studio)
    assert not studio.session.is_running
    assert not buttons(studio, "Train")[0].disabled


def test_an_interrupt_stops_the_run_and_keeps_its_weights(make: Make, tiny: Mnist) -> None:
    studio = make(LONG)

    def interrupt() -> None:
        # long enough for the main thread to be waiting, as when someone presses the
        # button
        wait_until(lambda: studio.session.run is not None and steps(studio) > 2000)
        _thread.interrupt_main()

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    kept = studio.train()
    interrupter.join()
    assert kept.state is State.STOPPED
    assert len(kept.batch_losses) > 2000
    assert same_weights(studio.model, trained(tiny, LONG, stop_at=len(kept.batch_losses)))
    assert running_threads() == []
    assert studio.session.can_resume


def test_an_interrupt_while_starting_locks_no_session(tiny: Mnist, workplace: Path) -> None:
    may_end = threading.Event()

    def publish() -> None:
        if not session.is_running:
            may_end.wait(30)  # the last update of the finished run

    session = TrainingSession(tiny, device="cpu", publish=publish)
    session.start(SHORT)
    wait_until(lambda: session.state is State.FINISHED)
    interrupter = threading.Timer(0.3, _thread.interrupt_main)
    opener = threading.Timer(1.0, may_end.set)
    interrupter.start()
    opener.start()
    with pytest.raises(KeyboardInterrupt):
        session.start(SHORT)
    opener.join()
    session.wait()
    assert not session.is_running
    assert session.start(SHORT) is not None
    session.wait()
    assert session.state is State.FINISHED
    session.close()


# ---- Saved runs


def test_the_model_is_a_copy_and_needs_training_first(make: Make) -> None:
    studio = make()
    with pytest.raises(ValueError, match="no network has been trained yet"):
        _ = studio.model
    studio.train()
    with torch.no_grad():
        next(studio.model.parameters()).zero_()
    assert bool(next(studio.model.parameters()).any())


@pytest.mark.promise("text stays text")
def test_names_are_shown_as_text(make: Make) -> None:
    studio = make()
    studio.train(name="<script>alert(1)</script>")
    studio.train()
    assert "<script" not in shown(studio)
    name = names(studio)[1]
    name.value = "  <b>high $\\frac$ rate  "
    assert studio.runs[1].name == name.value == "<b>high $\\frac$ rate"
    name.value = " "
    assert studio.runs[1].name == name.value == "<b>high $\\frac$ rate"
    name.value = "x" * 500
    assert len(studio.runs[1].name) == 40
    click(studio, "Use these weights", 1)
    assert "<b" not in shown(studio).replace("<br", "")


def test_a_run_can_be_removed_but_not_while_it_is_running(make: Make) -> None:
    studio = make()
    studio.train(name="first")
    studio.train(name="second")
    click(studio, "Remove", 0)
    assert [run.name for run in studio.runs] == ["second"]
    assert [name.value for name in names(studio)] == ["second"]
    studio.controls.value = LONG
    click(studio, "Train")
    with pytest.raises(ValueError, match="still running"):
        studio.session.remove(studio.runs[-1])
    buttons(studio, "Remove")[1].click()
    wait_until(lambda: "run 3 is still running" in shown(studio))
    assert len(studio.runs) == 2
    click(studio, "Remove", 0)
    assert len(studio.runs) == 1
    stop_and_wait(studio)


def test_a_run_keeps_its_number_and_colour_for_life(make: Make) -> None:
    studio = make()
    for _ in range(3):
        studio.train(fresh=True)
    click(studio, "Remove", 0)
    assert [run.number for run in studio.runs] == [2, 3]
    page = shown(studio)
    for number in (2, 3):
        assert f'class="studio-number">{number} <svg' in page
        assert f'{style_of(number)[0]}">{number}</text>' in page
    lines = studio.figure().axes[0].lines
    assert [line.get_color() for line in lines] == [style_of(2)[0], style_of(3)[0]]


def test_a_runs_weights_can_be_restored_and_trained_on(make: Make) -> None:
    studio = make(SHORT, "model.safetensors")
    first = studio.train(fresh=True, name="first")
    studio.train(fresh=True, name="second", seed=1)
    assert not same_weights(first.model, studio.model)
    click(studio, "Use these weights", 0)
    assert same_weights(first.model, studio.model)
    assert same_weights(load_checkpoint("model.safetensors"), first.model)
    assert "The weights of first are in use" in shown(studio)
    click(studio, "Train")  # continues from them
    studio.session.wait()
    third = studio.runs[2]
    assert third.first_epoch == 2
    assert third.epoch == 4


def test_a_dropped_run_is_forgotten_with_weights_and_row(make: Make) -> None:
    studio = make(dataclasses.replace(SHORT, epochs=1, batch_size=512))
    first = weakref.ref(studio.train(fresh=True))
    for seed in range(1, 22):
        studio.train(seed=seed, fresh=True)
    assert [run.hyperparameters.seed for run in studio.runs] == list(range(2, 22))
    assert len(names(studio)) == 20
    gc.collect()
    assert first() is None


def test_the_chart_and_the_figure_show_every_run(make: Make) -> None:
    studio = make()
    assert shown(studio).count("<polyline") == 0
    studio.train(name="one")
    studio.train(name="_two $", learning_rate=0.02)
    assert shown(studio).count("<polyline") == 4  # loss and accuracy of each
    assert "best on validation" in shown(studio)
    figure = studio.figure()
    FigureCanvasAgg(figure).draw()
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text().strip() for text in legend.get_texts()] == ["one", r"_two \$"]


def test_a_loss_curve_is_short_and_ends_where_its_run_does() -> None:
    losses = [2.0 - step / 5000 for step in range(5000)]
    for end in (0, 1, 7, 700, 701, 5000):
        points = RunRecord(
            1, "run", SHORT, nn.Identity(), 1000, 3, 3, batch_losses=losses[:end]
        ).loss_curve
        assert len(points) <= MAX_POINTS
        if end:
            assert points[-1, 0] == pytest.approx(3 + end / 1000, abs=0.02)
            assert points[-1, 1] == pytest.approx(losses[end - 1], abs=0.1)
    assert len(points) > MAX_POINTS // 3


def test_train_uses_the_controls_and_changes_them_for_one_call(make: Make) -> None:
    studio = make()
    kept: RunRecord = studio.train(momentum=0.5, name="half")
    assert kept.hyperparameters == dataclasses.replace(SHORT, momentum=0.5)
    assert studio.controls.value == SHORT
    assert studio.train().hyperparameters == SHORT
    assert "half" in repr(kept)
    with pytest.raises(ValueError, match="momentum"):
        studio.train(momentum=2)
    assert studio.controls.value == SHORT


def test_a_new_network_is_preselected_even_if_a_file_exists(make: Make) -> None:
    save_checkpoint(build_model("mlp", seed=9), "model.safetensors")
    studio = make(SHORT, "model.safetensors")
    assert studio.train().first_epoch == 0
    assert studio.train().first_epoch == 0
    assert studio.train(fresh=False).first_epoch == SHORT.epochs
    rows = [
        text for text in shown(studio).split('class="studio-cells"') if "learning rate 0.01" in text
    ]
    assert ["from a new network" in row for row in rows] == [True, True, False]
    assert f"from model.safetensors after {SHORT.epochs} epochs" in rows[2]
    with pytest.raises(RuntimeError, match="no stopped run"):
        studio.resume()
    assert repr(studio) == "TrainingStudio()"


def test_labels_spread_as_little_as_needed_and_in_the_plot() -> None:
    assert spread_labels([40.0, 80.0]) == [40.0, 80.0]
    assert spread_labels([60.0, 60.0, 120.0]) == [54.5, 65.5, 120.0]
    assert spread_labels([24.0, 24.0]) == [24.0, 35.0]
    assert spread_labels([174.0, 174.0]) == [163.0, 174.0]


# ---- The pinned digit


def test_the_pinned_digits_probabilities_follow_the_training(make: Make, tiny: Mnist) -> None:
    studio = make(LONG)
    assert "No network has been trained yet" in shown(studio)
    image = tiny.test.images[3].numpy()
    studio.pin(image, "a <digit> of mine")
    assert "a &lt;digit&gt; of mine" in shown(studio)
    seen: set[tuple[float, ...]] = set()
    click(studio, "Train")

    def moved() -> bool:
        if (probabilities := studio.session.observer.probabilities) is not None:
            seen.add(tuple(probabilities.tolist()))
        return len(seen) >= 3

    wait_until(moved)
    stop_and_wait(studio)
    assert studio.session.observer.probabilities is not None
    assert studio.session.observer.probabilities.sum() == pytest.approx(1, abs=1e-5)
    studio.pin(None)
    assert "No digit is pinned" in shown(studio)
    with pytest.raises(ValueError, match="28"):
        studio.pin(image[:5])


# ---- Diagnostics


def test_diagnostics_are_drawn_and_described_in_words(make: Make) -> None:
    studio = make()
    assert "Weights of the first layer" not in shown(studio)
    studio.train()
    page = shown(studio)
    assert 'alt="Weights of the first layer, first 40 of 128 units, as small images"' in page
    ratio = r"\d\.\de-\d\d"
    assert re.search(rf"step over that of the weights: linear1 {ratio}, linear2 {ratio}", page)
    assert re.search(r"dead units: linear1 \d+%, linear2 \d+%", page)
    studio.train(network="cnn", epochs=1)
    assert 'alt="Weights of the first layer, 16 filters, as small images"' in shown(studio)


def test_a_dead_network_and_too_high_a_rate_are_marked(make: Make) -> None:
    studio = make(dataclasses.replace(SHORT, learning_rate=0.01))
    studio.train()
    assert 'class="wrong"' not in lines_of_layers(studio), "all is well"
    studio.train(learning_rate=0.6, epochs=4)
    assert studio.session.observer.diagnostics is not None
    assert max(studio.session.observer.diagnostics.dead.values()) > 0.9
    assert 'class="wrong"' in lines_of_layers(studio)


def lines_of_layers(studio: TrainingStudio) -> str:
    return shown(studio).partition('class="studio-layers"')[2]


# ---- Settings as code


@pytest.mark.parametrize("name", PRESETS)
def test_the_code_in_a_row_makes_the_runs_settings_again(
    name: str, make: Make, tiny: Mnist
) -> None:
    settings = dataclasses.replace(PRESETS[name], seed=7)
    studio = make(dataclasses.replace(settings, epochs=1))
    studio.train(network="mlp")
    line = html.unescape(re.findall(r'class="studio-code"[^>]* value="([^"]*)"', shown(studio))[-1])
    assert eval(line, {"Hyperparameters": Hyperparameters}) == studio.runs[-1].hyperparameters
    assert eval(code_of_settings(settings), {"Hyperparameters": Hyperparameters}) == settings
    assert code_of_settings(Hyperparameters()) == "Hyperparameters()"


def test_the_code_of_a_run_names_changes_of_its_rate(make: Make) -> None:
    studio = make(LONG)
    train_a_little(studio)
    studio.controls.by_name["learning_rate"].value = 0.003
    click(studio, "Resume")
    wait_until(lambda: studio.session.run and studio.session.run.learning_rate_changes)
    stop_and_wait(studio)
    [run] = studio.runs
    [(step, _)] = run.learning_rate_changes
    assert (
        code_of(run) == f"{code_of_settings(LONG)}  # then learning_rate 0.003 from step {step:,}"
    )
    assert html.escape(code_of(run)) in shown(studio)
    assert eval(code_of(run), {"Hyperparameters": Hyperparameters}) == LONG


# ---- No run is lost


def test_a_resumed_run_is_saved_over_another_studios_file(make: Make, tiny: Mnist) -> None:
    settings = Hyperparameters(epochs=3, batch_size=8, learning_rate=0.002, momentum=0.5)
    first = make(settings, "model.safetensors")
    train_a_little(first)
    make(SHORT, "model.safetensors").train(fresh=True)
    first.resume()
    assert same_weights(first.model, trained(tiny, settings))
    assert same_weights(load_checkpoint("model.safetensors"), first.model)


def test_a_restored_run_is_saved_over_another_studios_file(make: Make, tiny: Mnist) -> None:
    first = make(LONG, "model.safetensors")
    train_a_little(first)
    make(SHORT, "model.safetensors").train(fresh=True)
    first.restore(first.runs[0])
    assert "in use and saved in model.safetensors" in shown(first)
    assert same_weights(load_checkpoint("model.safetensors"), first.model)
    assert first.session.can_resume
    assert make(LONG, "model.safetensors").session.can_resume, "and so can a restarted kernel"


def test_a_new_run_says_that_the_stopped_one_is_kept(make: Make) -> None:
    studio = make(LONG, "model.safetensors")
    train_a_little(studio)
    begin(studio)
    kept = "run 1 stays in the table: use its weights, and Resume continues it"
    wait_until(lambda: kept in shown(studio))
    stop_and_wait(studio)


def test_a_failed_restore_leaves_the_stopped_run_resumable(make: Make) -> None:
    studio = make(SHORT, "there/model.safetensors")
    Path("there").mkdir()
    finished = studio.train()
    studio.controls.value = LONG
    train_a_little(studio)
    Path("there").rename("elsewhere")
    with pytest.raises(ValueError, match="cannot be written"):
        studio.restore(finished)
    assert studio.session.can_resume


@pytest.mark.parametrize("path", [None, "model.safetensors"])
@pytest.mark.parametrize("fresh", [True, False])
def test_after_a_diverged_run_the_previous_one_can_resume(
    path: str | None, fresh: bool, make: Make, tiny: Mnist
) -> None:
    settings = dataclasses.replace(SHORT, batch_size=4)
    studio = make(settings, path)
    train_a_little(studio)
    exploded = studio.train(fresh=fresh, optimizer="adam", learning_rate=10.0)
    assert exploded.state is State.FAILED
    assert "run 1 is still there: Resume continues it" in shown(studio)
    if path is not None:  # also for another studio or the command line
        assert "Resume continues it" in shown(make(None, path))
    assert same_weights(studio.resume().model, trained(tiny, settings))


@pytest.mark.parametrize("path", [None, "model.safetensors"])
def test_a_stopped_run_survives_the_restoring_of_another(
    path: str | None, make: Make, tiny: Mnist
) -> None:
    settings = dataclasses.replace(SHORT, batch_size=4)
    studio = make(settings, path)
    first = studio.train(fresh=True, epochs=1)
    train_a_little(studio)
    click(studio, "Use these weights", 0)
    assert same_weights(studio.model, first.model)
    assert "run 2 stays in the table: use its weights, and Resume continues it" in shown(studio)
    studio.train(fresh=False, epochs=1)
    click(studio, "Use these weights", 1)
    if path is not None:  # also for another studio or the command line
        assert "Resume continues it" in shown(make(None, path))
    assert same_weights(studio.resume().model, trained(tiny, settings))


def test_a_training_state_alone_is_resumed(make: Make, tiny: Mnist) -> None:
    """The disk was full when the weights should have been saved for the first time."""
    settings = dataclasses.replace(SHORT, batch_size=4)
    run = TrainingRun(build_model("mlp", seed=settings.seed), tiny, settings, device="cpu")
    run.step()
    save_run(run, "model.safetensors")
    Path("model.safetensors").unlink()
    studio = make(None, "model.safetensors")
    assert studio.session.can_resume
    assert "There is an unfinished run in model.safetensors" in shown(studio)
    assert same_weights(studio.resume().model, trained(tiny, settings))


# ---- Other data


def test_the_readers_last_digit_is_pinned(make: Make, tiny: Mnist) -> None:
    studio = make()
    click(studio, "My own")
    assert "You have no digits yet" in shown(studio)
    images = tiny.test.images.numpy()
    MyDigits("my_digits.safetensors").add_all([images[0], images[1]], [7, 2])
    click(studio, "My own")
    assert "You have no digits yet" not in shown(studio)
    assert "your own 2" in shown(studio)
    assert (studio.session.observer.pinned == images[1]).all()


def test_a_validation_image_is_pinned(tiny: Mnist, workplace: Path) -> None:
    studio = TrainingStudio(
        Mnist(tiny.train, tiny.validation, tiny.test.take(0), "sample"), None, SHORT, device="cpu"
    )
    assert "validation image 0" in shown(studio)
    assert studio.train().state is State.FINISHED
    studio.close()


def test_restoring_drops_old_warnings_and_removed_runs(make: Make, workplace: Path) -> None:
    studio = make(dataclasses.replace(SHORT, batch_size=4), "folder/model.safetensors")
    first = studio.train(fresh=True, epochs=1)
    assert "Not saved" in shown(studio)
    train_a_little(studio)
    studio.session.remove(studio.runs[1])
    (workplace / "folder").mkdir()
    studio.restore(first)
    assert "The weights of run 1 are in use" in shown(studio)
    assert "Not saved" not in shown(studio)
    assert "stays in the table" not in shown(studio)
