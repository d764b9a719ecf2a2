"""Open-set numbers: closed forms, laws, scikit-learn where it defines the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from internvideo.metrics.open_set import (
    Answers,
    area_under_pr,
    auroc,
    calibration_parts,
    disagreement,
    fpr_at,
    macro_f1,
    open_calibration,
    open_f1_curve,
    openness,
    roc_points,
    threshold_at,
    thresholded_auroc,
)

KNOWN, UNKNOWN = np.array([0.1, 0.2, 0.3, 0.6]), np.array([0.25, 0.7, 0.8, 0.9])
uncertainties = st.lists(st.integers(0, 12).map(lambda n: n / 12), min_size=1, max_size=30).map(np.array)


def test_closed_forms():
    assert auroc(KNOWN, UNKNOWN) == 0.875
    assert thresholded_auroc(KNOWN, UNKNOWN, 0.5) == 0.75
    assert openness(101, 51) == pytest.approx(0.106457, abs=1e-6)
    assert openness(101, 305) == pytest.approx(0.368793, abs=1e-6)
    assert openness(101, 0) == 0


@given(uncertainties, uncertainties)
def test_curves_equal_scikit_learn(known, unknown):
    labels, scores = np.r_[np.zeros(len(known)), np.ones(len(unknown))], np.r_[known, unknown]
    assert auroc(known, unknown) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores))
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, scores)
    assert area_under_pr(known, unknown) == pytest.approx(sklearn_metrics.auc(recall, precision))
    for corners in (False, True):
        false, true, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=corners)
        ours = roc_points(known, unknown, corners=corners)
        np.testing.assert_allclose(ours, (false, true), atol=1e-12)
    assert fpr_at(known, unknown, nearest=True) == pytest.approx(false[np.argmin(np.abs(true - 0.95))])


@given(uncertainties, uncertainties, st.floats(0.05, 1))
def test_rate_of_false_alarms_against_every_threshold(known, unknown, recall):
    best = min((known >= t).mean() for t in np.r_[known, unknown] if (unknown >= t).mean() >= recall - 1e-12)
    assert fpr_at(known, unknown, recall) == pytest.approx(best)


@given(uncertainties, uncertainties)
def test_the_thresholded_number_is_the_mean_of_both_hit_rates(known, unknown):
    found = thresholded_auroc(known, unknown, 0.5)
    assert found == pytest.approx(((unknown > 0.5).mean() + (known <= 0.5).mean()) / 2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80).map(np.array), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_the_threshold_lets_the_share_of_training_samples_pass_and_no_lower_one_does(training, share):
    found = threshold_at(training, share)
    assert (training <= found).mean() >= share - 1e-9
    lower = training[training < found]
    assert not len(lower) or (training <= lower.max()).mean() < share


def test_the_95th_percentile_is_at_the_uncertain_end():
    assert threshold_at(np.arange(100) / 100) == 0.94


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_macro_f1_equals_scikit_learn(seed, classes):
    random = np.random.default_rng(seed)
    answers, labels = random.integers(0, classes, (2, 30))
    assert macro_f1(answers, labels) == pytest.approx(sklearn_metrics.f1_score(labels, answers, average="macro"))


def parts(seed=0, count=40):
    random = np.random.default_rng(seed)
    known = Answers(*random.integers(0, 4, (2, count)), random.uniform(size=count))
    return known, Answers(*random.integers(0, 3, (2, count)), random.uniform(size=count))


def test_a_perfect_open_set_model_has_f1_1_at_every_openness():
    labels = np.arange(12) % 4
    known = Answers(labels, labels, np.full(12, 0.1))
    unknown = Answers(labels % 3, labels % 3, np.full(12, 0.9))
    curve = open_f1_curve(known, unknown, 0.5, 4)
    assert curve.f1.tolist() == [1, 1, 1, 1] and curve.mean == 1 and curve.mean_deviation == 0
    assert curve.openness.tolist() == [0, *(openness(4, n) for n in (1, 2, 3))]


def test_with_all_unknown_classes_there_is_nothing_to_draw():
    known, unknown = parts()
    curve = open_f1_curve(known, unknown, 0.6, 4)
    assert curve.deviation[0] == curve.deviation[-1] == 0 and curve.deviation[1] > 0
    labels = np.r_[known.labels, np.full(40, 4)]
    answers = np.where(np.r_[known.uncertainty, unknown.uncertainty] > 0.6, 4, np.r_[known.answers, unknown.answers])
    assert curve.f1[-1] == pytest.approx(sklearn_metrics.f1_score(labels, answers, average="macro"), abs=1e-6)


def test_three_calibrations():
    known, unknown = parts(1)
    found = open_calibration(known, unknown, 0.5, 4)
    assert found.keys() == calibration_parts(known, unknown, 0.5, 4).keys()
    closed = calibration_parts(known, unknown, 0.5, 4)["closed set"]
    gaps = 0.0
    for low in np.arange(15) / 15:
        inside = (1 - closed.uncertainty > low) & (1 - closed.uncertainty <= low + 1 / 15)
        if inside.any():
            right = (closed.answers == closed.labels)[inside].mean()
            gaps += inside.mean() * abs(right - (1 - closed.uncertainty)[inside].mean())
    assert found["closed set"] == pytest.approx(gaps)


def test_passes_that_agree_do_not_disagree():
    same = np.repeat(np.array([[0.5, 0.5], [1.0, 0.0]])[:, :, None], 3, axis=2)
    entropy, disagree = disagreement(same)
    np.testing.assert_allclose(entropy, [np.log(2), 0])
    np.testing.assert_allclose(disagree, 0, atol=1e-12)
    split = np.stack([np.eye(2), np.eye(2)[::-1]], axis=2)
    np.testing.assert_allclose(disagreement(split)[1], np.log(2))
