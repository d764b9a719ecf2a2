"""The adapter to a simulator against a recorded stub: a plane with a wall, which answers as habitat's classes do."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from internvideo.datasets.habitat_walk import HabitatWalk
from internvideo.models.navigator import NAVIGATOR_DEBUG, Navigator
from internvideo.models.rollout import follow
from internvideo.models.waypoints import WaypointConfig, WaypointPredictor


class Plane:
    """`Env` and `sim` in one: an agent on the ground, a wall at x = 2 that it does not pass."""

    def __init__(self):
        self.sim, self.calls = self, []
        self.position, self.rotation = np.zeros(3), [0.0, 0.0, 0.0, 1.0]

    def get_agent_state(self):
        x, y, z, w = self.rotation
        return SimpleNamespace(position=self.position.copy(), rotation=SimpleNamespace(x=x, y=y, z=z, w=w))

    def get_observations_at(self, position, rotation, keep_agent_at_new_pose=False):
        assert keep_agent_at_new_pose and len(position) == 3
        self.calls.append("turn")
        self.rotation = rotation
        return {}

    def geodesic_distance(self, start, end):
        return float(np.linalg.norm(np.subtract(start, end)))

    def step(self, action):
        self.calls.append(action)
        if action == "move_forward":
            heading = -2 * np.arctan2(self.rotation[1], self.rotation[3])
            onward = self.position + 0.25 * np.array([np.sin(heading), 0, -np.cos(heading)])
            if onward[0] <= 2:
                self.position = onward
        return {}


def look(_):
    """Twelve views, numbered; ways open to the right, behind and to the left, a metre, two and one."""
    likely = np.zeros((120, 12))
    likely[30, 3], likely[60, 7], likely[90, 3] = 0.5, 0.3, 0.2
    return np.tile(np.arange(12, dtype=np.float32)[:, None], (1, 14)), likely


def test_a_walk_goes_where_it_is_sent_in_steps_and_looks_that_way():
    plane = Plane()
    walk = HabitatWalk(plane, look, np.array([3.0, 0, 0]), {})
    sight = walk.see()
    assert sight.features[:, 0].tolist() == [3, 6, 9] and sight.metres.tolist() == [1, 2, 1]
    assert walk.teacher() == 0
    walk.go(0)
    assert plane.calls == ["turn", *["move_forward"] * 4]
    assert walk.path[-1] == pytest.approx([1, 0, 0]) and len(walk.path) == 5 and walk.collisions == 0
    walk.go(2)  # to the left of the way it looks: ahead of where it began
    assert walk.path[-1] == pytest.approx([1, 0, -1])
    walk.go(0)
    assert walk.path[-1] == pytest.approx([2, 0, -1]) and walk.collisions == 0
    walk.see()
    assert walk.go(2).go(0).collisions == 4  # the wall
    assert not walk.stopped and walk.go(3).stopped and plane.calls[-1] == "stop"


def test_the_teacher_stops_at_the_goal():
    walk = HabitatWalk(Plane(), look, np.array([1.0, 0, 0.9]), {})
    assert walk.to_goal() < 1.5 and walk.teacher() == 3


def test_a_policy_walks_in_it():
    torch.manual_seed(0)
    network = Navigator(NAVIGATOR_DEBUG).eval()
    walks = [HabitatWalk(Plane(), look, np.array([3.0, 0, 0]), {}) for _ in range(2)]

    def as_taught(scores, wanted):
        return wanted

    with torch.no_grad():
        done, loss, count = follow(network, torch.tensor([[3, 4, 0], [5, 0, 0]]), walks, as_taught)
    assert all(walk.stopped for walk in done) and count >= 2 and torch.isfinite(loss)
    assert all(walk.to_goal() < 1.5 for walk in done)


def test_ways_follow_from_depth_and_turn_with_it():
    torch.manual_seed(0)
    network = WaypointPredictor(WaypointConfig(channels=8, width=24, heads=2)).eval()
    depth = torch.randn(2, 12, 8)
    with torch.no_grad():
        table, turned = network(depth), network(depth.roll(3, 1))
    torch.testing.assert_close(table.sum((1, 2)), torch.ones(2))
    torch.testing.assert_close(turned, table.roll(30, 1))
    changed = depth.clone()
    changed[:, 6] += 1  # views hear of it through two layers of neighbours only
    with torch.no_grad():
        moved = (network(changed).log() - table.log()).std(-1).amax(0)
    assert moved[:25].max() < 1e-4 < moved[55:65].min()
