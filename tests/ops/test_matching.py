"""The cheapest pairs against every permutation, and against SciPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.matching import cheapest_pairs


@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(0, 3))
def test_no_other_choice_costs_less(seed, rows, more):
    costs = np.random.default_rng(seed).integers(-5, 6, (rows, rows + more)).astype(float)
    chosen = cheapest_pairs(costs)
    assert len(set(chosen.tolist())) == rows
    every = itertools.permutations(range(rows + more), rows)
    assert costs[np.arange(rows), chosen].sum() == min(
        sum(costs[i, column] for i, column in enumerate(columns)) for columns in every
    )


def test_large_tables_cost_what_scipy_finds():
    optimize = pytest.importorskip("scipy.optimize")
    costs = np.random.default_rng(0).normal(size=(40, 100))
    chosen = cheapest_pairs(costs)
    assert costs[np.arange(40), chosen].sum() == pytest.approx(costs[optimize.linear_sum_assignment(costs)].sum())
    with pytest.raises(ValueError, match="3 rows do not each get one of 2"):
        cheapest_pairs(np.zeros((3, 2)))
