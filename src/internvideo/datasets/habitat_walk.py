"""Walking in a simulator: habitat-lab as a world of `models.rollout`. The simulator and its scenes are the user's.

Matterport3D's scenes are licensed by their owners to those who sign for them, and habitat-sim is not on the package
index; neither comes with this package, and nothing here was run in a real scene. What habitat has to offer is in
`Simulator`; any object with these methods will do. Positions are metres with y up; headings clockwise, as seen from
above, from the negative z axis, where habitat's agents look at first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from internvideo.datasets.walks import AT_GOAL, Sight
from internvideo.ops.waypoints import STEP, open_waypoints, turns_and_metres


class Simulator(Protocol):
    """The part of `habitat.Env.sim` that is used."""

    def get_agent_state(self) -> Any: ...  # with position (3,) and rotation, a quaternion with x, y, z, w
    def get_observations_at(
        self, position: Any, rotation: Any, keep_agent_at_new_pose: bool = False
    ) -> Mapping[str, Any]: ...
    def geodesic_distance(self, start: Any, end: Any) -> float: ...


class Environment(Protocol):
    """The part of `habitat.Env` that is used."""

    sim: Simulator

    def step(self, action: Any) -> Mapping[str, Any]: ...


# Observations of the agent as it stands -> (V, F) float32 of its views, clockwise from straight ahead, and (A, R) how
# likely the way is open (`models.waypoints`): what turns sensors into features is the user's choice of networks.
Look = Callable[[Mapping[str, Any]], tuple[np.ndarray, np.ndarray]]


@dataclass
class HabitatWalk:
    """An agent under way in a simulator; unlike `datasets.walks.Walk` it changes as it goes."""

    env: Environment
    look: Look
    goal: np.ndarray  # (3,) position
    observed: Mapping[str, Any]  # what `env.reset()` gave
    stopped: bool = False
    path: list[np.ndarray] = field(default_factory=list)  # positions after every low-level step
    collisions: int = 0

    def __post_init__(self) -> None:
        self.path.append(self._position())
        self._ways: tuple[np.ndarray, np.ndarray] | None = None

    def see(self) -> Sight:
        """The open ways, and what is to be seen in their direction."""
        around, likely = self.look(self.observed)
        turns, metres = turns_and_metres(open_waypoints(likely), len(likely))
        self._ways = turns, metres
        views = np.round(turns / (2 * np.pi) * len(around)).astype(np.int64) % len(around)
        own = np.arange(len(around)) * 2 * np.pi / len(around)
        return Sight(around[views], _angles(turns), metres.astype(np.float32), around, _angles(own))

    def teacher(self) -> int:
        """The way whose end is nearest to the goal; as many as there are ways: stop."""
        turns, metres = self._seen()
        if self.to_goal() < AT_GOAL or not len(turns):
            return len(turns)
        ahead = self._heading() + turns
        ends = self._position() + np.stack([np.sin(ahead), np.zeros_like(ahead), -np.cos(ahead)], 1) * metres[:, None]
        left = [float(self.env.sim.geodesic_distance(end.tolist(), self.goal.tolist())) for end in ends]
        return int(np.argmin(left))

    def go(self, action: int) -> "HabitatWalk":
        """Turn at once and walk in steps of 0.25 m, sliding along walls; or stop."""
        turns, metres = self._seen()
        if action >= len(turns):
            self.env.step("stop")
            self.stopped = True
            return self
        turned = _rotation(self._heading() + float(turns[action]))
        here = self._position().tolist()
        self.observed = self.env.sim.get_observations_at(here, turned, keep_agent_at_new_pose=True)
        for _ in range(round(float(metres[action]) / STEP)):
            self.observed = self.env.step("move_forward")
            self.path.append(self._position())
            self.collisions += bool(np.linalg.norm(self.path[-1] - self.path[-2]) < STEP - 1e-3)
        self._ways = None
        return self

    def to_goal(self) -> float:
        """Metres to walk, not through walls."""
        return float(self.env.sim.geodesic_distance(self._position().tolist(), self.goal.tolist()))

    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        if self._ways is None:
            self.see()
        assert self._ways is not None
        return self._ways

    def _position(self) -> np.ndarray:
        return np.array(self.env.sim.get_agent_state().position, np.float64)

    def _heading(self) -> float:
        """Radians clockwise from the negative z axis: a turn about y to the left counts as negative."""
        rotation = self.env.sim.get_agent_state().rotation
        return -2 * float(np.arctan2(rotation.y, rotation.w))


def _rotation(heading: float) -> list[float]:
    """(x, y, z, w) of a quaternion about the y axis."""
    return [0.0, float(np.sin(-heading / 2)), 0.0, float(np.cos(-heading / 2))]


def _angles(turns: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(turns), np.cos(turns)], -1).astype(np.float32)
