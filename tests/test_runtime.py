"""Interrupts wait until a step is complete."""

import signal
import threading

import pytest
import torch
from networks import same_weights

from mnist_nb import Hyperparameters, TrainingRun, build_model
from mnist_nb.models.runtime import defer_interrupts, one_thread


def test_an_interrupt_waits_until_the_work_is_done():
    done = []

    def work():
        with defer_interrupts():
            signal.raise_signal(signal.SIGINT)
            done.append("work")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["work"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # and interrupts work again


def test_an_interrupt_arrives_where_it_is_allowed():
    done = []

    def work():
        with defer_interrupts() as interrupt_now:
            interrupt_now()
            signal.raise_signal(signal.SIGINT)
            done.append("first")
            interrupt_now()
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first"]


def test_an_existing_handler_of_interrupts_is_kept():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    with defer_interrupts():
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_on_another_thread_it_changes_nothing():
    handlers = []

    def work():
        with defer_interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


@pytest.mark.parametrize("at", [0, 3, 7])
@pytest.mark.promise("Ctrl-C")
def test_an_interrupted_step_changes_nothing_of_the_run(tiny, monkeypatch, at):
    settings = Hyperparameters(epochs=2, batch_size=32, learning_rate=0.05)
    whole, halted = (
        TrainingRun(build_model(seed=0), tiny, settings, device="cpu") for _ in range(2)
    )
    list(whole.epochs())

    move = halted.optimizer.step
    steps = iter(range(1000))

    def step(rate):
        if next(steps) == at:
            signal.raise_signal(signal.SIGINT)
        move(rate)

    monkeypatch.setattr(halted.optimizer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        list(halted.epochs())
    assert halted.steps_done == at + 1
    list(halted.epochs())
    assert halted.batch_losses == whole.batch_losses
    assert same_weights(halted.model, whole.model)


def test_one_thread_gives_the_others_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
