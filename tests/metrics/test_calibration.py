"""Calibration: laws of temperatures, and a slow plain twin of the calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.metrics.calibration import (
    COLDEST,
    HOTTEST,
    expected_calibration_error,
    fit_temperature,
    log_softmax,
    negative_log_likelihood,
)

seeds = st.integers(0, 10_000)


def drawn(seed, rows=200, classes=5, spread=3.0):
    """Logits and labels that were drawn from their softmax: the right temperature is about 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (rows, classes))
    odds = np.exp(log_softmax(logits))
    return logits, np.array([rng.choice(classes, p=row) for row in odds])


@given(seeds, st.floats(0.05, 20))
def test_a_temperature_keeps_the_order_and_the_sum(seed, temperature):
    logits = np.random.default_rng(seed).normal(0, 3, (4, 6))
    odds = np.exp(log_softmax(logits, temperature))
    assert np.allclose(odds.sum(axis=1), 1)
    assert (np.diff(np.take_along_axis(odds, np.argsort(logits, axis=1), axis=1)) >= 0).all()


@given(seeds)
def test_hot_answers_know_nothing_and_cold_ones_doubt_nothing(seed):
    logits = np.random.default_rng(seed).normal(0, 1, (1, 6))
    assert np.allclose(np.exp(log_softmax(logits, 1e9)), 1 / 6)
    assert np.exp(log_softmax(logits, 1e-9)).max() == pytest.approx(1)


def test_knowing_nothing_costs_log_of_the_number_of_classes():
    assert negative_log_likelihood(np.zeros((3, 7)), np.array([0, 3, 6])) == pytest.approx(np.log(7))


@given(seeds, st.floats(0.2, 5))
def test_the_fitted_temperature_is_the_best_and_follows_the_scale_of_the_logits(seed, scale):
    logits, labels = drawn(seed)
    best = fit_temperature(logits, labels)
    least = negative_log_likelihood(logits, labels, best)
    assert all(least <= negative_log_likelihood(logits, labels, best * factor) for factor in (0.9, 0.99, 1.01, 1.1))
    assert fit_temperature(logits * scale, labels) == pytest.approx(best * scale, rel=1e-6)
    assert fit_temperature(log_softmax(logits), labels) == pytest.approx(best, rel=1e-6)


def test_labels_drawn_from_the_answers_need_no_temperature_and_mend_a_wrong_one():
    logits, labels = drawn(0, rows=20_000)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.05)
    sharp = logits * 4
    mended = log_softmax(sharp, fit_temperature(sharp, labels))
    before, after = (expected_calibration_error(np.exp(log_softmax(z)), labels) for z in (sharp, mended))
    assert after < 0.02 < 0.1 < before


def test_answers_that_are_all_right_or_all_wrong_end_at_the_edges():
    logits = np.array([[2.0, 0.0], [3.0, 1.0]])
    assert fit_temperature(logits, np.array([0, 0])) == pytest.approx(COLDEST)
    assert fit_temperature(logits, np.array([1, 1])) == pytest.approx(HOTTEST)


@given(seeds, st.integers(1, 20))
def test_the_calibration_error_is_that_of_the_plain_twin(seed, bins):
    rng = np.random.default_rng(seed)
    odds = rng.dirichlet(np.ones(4), 50)
    labels = rng.integers(4, size=50)
    total = 0.0
    for place in range(bins):
        rows = [
            (row.max(), row.argmax() == label)
            for row, label in zip(odds, labels, strict=True)
            if place / bins < row.max() <= (place + 1) / bins
        ]
        if rows:
            confidence, right = zip(*rows, strict=True)
            total += len(rows) / 50 * abs(np.mean(right) - np.mean(confidence))
    assert expected_calibration_error(odds, labels, bins) == pytest.approx(total)


def test_certain_right_answers_have_no_error_and_certain_wrong_ones_all_of_it():
    certain = np.eye(3)
    assert expected_calibration_error(certain, np.arange(3)) == 0
    assert expected_calibration_error(certain, (np.arange(3) + 1) % 3) == 1


@pytest.mark.parametrize("labels", [np.array([0, 5]), np.array([-1, 0]), np.array([0])])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError):
        fit_temperature(np.zeros((2, 3)), labels)
