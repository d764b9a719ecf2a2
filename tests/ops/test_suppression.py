"""Suppression and voting: vectors of the published code's formulas, laws, and loops as slow twins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.suppression import Suppression, hard_suppression, soft_suppression, suppress, vote


def overlap(a, b, extra=1e-6):
    half = len(a) // 2
    shared, first, second = 1.0, 1.0, 1.0
    for axis in range(half):
        shared *= max(0.0, min(a[half + axis], b[half + axis]) - max(a[axis], b[axis]))
        first *= a[half + axis] - a[axis]
        second *= b[half + axis] - b[axis]
    return shared / (first + second + 2 * extra - shared)


def loop_soft(regions, scores, sigma, lowest):
    """Again and again the best; all others lose by their overlap with it."""
    left = dict(enumerate(scores.tolist()))
    kept = []
    while left:
        best = max(left, key=lambda row: left[row])
        kept.append((best, left.pop(best)))
        for row in list(left):
            left[row] *= math.exp(-(overlap(regions[best], regions[row]) ** 2) / sigma)
            if left[row] < lowest:
                del left[row]
    return kept


def loop_hard(regions, scores, threshold):
    kept = []
    for row in sorted(range(len(scores)), key=lambda row: -scores[row]):
        if all(overlap(regions[other], regions[row]) < threshold for other in kept):
            kept.append(row)
    return kept


def drawn(seed, count=120, dims=1):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 30, (count, dims))
    regions = np.concatenate([low, low + rng.uniform(0.5, 12, (count, dims))], 1)
    return regions, rng.permutation(np.linspace(0.01, 0.99, count))


@pytest.mark.parametrize(("sigma", "expected"), [(0.5, 0.20972), (0.75, 0.32768)])
def test_soft_suppression_of_three_segments(sigma, expected):
    segments = np.array([[0, 10], [1, 11], [20, 30]], np.float64)
    rows, scores = soft_suppression(segments, np.array([0.9, 0.8, 0.7]), sigma)
    assert rows.tolist() == [0, 2, 1]
    assert scores == pytest.approx([0.9, 0.7, expected], abs=1e-5)


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_suppression_equals_the_loops(seed, dims):
    regions, scores = drawn(seed, dims=dims)
    expected = loop_soft(regions, scores, 0.5, 0.05)
    rows, left = soft_suppression(regions, scores, 0.5, 0.05)
    assert rows.tolist() == [row for row, _ in expected]
    np.testing.assert_allclose(left, [score for _, score in expected], rtol=1e-9)
    assert hard_suppression(regions, scores, 0.3).tolist() == loop_hard(regions, scores, 0.3)
    few = soft_suppression(regions, scores, 0.5, 0.05, most=7)
    assert few[0].tolist() == rows[:7].tolist()


@given(st.integers(0, 10**6), st.floats(0.1, 0.9))
def test_what_hard_suppression_keeps_does_not_overlap_and_covers_the_rest(seed, threshold):
    regions, scores = drawn(seed, 40)
    kept = hard_suppression(regions, scores, threshold)
    for place, row in enumerate(kept):
        assert all(overlap(regions[row], regions[other]) < threshold for other in kept[:place])
    for row in set(range(len(scores))) - set(kept.tolist()):
        assert any(overlap(regions[row], regions[o]) >= threshold and scores[o] >= scores[row] for o in kept)


@given(st.integers(0, 10**6))
def test_soft_suppression_raises_no_score_and_keeps_the_best(seed):
    regions, scores = drawn(seed, 40)
    rows, left = soft_suppression(regions, scores, 0.5)
    assert sorted(rows.tolist()) == list(range(40))
    assert (left <= scores[rows] + 1e-12).all() and (np.diff(left) <= 1e-12).all()
    assert rows[0] == scores.argmax()


def test_the_first_region_is_not_asked_for_its_score():
    rows, _ = soft_suppression(np.array([[0.0, 1], [5, 6]]), np.array([0.01, 0.001]), 0.5, lowest=0.1)
    assert rows.tolist() == [0]


def test_voting_is_the_weighted_mean_of_what_overlaps():
    regions = np.array([[0.0, 10], [0, 8], [50, 60]])
    voted = vote(regions[:1], regions, np.array([0.75, 0.25, 1.0]), 0.7)
    np.testing.assert_allclose(voted, [[0, 9.5]])


def test_classes_do_not_suppress_each_other_unless_asked():
    regions, scores, labels = np.array([[0.0, 10], [0, 10]]), np.array([0.9, 0.8]), np.array([1, 2])
    for per_class, expected in ((True, [1, 2]), (False, [1])):
        how = Suppression(method="hard", overlap=0.5, per_class=per_class)
        assert suppress(regions, scores, labels, how)[2].tolist() == expected


@pytest.mark.parametrize("method", ["soft", "hard", "none"])
def test_nothing_stays_nothing(method):
    empty = np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
    assert [len(column) for column in suppress(*empty, Suppression(method=method))] == [0, 0, 0]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="sigma > 0"):
        Suppression(sigma=0)
