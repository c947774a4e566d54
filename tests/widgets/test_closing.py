"""No thread outlives its panel: what `close` ends, and what it leaves as it was."""

import threading
import time
from pathlib import Path

import pytest

from mnist_nb.data import Mnist
from mnist_nb.widgets.pad import DrawingPad, teaching
from mnist_nb.widgets.pad import board as pad_module


def own_threads() -> list[str]:
    return [
        thread.name for thread in threading.enumerate() if thread.name in ("teach a hand", "load MNIST for the pad")
    ]


@pytest.mark.slow
def test_a_pad_closed_in_mid_lesson_ends_it_and_leaves_no_thread_and_no_file(
    workplace: Path, tiny: Mnist, sample: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "STEPS", 600)  # four lessons long
    pad = DrawingPad(tiny)
    for digit in range(10):
        for index in (sample.test.labels == digit).nonzero().flatten()[:3].tolist():
            pad.teaching.digits.add(sample.test.images[index], digit)
    pad.teaching.teach()
    assert pad.teaching.is_teaching
    pad.close()
    assert own_threads() == []
    assert not list(workplace.glob("*my-hand*"))
    pad.teaching.teach()
    assert not pad.teaching.is_teaching


def test_a_pad_closed_while_data_are_loaded_leaves_no_thread_and_does_nothing_with_them(
    workplace: Path, tiny: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> Mnist:
        time.sleep(0.3)
        return tiny

    monkeypatch.setattr(pad_module, "load_mnist", slow)
    pad, called = DrawingPad(), []
    pad.with_data(called.append)
    pad.close()
    assert own_threads() == []
    assert called == []
