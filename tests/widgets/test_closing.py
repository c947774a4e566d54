"""No thread, widget or network outlives its panel: `close` ends, frees and restores everything."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from ipywidgets import Widget

from mnist_nb.data import Mnist
from mnist_nb.training import Hyperparameters
from mnist_nb.widgets.common import Panel
from mnist_nb.widgets.explorers import LayerExplorer, PixelEditor, PruningExplorer
from mnist_nb.widgets.pad import DrawingPad, teaching
from mnist_nb.widgets.pad import state as pad_module
from mnist_nb.widgets.studio import TrainingStudio


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "drawing pad"]


@pytest.mark.slow
def test_closing_a_pad_ends_its_teaching_without_a_file(
    workplace: Path, filled_pad: DrawingPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "STEPS", 600)  # as long as four lessons
    pad = filled_pad
    pad.teaching.teach()
    assert pad.teaching.is_teaching
    pad.close()
    assert own_threads() == []
    assert not list(workplace.glob("*my-hand*"))
    pad.teaching.teach()
    assert not pad.teaching.is_teaching


def test_closing_a_pad_while_data_load_leaves_no_thread(
    workplace: Path, tiny: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> Mnist:
        time.sleep(0.3)
        return tiny

    monkeypatch.setattr(pad_module, "load_mnist", slow)
    pad, called = DrawingPad(), []
    pad.state.with_data(called.append)
    pad.close()
    assert own_threads() == []
    assert called == []


def widgets_alive() -> int:
    """Return the live widgets, including ipycanvas's permanent one if it was imported."""
    return sum(issubclass(type(one), Widget) for one in gc.get_objects())


def used_pad(data: Mnist) -> tuple[Panel, list[object]]:
    pad = DrawingPad(data)
    pad.replay([[(100, 50), (120, 220)]])
    pad.choose("shipped:mlp")
    pad.undo()
    return pad, [pad.state, pad.state.model, pad.state.drawing, pad.teaching, pad.numbers]


def used_studio(data: Mnist, path: str | None = "model.safetensors") -> tuple[Panel, list[object]]:
    studio = TrainingStudio(data, path, Hyperparameters(epochs=1))
    studio.train()
    studio.train(fresh=False)
    session = studio.session
    return studio, [
        session,
        session.run,
        session.run and session.run.model,
        *studio.runs,
        studio.runs[0].model,
    ]


def unused(kind: type[Panel], *parts: str) -> Callable[[Mnist], tuple[Panel, list[object]]]:
    def make(data: Mnist) -> tuple[Panel, list[object]]:
        panel = kind(data)
        return panel, [getattr(panel, name) for name in parts]

    return make


@pytest.mark.parametrize(
    "make",
    [
        used_pad,
        used_studio,
        lambda data: used_studio(data, None),
        unused(TrainingStudio, "session", "controls"),
        *(unused(kind, "model") for kind in (LayerExplorer, PixelEditor, PruningExplorer)),
    ],
)
@pytest.mark.promise("closed panels")
def test_a_closed_panel_is_forgotten_with_all_that_it_held(
    workplace: Path, tiny: Mnist, make: Callable[[Mnist], tuple[Panel, list[object]]]
) -> None:
    gc.collect()
    before = widgets_alive()
    panel, held = make(tiny)
    alive = [weakref.ref(one) for one in (panel, *held)]
    panel.close()
    panel.close()  # closing twice is harmless
    del panel, held
    gc.collect()
    assert [reference() for reference in alive] == [None] * len(alive)
    assert widgets_alive() == before


def test_a_closed_pad_answers_code_and_blocks_no_other_pad(workplace: Path, tiny: Mnist) -> None:
    closed, other = DrawingPad(tiny), DrawingPad(tiny)
    closed.close()
    for pad in (closed, other):
        assert pad.replay([[(50, 50), (200, 200)]]) is not None
        assert pad.pick(tiny.test.images[0]) is not None
        assert pad.numbers.replay([[(50, 50), (60, 200)]]) is not None
    other.close()


@pytest.mark.parametrize("kind", [DrawingPad, TrainingStudio, LayerExplorer])
def test_a_panel_that_was_never_finished_can_be_closed(kind: type[Panel]) -> None:
    kind.__new__(kind).close()
