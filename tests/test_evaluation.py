"""Measures of a model match scikit-learn, SciPy and arithmetic by hand."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics

from mnist_nb import build_model, evaluate, predict, wilson_interval
from mnist_nb.evaluation import Evaluation
from mnist_nb.evaluation.metrics import REJECTED_LABELS, DigitScore
from mnist_nb.labs.score_table import score_table


@pytest.fixture
def evaluation():
    """Two hundred artificial predictions, about half of them right, with no 9 among the labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 9, (200,), generator=generator)
    scores = torch.randn(200, 10, generator=generator) + 2.0 * torch.nn.functional.one_hot(
        labels, 10
    )
    return Evaluation(scores.softmax(1), labels)


def test_accuracy_is_scikit_learns(evaluation):
    expected = metrics.accuracy_score(evaluation.labels, evaluation.probabilities.argmax(1))
    assert 0.2 < expected < 0.9
    assert evaluation.accuracy == pytest.approx(expected)
    assert evaluation.n_correct == round(expected * 200)


def test_the_confusion_matrix_is_scikit_learns(evaluation):
    expected = metrics.confusion_matrix(evaluation.labels, evaluation.predictions, labels=range(10))
    assert evaluation.confusion.dtype == np.int64
    assert np.array_equal(evaluation.confusion, expected)


def test_scores_per_digit_are_scikit_learns(evaluation):
    expected = metrics.precision_recall_fscore_support(
        evaluation.labels, evaluation.predictions, labels=range(10), zero_division=0.0
    )
    counts = evaluation.confusion
    for score, precision, recall, f1, support in zip(
        evaluation.per_digit(), *expected, strict=True
    ):
        assert (score.precision, score.recall, score.f1) == pytest.approx((precision, recall, f1))
        assert (score.support, score.predicted) == (support, counts[:, score.digit].sum())
        assert score.true_positives == counts[score.digit, score.digit]
    assert evaluation.per_digit()[9].support == 0


def wilson(correct, total):
    """Return SciPy's Wilson interval, as the reference."""
    interval = stats.binomtest(int(correct), int(total)).proportion_ci(method="wilson")
    return interval.low, interval.high


def test_the_intervals_per_digit_are_scipys(evaluation):
    counts = evaluation.confusion
    for score in evaluation.per_digit()[:9]:
        hits, read, written = (
            counts[score.digit, score.digit],
            counts[:, score.digit].sum(),
            counts[score.digit].sum(),
        )
        assert score.precision_interval == pytest.approx(wilson(hits, read), abs=1e-6)
        assert score.recall_interval == pytest.approx(wilson(hits, written), abs=1e-6)
        shares = wilson(hits, read + written - hits)
        assert score.f1_interval == pytest.approx(
            [2 / (1 + 1 / share) for share in shares], abs=1e-6
        )
        assert score.f1_interval[0] < score.f1 < score.f1_interval[1]


def test_the_f1_interval_catches_the_truth_about_95_times_in_100():
    """A thousand samples are drawn from a distribution with a known F1: 1,000 images show a digit
    or are read as it, 900 of them both."""
    truth = 2 * 0.9 / 1.9
    caught = 0
    for hits in np.random.default_rng(0).binomial(1000, 0.9, size=1000).tolist():
        support = hits + (1000 - hits) // 2
        score = DigitScore(0, support=support, predicted=1000 + hits - support, true_positives=hits)
        caught += score.f1_interval[0] <= truth <= score.f1_interval[1]
    assert 930 <= caught <= 970


def test_an_absent_digit_could_score_anything():
    nothing = DigitScore(9, 0, 0, 0)
    assert nothing.precision == nothing.recall == nothing.f1 == 0
    assert nothing.precision_interval == nothing.recall_interval == nothing.f1_interval == (0, 1)


def test_without_leaves_images_out(evaluation):
    less = evaluation.without({0, 5, 199, 5000})
    kept = [index for index in range(200) if index not in (0, 5, 199)]
    assert torch.equal(less.probabilities, evaluation.probabilities[kept])
    assert torch.equal(less.labels, evaluation.labels[kept])


def test_the_rejected_labels_are_those_of_mnists_test_images(full_mnist):
    """The labels in the published votes equal ours, so the indices mean the same images."""
    published = [8, 0, 9, 4, 2, 5, 6, 6, 5, 5, 0, 1, 4, 6, 5]
    assert full_mnist.test.labels[list(REJECTED_LABELS)].tolist() == published
    assert all(0 <= votes <= 2 for votes in REJECTED_LABELS.values())


def test_surest_mistakes_and_least_sure_hits_are_in_order(evaluation):
    worst, unsure = evaluation.most_confident_mistakes(5), evaluation.least_confident_correct(5)
    right = evaluation.is_correct
    mistaken, correct = (
        sorted(evaluation.confidence[~right].tolist()),
        sorted(evaluation.confidence[right].tolist()),
    )
    assert evaluation.confidence[worst].tolist() == mistaken[:-6:-1]
    assert evaluation.confidence[unsure].tolist() == correct[:5]
    assert not right[worst].any()
    assert right[unsure].all()


def test_confused_pairs_count_mistakes_only(evaluation):
    pairs = evaluation.confused_pairs(100)
    assert sum(count for _, _, count in pairs) == 200 - evaluation.n_correct
    assert all(label != predicted for label, predicted, _ in pairs)
    assert [count for *_, count in pairs] == sorted((count for *_, count in pairs), reverse=True)


def test_evaluate_predicts_every_image(tiny):
    model = build_model("mlp", seed=0)
    evaluation = evaluate(model, tiny.test)
    assert torch.equal(evaluation.probabilities, predict(model, tiny.test.images))
    assert torch.equal(evaluation.labels, tiny.test.labels)


@pytest.mark.parametrize(
    ("correct", "total"), [(0, 10), (10, 10), (1, 3), (9800, 10_000), (9940, 10_000), (0, 1)]
)
def test_the_wilson_interval_is_scipys(correct, total):
    assert wilson_interval(correct, total) == pytest.approx(wilson(correct, total), abs=1e-6)


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (-1, 5), (6, 5), (0, 0)])
def test_an_impossible_count_is_refused(correct, total):
    with pytest.raises(ValueError, match=r"(correct|total) must be between"):
        wilson_interval(correct, total)


def test_the_score_table_has_a_line_for_each_digit(evaluation):
    lines = score_table(evaluation.per_digit()).splitlines()
    assert len(lines) == 11
    assert [line.split()[0] for line in lines[1:]] == [str(digit) for digit in range(10)]
    assert len({len(line) for line in lines}) == 1  # columns line up
