"""Thresholds from verdicts: the choice against trying all, and the promise against fresh clips of the same kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.proposals import best_threshold, nearest_unjudged, propose
from internvideo.metrics.proportions import wilson_interval

JUDGED = st.lists(st.tuples(st.integers(-5, 5).map(float), st.booleans()), min_size=1, max_size=40)


@given(JUDGED, st.floats(0.05, 0.99))
def test_the_least_threshold_that_is_precise_enough_is_chosen(judged, precision):
    values, good = (np.array(column) for column in zip(*judged, strict=True))
    good = good.astype(bool)

    def precise(threshold):
        kept = good[values >= threshold]
        return kept.mean()

    found = best_threshold(values, good, precision)
    shares = {level: precise(level) for level in np.unique(values)}
    enough = [level for level, share in shares.items() if share >= precision]
    wanted = min(enough) if enough else min(level for level in shares if shares[level] == max(shares.values()))
    assert np.array_equal(values >= found, values >= wanted)


def test_what_is_promised_holds_for_clips_that_nobody_judged():
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(60):
        good = rng.random(120) < 0.6
        values = rng.normal(size=120) + 1.2 * good
        found = propose("score", values, good, 0.8)
        assert found.relation == ">=" and found.good + found.bad == 120
        fresh = rng.random(20_000) < 0.6
        scores = rng.normal(size=20_000) + 1.2 * fresh
        low, high = found.interval
        inside.append(low <= fresh[scores >= found.threshold].mean() <= high)
    assert np.mean(inside) >= 0.85, "an interval of 95 %; thresholds of the folds differ a little from the last one"


def test_scores_of_which_small_is_good_are_turned_round():
    values = np.r_[np.linspace(0, 1, 20), np.linspace(2, 3, 20)]
    found = propose("exposure_dark_share", values, np.arange(40) < 20, 0.99)
    assert (found.relation, found.separation, found.precision, found.recall, found.enough) == (
        "<=",
        1.0,
        1.0,
        1.0,
        False,
    )
    assert 1 < found.threshold < 2 and found.rule.startswith("exposure_dark_share <= 1.")
    assert found.interval[0] == pytest.approx(wilson_interval(20, 20)[0])


def test_few_verdicts_propose_nothing():
    assert propose("a", np.arange(9.0), np.arange(9) > 4, 0.9) is None
    assert propose("a", np.arange(30.0), np.arange(30) > 28, 0.9) is None
    assert propose("a", np.where(np.arange(30) < 25, np.nan, 1.0), np.arange(30) % 2 > 0, 0.9) is None


def test_clips_near_the_threshold_come_first_and_judged_ones_never():
    values = np.array([0.0, 1.0, np.nan, 2.0, 3.0])
    assert nearest_unjudged(values, np.array([False, True, False, False, False]), 1.1, 9) == [3, 0, 4]


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"), [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (50, 100, 0.404, 0.596)]
)
def test_intervals_are_those_of_the_tables(hits, trials, low, high):
    assert wilson_interval(hits, trials) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))
