"""Foretold objects, hands and actions: hand-made cases, laws, and the public evaluator."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.metrics.anticipation import anticipation_map, change_errors, edit_distances, hand_displacement
from tests.metrics.test_detection import regions

ALWAYS = lambda rows, truths: np.ones(len(rows), bool)  # noqa: E731


def test_the_first_wrong_boxes_of_a_frame_are_not_counted():
    truths = regions([("f", 3, (0, 0, 10, 10))])
    rows = [("f", 3, (100 + 20 * i, 0, 110 + 20 * i, 10)) for i in range(5)] + [("f", 3, (0, 0, 10, 10))]
    found = regions(rows, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert anticipation_map(found, truths, ALWAYS, top=1) == pytest.approx(1 / 6)
    assert anticipation_map(found, truths, ALWAYS, top=5) == pytest.approx(0.5)


def test_attributes_that_do_not_agree_make_a_box_wrong():
    truths = regions([("f", 3, (0, 0, 10, 10))])
    found = regions([("f", 3, (0, 0, 10, 10))], [0.9])
    late, seconds = np.array([1.3]), np.array([1.0])

    def in_time(rows, owners):
        return np.abs(late[rows] - seconds[owners]) <= 0.25

    assert anticipation_map(found, truths, ALWAYS) == 1.0
    assert anticipation_map(found, truths, in_time) == 0.0


def test_frames_without_predictions_are_missed_unless_they_are_skipped():
    truths = regions([("f", 3, (0, 0, 10, 10)), ("g", 3, (0, 0, 10, 10))])
    found = regions([("f", 3, (0, 0, 10, 10))], [0.9])
    assert anticipation_map(found, truths, ALWAYS) == 0.5
    assert anticipation_map(found, truths, ALWAYS, empty_frames="skip") == 1.0


def test_the_moment_of_change_is_told_in_seconds():
    scores = np.array([[0, 3, 0, 0, 1.0], [0, 0, 0, 1, 9.0], [0, 0, 0, 0, 1.0]])
    found = change_errors(scores, np.array([3.0, 5.0, np.nan]), np.full(3, 8.0))
    assert found["keyframe error"] == pytest.approx((0.0 + 2.0) / 2)  # the middles of four parts of two seconds
    assert found["state change"] == pytest.approx(2 / 3)
    assert np.isnan(change_errors(scores[2:], np.array([np.nan]), np.full(1, 8.0))["keyframe error"])


def plain_edits(ours, theirs):
    table = [list(range(len(theirs) + 1))]
    for i, one in enumerate(ours):
        row = [i + 1]
        for j, other in enumerate(theirs):
            row.append(min(table[i][j + 1] + 1, row[j] + 1, table[i][j] + (one != other)))
        table.append(row)
    return table[-1][-1]


@given(st.integers(0, 10**6))
def test_edit_distances_of_all_lengths_equal_the_plain_recursion(seed):
    rng = np.random.default_rng(seed)
    guesses, truth = rng.integers(0, 4, (3, 6, 2)), rng.integers(0, 4, (3, 6))
    errors, area = edit_distances(guesses, truth)
    for z in range(1, 7):
        each = [min(plain_edits(guesses[n, :z, k], truth[n, :z]) for k in range(2)) / z for n in range(3)]
        assert errors[z - 1] == pytest.approx(np.mean(each))
    assert area == pytest.approx(np.trapezoid(errors) / 5)


def test_edit_distances_are_those_of_the_public_evaluator(shared):
    here = shared / "data" / "evaluators" / "ego4d_long_term_anticipation"
    truth = np.array(json.loads((here / "groundtruth" / "labels.json").read_text()))
    guesses = np.array(json.loads((here / "predictions" / "predictions_N_Z_K.json").read_text()))
    expected = json.loads((here / "expected" / "expected.json").read_text())
    errors, area = edit_distances(guesses, truth)
    assert area == pytest.approx(expected["AUED"], abs=1e-9)
    np.testing.assert_allclose(errors, [expected[f"ED_{z}"] for z in range(len(errors))], atol=1e-9)


def test_hands_that_are_not_there_do_not_count():
    truth = np.zeros((1, 5, 2, 2))
    truth[0, :, 0] = (100, 50)
    guess = truth.copy()
    guess[0, :, 0] += (3, 4)
    guess[0, 4, 0] += (0, 4)
    found = hand_displacement(guess, truth)
    assert found["M.Disp left"] == pytest.approx((4 * 5 + np.hypot(3, 8)) / 5)
    assert found["C.Disp left"] == pytest.approx(np.hypot(3, 8))
    assert np.isnan(found["M.Disp right"])
    with pytest.raises(ValueError, match="expected two"):
        hand_displacement(guess[:, :4], truth)
