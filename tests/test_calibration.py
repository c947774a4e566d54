"""Measures of confidence match scikit-learn and explicit loops."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from mnist_nb.evaluation import Evaluation
from mnist_nb.labs import calibration


def sample(count, seed, temperature=1.0):
    """Return predictions whose labels were drawn with their probabilities, made more or less
    confident."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, 10, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()
    return Evaluation((logits / temperature).softmax(1), labels)


@pytest.fixture(scope="module")
def evaluation():
    return sample(500, 0, 0.5)


def test_every_image_is_in_one_bin(evaluation):
    bins = calibration.reliability_bins(evaluation, 10)
    assert [part.low for part in bins] == pytest.approx([number / 10 for number in range(10)])
    assert [part.high for part in bins] == pytest.approx(
        [(number + 1) / 10 for number in range(10)]
    )
    assert sum(part.images for part in bins) == 500
    assert sum(part.images * part.accuracy for part in bins if part.images) == pytest.approx(
        evaluation.n_correct
    )
    assert all(part.low < part.confidence <= part.high for part in bins if part.images)
    assert bins[0].images == 0  # the most probable of ten has at least 0.1, and more here
    assert np.isnan(bins[0].accuracy)


@pytest.mark.parametrize("count", [5, 10, 15])
def test_the_expected_calibration_error_is_a_loop_over_bins(evaluation, count):
    total = 0.0
    sure, right = evaluation.confidence.double(), evaluation.is_correct.double()
    for number in range(count):
        inside = (number / count < sure) & (sure <= (number + 1) / count)
        if inside.any():
            total += inside.sum() / 500 * abs(sure[inside].mean() - right[inside].mean())
    assert calibration.expected_calibration_error(evaluation, count) == pytest.approx(total)
    assert total > 0.05


def test_negative_log_likelihood_is_pytorchs_cross_entropy(evaluation):
    logarithms = evaluation.probabilities.double().log()
    expected = torch.nn.functional.nll_loss(logarithms, evaluation.labels).item()
    assert calibration.negative_log_likelihood(evaluation) == pytest.approx(expected, rel=1e-6)
    probabilities = evaluation.probabilities.double()
    probabilities /= probabilities.sum(1, keepdim=True)
    assert expected == pytest.approx(
        metrics.log_loss(evaluation.labels, probabilities, labels=range(10)), rel=1e-6
    )


def test_the_brier_score_sums_the_binary_ones_of_scikit_learn(evaluation):
    binary = [
        metrics.brier_score_loss(evaluation.labels == digit, evaluation.probabilities[:, digit])
        for digit in range(10)
    ]
    assert calibration.brier_score(evaluation) == pytest.approx(sum(binary))


def test_the_best_and_worst_models_reach_the_limits():
    perfect = Evaluation(torch.eye(10), torch.arange(10))
    hopeless = Evaluation(torch.eye(10), torch.arange(10).roll(1))
    assert (calibration.brier_score(perfect), calibration.brier_score(hopeless)) == (0, 2)
    assert [part.images for part in calibration.reliability_bins(perfect, 4)] == [0, 0, 0, 10]
    assert calibration.expected_calibration_error(perfect) == 0
    assert calibration.expected_calibration_error(hopeless) == 1
    assert calibration.negative_log_likelihood(perfect) == pytest.approx(0, abs=1e-9)
    assert np.isfinite(calibration.negative_log_likelihood(hopeless))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_a_temperature_divides_the_logits(temperature):
    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(50, dtype=torch.int64)
    changed = calibration.with_temperature(Evaluation(logits.softmax(1), labels), temperature)
    assert torch.allclose(changed.probabilities, (logits / temperature).softmax(1), atol=1e-6)
    assert torch.equal(changed.predictions, logits.argmax(1))


@pytest.mark.parametrize("planted", [0.5, 1.0, 2.0])
def test_the_fitted_temperature_finds_the_planted_one(planted):
    fitted = calibration.fit_temperature(sample(5000, 2, 1 / planted))
    assert fitted == pytest.approx(planted, rel=0.05)


def test_no_other_temperature_has_a_smaller_loss(evaluation):
    fitted = calibration.fit_temperature(evaluation)
    best = calibration.negative_log_likelihood(calibration.with_temperature(evaluation, fitted))
    assert all(
        best
        <= calibration.negative_log_likelihood(
            calibration.with_temperature(evaluation, fitted * factor)
        )
        for factor in (0.9, 0.99, 1.01, 1.1)
    )


def test_coverage_is_the_accuracy_of_the_surest(evaluation):
    curve = calibration.coverage(evaluation)
    assert len(curve.share) == 500
    assert curve.accuracy[-1] == pytest.approx(evaluation.accuracy)
    for least in (0.5, 0.8, 0.95):
        answered = evaluation.confidence >= least
        place = int(answered.sum()) - 1
        assert curve.share[place] == pytest.approx(answered.double().mean().item())
        assert curve.accuracy[place] == pytest.approx(
            evaluation.is_correct[answered].double().mean().item()
        )
        assert curve.confidence[place] >= least > curve.confidence[place + 1]


def test_the_accuracy_at_a_share_answers_that_many(evaluation):
    curve = calibration.coverage(evaluation)
    surest = evaluation.confidence.argsort(descending=True, stable=True)[:450]
    assert curve.at(0.9) == pytest.approx(evaluation.is_correct[surest].double().mean().item())
    assert curve.at(1) == pytest.approx(evaluation.accuracy)
    for share in (0, 1.1):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            curve.at(share)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_must_be_above_zero(evaluation, temperature):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        calibration.with_temperature(evaluation, temperature)
