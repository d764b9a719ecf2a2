"""Navigation metrics: closed forms, laws, and a plain twin of dynamic time warping."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.metrics.navigation import (
    Episode,
    densified,
    fast_warping_cost,
    navigation_scores,
    ndtw,
    path_length,
    published_scores,
    spl,
    warping_costs,
    without_repeats,
)


def plain_cost(path, truth):
    """The recursion of dynamic time warping, cell by cell."""
    table = np.full((len(path) + 1, len(truth) + 1), np.inf)
    table[0, 0] = 0
    for i in range(len(path)):
        for j in range(len(truth)):
            step = math.dist(path[i], truth[j])
            table[i + 1, j + 1] = step + min(table[i, j + 1], table[i + 1, j], table[i, j])
    return table[-1, -1]


def line(count, step=0.25):
    return np.stack([step * np.arange(count), np.zeros(count), np.zeros(count)], 1)


def paths(seed, count=7, longest=14):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 3)).cumsum(0) for n in rng.integers(1, longest, count)]


@pytest.mark.parametrize("seed", range(8))
def test_many_paths_at_once_cost_what_each_costs_alone(seed):
    ours, theirs = paths(seed), paths(seed + 100)
    expected = [plain_cost(a, b) for a, b in zip(ours, theirs, strict=True)]
    np.testing.assert_allclose(warping_costs(ours, theirs), expected, atol=1e-12)
    assert len(warping_costs([], [])) == 0


@given(st.integers(0, 10**6))
def test_the_fast_warping_is_never_cheaper_and_exact_where_it_sees_all(seed):
    (ours,), (theirs,) = paths(seed, 1), paths(seed + 1, 1)
    exact, fast = plain_cost(ours, theirs), fast_warping_cost(ours, theirs)
    assert fast >= exact - 1e-9
    if min(len(ours), len(theirs)) < 3:
        assert fast == pytest.approx(exact, abs=1e-9)


def test_a_path_three_metres_beside_the_truth_scores_one_over_e():
    truth = line(9)
    assert ndtw([truth + np.array([0, 0, 3])], [truth])[0] == pytest.approx(0.367879, abs=1e-6)


def test_half_of_a_straight_path_scores_what_the_closed_form_says():
    truth = line(9)
    assert warping_costs([truth[:5]], [truth])[0] == pytest.approx(2.5)
    assert ndtw([truth[:5]], [truth])[0] == pytest.approx(0.911565, abs=1e-6)


@given(st.integers(0, 10**6))
def test_the_true_path_scores_one_and_all_scores_lie_between_zero_and_one(seed):
    ours, theirs = paths(seed), paths(seed + 1)
    assert ndtw(ours, ours) == pytest.approx(np.ones(len(ours)))
    scores = ndtw(ours, theirs)
    assert ((scores > 0) & (scores <= 1)).all()


def test_success_weighted_by_path_length():
    assert spl(np.array([1.0, 0.0, 1.0, 1.0]), np.array([10.0, 10, 0, 10]), np.array([12.5, 12.5, 0, 5])).tolist() == [
        0.8, 0.0, 1.0, 1.0,
    ]  # fmt: skip


def test_walks_by_hand():
    truth = line(5, 1.0)
    there = Episode(truth, truth, np.array([4.0, 3, 2, 1, 0]))
    passed_by = Episode(line(9, 1.0), truth, np.array([4.0, 3, 2, 1, 0, 1, 2, 3, 4]))
    no_stop = Episode(truth, truth, np.array([4.0, 3, 2, 1, 0]), stopped=False)
    scores = navigation_scores([there, passed_by, no_stop])
    assert scores["NE"].tolist() == [0, 4, 0]
    assert scores["SR"].tolist() == [1, 0, 0]
    assert scores["OSR"].tolist() == [1, 1, 1]
    assert scores["PL"].tolist() == [4, 8, 4]
    assert scores["SPL"].tolist() == [1, 0, 0]
    assert scores["sDTW"].tolist() == [1, 0, 0]


def test_the_published_marks_take_three_metres_as_near_enough():
    walk = Episode(line(2, 1.0), line(2, 1.0), np.array([4.0, 3.0]), collisions=[1.0, 0.0])
    assert published_scores(walk)["success"] == 1.0
    assert published_scores(walk)["collisions"] == 0.5
    assert navigation_scores([walk])["SR"][0] == 0.0


@given(st.integers(0, 10**6))
def test_laying_points_between_keeps_corners_and_length(seed):
    (path,) = paths(seed, 1)
    dense = densified(path)
    assert len(dense) >= len(path)
    assert all((np.abs(dense - corner).sum(1) < 1e-12).any() for corner in path)
    assert path_length(dense) == pytest.approx(path_length(path))


def test_a_leg_straight_up_gets_only_its_end():
    assert densified(np.array([[0.0, 0, 0], [0, 5, 0]])).tolist() == [[0, 0, 0], [0, 5, 0]]


def test_standing_still_is_left_out():
    assert without_repeats(np.array([[0, 0], [0, 0], [1, 0], [1, 0], [0, 0]])).tolist() == [[0, 0], [1, 0], [0, 0]]


def test_a_walk_without_positions_or_with_other_distances_is_refused():
    with pytest.raises(ValueError, match="2 positions, 1 distances"):
        Episode(line(2), line(2), np.zeros(1))
