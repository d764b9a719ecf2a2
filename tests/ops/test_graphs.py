"""Shortest ways against an independent search from every place, on drawn graphs with islands."""

import heapq
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.graphs import shortest_paths, way


def dijkstra(lengths, start):
    """One place after the other, the nearest first."""
    far = [float("inf")] * len(lengths)
    queue = [(0.0, start)]
    while queue:
        metres, place = heapq.heappop(queue)
        if metres < far[place]:
            far[place] = metres
            for other, step in enumerate(lengths[place]):
                if np.isfinite(step):
                    heapq.heappush(queue, (metres + step, other))
    return far


@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.05, 0.6))
def test_distances_equal_dijkstra_and_ways_have_their_length(seed, places, share):
    rng = np.random.default_rng(seed)
    lengths = np.where(rng.random((places, places)) < share, rng.uniform(0.1, 9, (places, places)), np.inf)
    far, onward = shortest_paths(lengths)
    for start in range(places):
        np.testing.assert_allclose(far[start], dijkstra(lengths, start), rtol=1e-12)
        for goal in range(places):
            if np.isfinite(far[start, goal]):
                steps = way(onward, start, goal)
                assert steps[0] == start and steps[-1] == goal
                total = sum(lengths[a, b] for a, b in pairwise(steps))
                assert total == pytest.approx(far[start, goal])
            else:
                with pytest.raises(ValueError, match="no way from place"):
                    way(onward, start, goal)


def test_tables_that_are_no_lengths_are_refused():
    for wrong in (np.zeros((2, 3)), np.array([[0.0, -1], [1, 0]]), np.array([[0, np.nan], [1, 0]])):
        with pytest.raises(ValueError, match="edge lengths"):
            shortest_paths(wrong)
