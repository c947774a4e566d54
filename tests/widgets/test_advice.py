"""What the studio advises after a run: each sentence on runs of which it is true, and on none of which it is not."""

import copy
import dataclasses
from functools import cache

import pytest
from torch import nn

from mnist_nb import PRESETS, EpochRecord, Hyperparameters, TrainingRun, build_model, load_mnist, load_pretrained, train
from mnist_nb.widgets.studio.records import RunRecord, summary

pytestmark = pytest.mark.slow

FAST = PRESETS["fast"]
MORE_EPOCHS, BY_HEART, TOO_LONG = "more epochs would help", "by heart", "too long to settle"
LEAPT, GUESSING, LEVEL = "the loss leapt", "try a higher learning rate or more epochs", "levelled off"
SENTENCES = (MORE_EPOCHS, BY_HEART, TOO_LONG, LEAPT, GUESSING, LEVEL)


@cache
def trained(settings: Hyperparameters, shipped: bool = False) -> tuple[str, float, nn.Module]:
    """What the studio says after a run, the mean validation accuracy of its last two epochs, and the network.

    The shipped network has seen all images: it is shown a part of them again.
    """
    model, data = build_model(settings.network, seed=settings.seed), load_mnist()
    if shipped:
        model, data = load_pretrained("mlp"), dataclasses.replace(data, train=data.train.take(3000))
    run = TrainingRun(model, data, settings, device="cpu")
    records = list(run.epochs())
    kept = RunRecord("run", settings, copy.deepcopy(model), run.batches_per_epoch, 0, run.epoch, records)
    return summary(kept, run, []), accuracy_of(records), model


def accuracy_of(records: list[EpochRecord]) -> float:
    last = [record.validation_accuracy for record in records[-2:]]
    return sum(last) / len(last)


def says(sentence: str, settings: Hyperparameters, shipped: bool = False) -> float:
    said, accuracy, _ = trained(settings, shipped)
    assert [one for one in SENTENCES if one in said] == [sentence], said
    return accuracy


def longer(settings: Hyperparameters) -> float:
    """The accuracy after twice the epochs; without a schedule the second half goes on from the first."""
    if settings.schedule != "constant":
        return trained(dataclasses.replace(settings, epochs=2 * settings.epochs))[1]
    return accuracy_of(list(train(copy.deepcopy(trained(settings)[2]), load_mnist(), settings, device="cpu")))


@pytest.mark.usefixtures("full_mnist")
class TestAdvice:
    @pytest.mark.parametrize(
        "settings",
        [
            Hyperparameters(),
            Hyperparameters(epochs=2),
            Hyperparameters(epochs=3, learning_rate=0.0001),
            Hyperparameters(epochs=4, learning_rate=0.01),
            dataclasses.replace(FAST, epochs=2),
        ],
        ids=["the defaults", "two epochs", "a low rate", "rate 0.01", "fast, two epochs"],
    )
    def test_more_epochs_help_where_it_says_so(self, settings: Hyperparameters) -> None:
        assert longer(settings) > says(MORE_EPOCHS, settings) + 0.003

    @pytest.mark.parametrize(
        "settings", [dataclasses.replace(FAST, seed=seed) for seed in range(2)], ids=["fast, seed 0", "fast, seed 1"]
    )
    def test_learnt_by_heart_more_epochs_hardly_help(self, settings: Hyperparameters) -> None:
        assert longer(settings) < says(BY_HEART, settings) + 0.0025

    def test_augmentation_helps_one_that_has_learnt_by_heart(self) -> None:
        plain = dataclasses.replace(FAST, epochs=12)
        assert trained(dataclasses.replace(plain, augmentation="affine"))[1] > says(BY_HEART, plain) + 0.002

    def test_steps_too_long_are_not_learning_by_heart_and_a_lower_rate_or_a_schedule_helps(self) -> None:
        rate = Hyperparameters(epochs=6, learning_rate=0.2)
        reached = says(TOO_LONG, rate)
        assert longer(rate) < reached + 0.01
        assert trained(dataclasses.replace(rate, learning_rate=0.05))[1] > reached + 0.01
        assert trained(dataclasses.replace(rate, schedule="one-cycle"))[1] > reached + 0.01

    def test_where_the_loss_leapt_a_lower_rate_helps_and_more_epochs_do_not(self) -> None:
        wild = Hyperparameters(epochs=2, learning_rate=1.0)
        assert longer(wild) < says(LEAPT, wild) + 0.1
        assert trained(dataclasses.replace(wild, learning_rate=0.1))[1] > 0.9

    def test_hardly_better_than_guessing_a_higher_rate_and_more_epochs_help(self) -> None:
        crawling = Hyperparameters(epochs=1, learning_rate=0.00005)
        reached = says(GUESSING, crawling)
        assert trained(dataclasses.replace(crawling, epochs=6))[1] > reached + 0.1
        assert trained(dataclasses.replace(crawling, learning_rate=0.001))[1] > reached + 0.1

    def test_levelled_off_nothing_changes_any_more(self) -> None:
        idle = Hyperparameters(epochs=2, learning_rate=1e-6, augmentation="handwriting")
        assert says(LEVEL, idle, shipped=True) == pytest.approx(
            trained(dataclasses.replace(idle, epochs=4), shipped=True)[1], abs=0.001
        )
