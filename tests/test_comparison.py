"""Comparisons of two models, and of several runs, match SciPy and arithmetic by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from mnist_nb.evaluation import Evaluation
from mnist_nb.labs.comparison import Comparison, compare, spread


def answers(predictions, labels):
    """Return an evaluation with these predictions, each with high confidence."""
    return Evaluation(
        0.01 + 0.9 * torch.nn.functional.one_hot(torch.tensor(predictions), 10),
        torch.tensor(labels),
    )


def test_images_are_counted_by_which_model_is_correct():
    labels = [0, 1, 2, 3, 4, 5]
    comparison = compare(answers([0, 1, 2, 0, 0, 0], labels), answers([0, 0, 0, 3, 4, 0], labels))
    assert comparison == Comparison(both=1, first_only=2, second_only=2, neither=1)
    assert (comparison.images, comparison.discordant) == (6, 4)


def test_the_accuracy_difference_is_that_of_the_accuracies():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (500,), generator=generator)
    models = [
        Evaluation(torch.rand(500, 10, generator=generator).softmax(1), labels) for _ in range(2)
    ]
    assert compare(*models).accuracy_difference == pytest.approx(
        models[1].accuracy - models[0].accuracy
    )
    assert compare(*reversed(models)).accuracy_difference == pytest.approx(
        -compare(*models).accuracy_difference
    )


def test_other_images_are_refused():
    with pytest.raises(ValueError, match="the same images"):
        compare(answers([0, 1], [0, 1]), answers([0, 1], [1, 0]))
    with pytest.raises(ValueError, match="the same images"):
        compare(answers([0, 1], [0, 1]), answers([0], [0]))


@pytest.mark.parametrize(
    ("first_only", "second_only"), [(0, 1), (10, 40), (50, 80), (300, 370), (7, 7), (31, 62)]
)
def test_the_exact_p_value_adds_up_coin_tosses(first_only, second_only):
    tosses = first_only + second_only
    tail = (
        sum(math.comb(tosses, count) for count in range(min(first_only, second_only) + 1))
        / 2**tosses
    )
    p_value = Comparison(9000, first_only, second_only, 100).p_value
    assert p_value == pytest.approx(min(1.0, 2 * tail))


def test_two_models_that_never_differ_are_equally_good():
    comparison = Comparison(990, 0, 0, 10)
    assert comparison.p_value == 1
    assert comparison.accuracy_difference == 0
    assert comparison.accuracy_difference_interval == (0, 0)


def test_the_interval_is_that_of_mean_paired_differences():
    comparison = Comparison(9000, 120, 160, 720)
    differences = np.repeat([0.0, -1.0, 1.0, 0.0], [9000, 120, 160, 720])
    low, high = stats.norm.interval(0.95, differences.mean(), differences.std() / math.sqrt(10_000))
    assert comparison.accuracy_difference_interval == pytest.approx((low, high), abs=1e-9)


def test_the_spread_of_five_runs_is_scipys():
    values = [0.9772, 0.9781, 0.9760, 0.9795, 0.9768]
    result = spread(values)
    assert result.mean == pytest.approx(sum(values) / 5)
    assert result.deviation == pytest.approx(stats.tstd(values))
    assert result.interval == pytest.approx(
        stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    )
