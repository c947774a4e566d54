"""The studio's advice after a run: the sentence that follows from the records, and, in nightly
tests, whether it is true of real runs."""

import dataclasses
from functools import cache
from statistics import mean

import pytest

from mnist_nb import (
    PRESETS,
    EpochRecord,
    Hyperparameters,
    TrainingRun,
    build_model,
    load_mnist,
    load_pretrained,
)
from mnist_nb.data import Mnist
from mnist_nb.widgets.studio.records import RunRecord
from mnist_nb.widgets.studio.sentences import describe_ending

FAST = PRESETS["fast"]
MORE_EPOCHS, BY_HEART, TOO_LONG = "more epochs would help", "by heart", "too long to settle"
LEAPT, GUESSING, LEVEL = (
    "the loss jumped",
    "try a higher learning rate or more epochs",
    "levelled off",
)
SENTENCES = (MORE_EPOCHS, BY_HEART, TOO_LONG, LEAPT, GUESSING, LEVEL)


# (loss of its own images, loss of others, accuracy of others) after each epoch
CURVES = {
    MORE_EPOCHS: [(0.9, 0.6, 0.85), (0.5, 0.45, 0.88)],
    BY_HEART: [(0.2, 0.1, 0.97), (0.02, 0.08, 0.975)],
    TOO_LONG: [(0.3, 0.2, 0.94), (0.25, 0.3, 0.92)],
    LEAPT: [(2.4, 2.3, 0.11)],
    GUESSING: [(2.3, 2.29, 0.15)],
    LEVEL: [(0.21, 0.2, 0.94), (0.2, 0.2, 0.941)],
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_records_decide_the_sentence(sentence: str, tiny: Mnist) -> None:
    highest = 50.0 if sentence == LEAPT else 2.5
    records = [
        EpochRecord(epoch, own, own / 2, highest, others, accuracy, 0.1, 1.0)
        for epoch, (own, others, accuracy) in enumerate(CURVES[sentence], 1)
    ]
    settings = Hyperparameters(epochs=len(records))
    run = TrainingRun(build_model("mlp", seed=0), tiny, settings, device="cpu")
    run.epoch = len(records)
    assert said_after(run, records) == [sentence]


def said_after(run: TrainingRun, records: list[EpochRecord]) -> list[str]:
    """Return the studio's sentences about a finished run."""
    epochs = len(records)
    kept = RunRecord(
        1, "run", run.hyperparameters, run.model, run.batches_per_epoch, 0, epochs, records
    )
    said = describe_ending(kept, run, [])
    return [sentence for sentence in SENTENCES if sentence in said]


@cache
def begun(settings: Hyperparameters, shipped: bool) -> TrainingRun:
    """Return a new run. A shipped network has seen all images, so it is shown a part of them
    again."""
    model, data = build_model(settings.network, seed=settings.seed), load_mnist()
    if shipped:
        model, data = load_pretrained("mlp"), dataclasses.replace(data, train=data.train.take(3000))
    return TrainingRun(model, data, settings, device="cpu")


def trained(
    settings: Hyperparameters, shipped: bool = False
) -> tuple[TrainingRun, list[EpochRecord]]:
    """Return a run of at least this many epochs, and its records. Without a schedule, a longer run
    begins the same way."""
    run = begun(
        dataclasses.replace(settings, epochs=1) if settings.schedule == "constant" else settings,
        shipped,
    )
    run.hyperparameters = settings
    list(run.epochs())
    return run, run.records[: settings.epochs]


def accuracy(settings: Hyperparameters, shipped: bool = False) -> float:
    """Return the mean validation accuracy of the last two epochs."""
    last = [record.validation_accuracy for record in trained(settings, shipped)[1][-2:]]
    return sum(last) / len(last)


def says(sentence: str, settings: Hyperparameters, shipped: bool = False) -> float:
    """Return the accuracy of a run after which the studio shows this sentence and none of the
    others."""
    run, records = trained(settings, shipped)
    assert said_after(run, records) == [sentence]
    return accuracy(settings, shipped)


def longer(settings: Hyperparameters, shipped: bool = False) -> float:
    """Return the accuracy after twice the epochs."""
    return accuracy(dataclasses.replace(settings, epochs=2 * settings.epochs), shipped)


@pytest.mark.nightly
@pytest.mark.slow
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

    def test_after_overfitting_more_epochs_hardly_help(self) -> None:
        runs = [dataclasses.replace(FAST, seed=seed) for seed in range(3)]
        gains = [longer(settings) - says(BY_HEART, settings) for settings in runs]
        assert mean(gains) < 0.003

    def test_augmentation_helps_after_overfitting(self) -> None:
        runs = [dataclasses.replace(FAST, epochs=12, seed=seed) for seed in range(2)]
        augmented = [dataclasses.replace(settings, augmentation="affine") for settings in runs]
        reached = [says(BY_HEART, settings) for settings in runs]
        assert mean(map(accuracy, augmented)) > mean(reached)

    def test_a_lower_rate_or_a_schedule_helps_too_long_steps(
        self,
    ) -> None:
        rate = Hyperparameters(epochs=6, learning_rate=0.2, seed=1)
        reached = says(TOO_LONG, rate)
        assert longer(rate) < reached + 0.01
        assert accuracy(dataclasses.replace(rate, learning_rate=0.05)) > reached + 0.01
        assert accuracy(dataclasses.replace(rate, schedule="one-cycle")) > reached + 0.01

    def test_a_lower_rate_helps_if_the_loss_jumped(self) -> None:
        wild = Hyperparameters(epochs=2, learning_rate=1.0)
        assert longer(wild) < says(LEAPT, wild) + 0.1
        assert accuracy(dataclasses.replace(wild, learning_rate=0.1)) > 0.9

    def test_a_higher_rate_or_more_epochs_help_a_guessing_network(self) -> None:
        crawling = Hyperparameters(epochs=1, learning_rate=0.00005)
        reached = says(GUESSING, crawling)
        assert accuracy(dataclasses.replace(crawling, epochs=6)) > reached + 0.1
        assert accuracy(dataclasses.replace(crawling, learning_rate=0.001)) > reached + 0.1

    def test_after_levelling_off_nothing_changes(self) -> None:
        idle = Hyperparameters(epochs=2, learning_rate=1e-6, augmentation="handwriting")
        assert says(LEVEL, idle, shipped=True) == pytest.approx(
            longer(idle, shipped=True), abs=0.001
        )
