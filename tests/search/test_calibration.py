"""The curve is what made the data, and grows with the evidence."""

import numpy as np
import pytest

from internvideo.search.calibration import THUMB, UNRELATED, Curve, fit


def test_fitting_finds_the_curve_that_made_the_data():
    rng = np.random.default_rng(0)
    cosine, usual, spread = rng.uniform(0, 0.5, 20_000), np.full(20_000, 0.2), np.full(20_000, 0.1)
    true = Curve(12.0, 0.0, -4.0)
    right = rng.random(20_000) < true.probability(cosine, usual, spread)
    found = fit(cosine, usual, spread, right)
    assert found.measured and found.probability(cosine, usual, spread) == pytest.approx(
        true.probability(cosine, usual, spread), abs=0.03
    )


def test_probabilities_grow_with_the_score_and_stay_inside():
    cosine = np.linspace(-1, 1, 50)
    p = THUMB.probability(cosine, np.zeros(50), np.full(50, 0.1))
    assert (np.diff(p) >= 0).all() and p.min() >= 0 and p.max() <= 1
    assert THUMB.probability(np.array([0.3]), np.zeros(1), np.full(1, 0.1))[0] == pytest.approx(0.5)
    assert len(set(UNRELATED)) == len(UNRELATED) >= 40
