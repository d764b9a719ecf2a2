"""Ways around an agent: peaks keep apart, also over the seam of the circle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.waypoints import open_waypoints, turns_and_metres


def test_a_peak_beside_straight_ahead_hides_the_one_on_the_other_side():
    likely = np.zeros((120, 12))
    likely[1, 4], likely[118, 6], likely[60, 0] = 0.5, 0.4, 0.1
    assert open_waypoints(likely).tolist() == [[1, 4], [60, 0]]
    assert open_waypoints(likely, angles=2).tolist() == [[1, 4], [118, 6], [60, 0]]
    assert open_waypoints(likely, most=1).tolist() == [[1, 4]]


@given(st.integers(0, 10**6), st.integers(0, 119))
def test_turning_the_map_turns_the_ways(seed, turn):
    likely = np.random.default_rng(seed).random((120, 12))
    cells, turned = open_waypoints(likely), open_waypoints(np.roll(likely, turn, 0))
    assert ((cells[:, 0] + turn) % 120).tolist() == turned[:, 0].tolist()
    for i, (angle, distance) in enumerate(cells):
        for other, far in cells[:i]:
            gap = abs(angle - other)
            assert min(gap, 120 - gap) > 7 or abs(distance - far) > 5


def test_cells_are_turns_to_the_right_and_whole_steps():
    turns, metres = turns_and_metres(np.array([[0, 0], [30, 11], [90, 3]]))
    assert turns.tolist() == pytest.approx([0, np.pi / 2, -np.pi / 2]) and metres.tolist() == [0.25, 3.0, 1.0]
