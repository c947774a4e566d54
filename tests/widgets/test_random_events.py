"""Hundreds of random clicks, moves and names leave the studio consistent."""

import dataclasses
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ipywidgets import Button, Text
from tree import shown, widgets

from mnist_nb import Hyperparameters
from mnist_nb.data import Mnist
from mnist_nb.labs.presets import PRESETS
from mnist_nb.widgets.studio import TrainingStudio
from mnist_nb.widgets.studio.records import State
from mnist_nb.widgets.studio.session import MAX_RUNS

SETTINGS = Hyperparameters(epochs=3, batch_size=10, learning_rate=0.01)


class Studio(RuleBasedStateMachine):
    """A studio over a few hundred images, saved to a file, with random actions of a reader."""

    data: Mnist

    @initialize(on_disk=st.booleans())
    def open(self, on_disk: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name, "model.safetensors") if on_disk else None
        self.studio = TrainingStudio(self.data, path, SETTINGS, device="cpu")

    def click(self, label: str, number: int = 0) -> None:
        """Click a button as the page does, unless it is disabled."""
        found = [
            part
            for part in widgets(self.studio)
            if isinstance(part, Button) and part.description == label
        ]
        if found and not found[number % len(found)].disabled:
            found[number % len(found)].click()

    @rule(label=st.sampled_from(["Train", "Stop", "Resume", "My own"]))
    def click_a_button(self, label: str) -> None:
        self.click(label)

    @rule(label=st.sampled_from(["Use these weights", "Remove"]), number=st.integers(0, 30))
    def click_in_the_table(self, label: str, number: int) -> None:
        self.click(label, number)

    @rule(preset=st.sampled_from([name for name in PRESETS if "cnn" not in name]))
    def take_a_preset(self, preset: str) -> None:
        menu = self.studio.controls.presets
        if not menu.disabled:
            menu.value = PRESETS[preset]

    @rule(rate=st.floats(1e-6, 10), epochs=st.integers(1, 5), seed=st.integers(0, 2**31 - 1))
    def move_the_controls(self, rate: float, epochs: int, seed: int) -> None:
        if not self.studio.session.is_running:
            wanted = dataclasses.replace(SETTINGS, learning_rate=rate, epochs=epochs, seed=seed)
            self.studio.controls.value = wanted

    @rule(rate=st.sampled_from([1e-6, 0.001, 0.1, 10.0]))
    def move_the_rate(self, rate: float) -> None:
        self.studio.session.set_learning_rate(rate)

    @rule(name=st.text(max_size=20), number=st.integers(0, 30))
    def rename(self, name: str, number: int) -> None:
        names = [part for part in widgets(self.studio) if isinstance(part, Text)]
        if names:
            names[number % len(names)].value = name

    @rule(image=st.integers(0, 9))
    def pin(self, image: int) -> None:
        self.studio.pin(self.data.test.images[image].numpy())

    @rule(milliseconds=st.integers(0, 20))
    def look_on(self, milliseconds: int) -> None:
        time.sleep(milliseconds / 1000)

    @precondition(lambda self: hasattr(self, "studio"))
    @invariant()
    def one_run_at_most_and_every_weight_finite(self) -> None:
        session = self.studio.session
        assert sum(thread.name == "training" for thread in threading.enumerate()) <= 1
        assert len(session.runs) <= MAX_RUNS
        assert not session.warning
        assert session.error is None
        for run in session.runs:
            assert all(bool(weight.isfinite().all()) for weight in run.model.state_dict().values())

    @precondition(lambda self: hasattr(self, "studio"))
    @invariant()
    def no_name_becomes_markup(self) -> None:
        assert "<script" not in shown(self.studio).lower()

    def teardown(self) -> None:
        if hasattr(self, "studio"):
            self.click("Stop")
            self.studio.session.wait()
            assert self.studio.session.state is not State.RUNNING
            fresh = self.studio.train(
                fresh=True, **dataclasses.asdict(dataclasses.replace(SETTINGS, epochs=1))
            )
            assert fresh.state is State.FINISHED, "after all that it still trains"
            self.studio.close()
            assert not [thread for thread in threading.enumerate() if thread.name == "training"]
            self.folder.cleanup()


@pytest.mark.slow
@pytest.mark.promise("any events")
def test_no_order_of_events_confuses_the_studio(tiny: Mnist) -> None:
    Studio.data = tiny
    case = Studio.TestCase
    case.settings = settings(
        max_examples=40,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    case().runTest()
