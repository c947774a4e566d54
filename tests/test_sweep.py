"""A sweep trains each of its networks exactly as a separate run would."""

import dataclasses

import pytest
import torch
from networks import same_weights

from mnist_nb import Hyperparameters, TrainingRun, build_model
from mnist_nb.labs.quick_training import sweep

SETTINGS = Hyperparameters(epochs=2, batch_size=50, learning_rate=0.05)


def variants(**fields):
    names, columns = list(fields), zip(*fields.values(), strict=True)
    return [
        dataclasses.replace(SETTINGS, **dict(zip(names, column, strict=True))) for column in columns
    ]


@pytest.mark.parametrize(
    "settings",
    [
        variants(learning_rate=[0.001, 0.02, 0.1]),
        variants(momentum=[0.0, 0.5, 0.9]),
        variants(
            learning_rate=[0.1, 0.01], schedule=["one-cycle", "cosine"], augmentation=["affine"] * 2
        ),
        variants(batch_size=[32, 64], optimizer=["sgd", "adam"], epochs=[1, 2]),
    ],
    ids=["rates", "momenta", "schedules, augmented", "other batches, optimisers and epochs"],
)
def test_each_member_ends_where_a_run_of_its_own_does(tiny, settings):
    members = sweep(tiny, settings)
    assert [member.hyperparameters for member in members] == settings
    for member in members:
        run = TrainingRun(build_model("mlp", seed=0), tiny, member.hyperparameters, device="cpu")
        records = list(run.epochs())
        assert same_weights(member.model, run.model)
        ours, theirs = (
            [dataclasses.replace(one, seconds=0) for one in some]
            for some in (member.records, records)
        )
        assert ours == theirs


def test_a_diverging_member_does_not_affect_the_others(tiny):
    calm, wild = sweep(tiny, variants(learning_rate=[0.05, 10.0]))
    (alone,) = sweep(tiny, variants(learning_rate=[0.05]))
    assert (calm.diverged, wild.diverged) == (False, True)
    assert wild.records == []
    assert same_weights(wild.model, build_model(seed=0))
    for mine, other in zip(calm.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)
