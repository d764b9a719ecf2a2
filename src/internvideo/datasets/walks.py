"""Walking through a graph of places: what is seen at each, which ways lead on, and who would go where.

What is seen comes as one vector per view direction; view v of V looks v / V of a full turn clockwise from the y axis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from internvideo.datasets.lists import BadList, reading
from internvideo.datasets.room_to_room import Episode, House, house_of

AT_GOAL = 1.5  # metres: nearer than that, the teacher stops (published)


class Seen(Protocol):
    """Where features come from."""

    @property
    def width(self) -> int:
        """Channels of a view."""
        ...

    def at(self, scan: str, place: str) -> np.ndarray:
        """(V, F) float32: one vector per view direction."""
        ...


class SeenInFiles:
    """One `<scan>.npz` per graph with an array (V, F) per place, read once."""

    def __init__(self, folder: Path | str) -> None:
        self.folder, self._scans = Path(folder), dict[str, dict[str, np.ndarray]]()
        files = sorted(self.folder.glob("*.npz"))
        if not files:
            raise BadList(f"`{folder}` holds no features: expected <scan>.npz", "one array (views, channels) per place")
        self._first = files[0].stem

    @property
    def width(self) -> int:
        """Channels of a view, as the first file says."""
        return int(next(iter(self._read(self._first).values())).shape[-1])

    def at(self, scan: str, place: str) -> np.ndarray:
        found = self._read(scan)
        if place not in found:
            raise BadList(f"`{self.folder / scan}.npz` has no features of the place `{place}`")
        return found[place]

    def _read(self, scan: str) -> dict[str, np.ndarray]:
        if scan not in self._scans:
            path = self.folder / f"{scan}.npz"
            with reading(path), np.load(path, allow_pickle=False) as file:
                self._scans[scan] = {name: np.asarray(file[name], np.float32) for name in file.files}
        return self._scans[scan]


@dataclass(frozen=True, eq=False)
class Sight:
    """What an agent sees of the ways at hand, in the order of `House.neighbours`. features: (K, F) of the views towards
    them; angles: (K, 2) sine and cosine of how far to turn right; metres: (K,); around, around_angles: of all views."""

    features: np.ndarray
    angles: np.ndarray
    metres: np.ndarray
    around: np.ndarray
    around_angles: np.ndarray


@dataclass(frozen=True)
class Walk:
    """An agent under way. places: names from the start to here; heading: radians clockwise from the y axis."""

    episode: Episode
    house: House
    places: tuple[str, ...]
    heading: float
    seen: Seen
    stopped: bool = False

    @property
    def here(self) -> int:
        return self.house.number[self.places[-1]]

    @property
    def goal(self) -> int:
        return self.house.place(self.episode.path[-1])

    def see(self) -> Sight:
        """Ways, and what is to be seen in their direction."""
        house, here = self.house, self.here
        around = self.seen.at(house.scan, self.places[-1])
        ways = house.neighbours(here)
        apart = house.positions[ways] - house.positions[here]
        headings = np.arctan2(apart[:, 0], apart[:, 1])
        turn = 2 * np.pi / len(around)
        views = np.round(headings / turn).astype(np.int64) % len(around)
        return Sight(
            around[views],
            _angles(headings - self.heading),
            house.lengths[here, ways].astype(np.float32),
            around,
            _angles(np.arange(len(around)) * turn - self.heading),
        )

    def teacher(self) -> int:
        """The number of the way that is on a shortest one to the goal; as many as there are ways: stop."""
        far, ways = self.house.distances[:, self.goal], self.house.neighbours(self.here)
        if not np.isfinite(far[self.here]):
            raise BadList(
                f"`{self.episode.name}`: no way leads from `{self.places[-1]}` to its goal",
                f"the graph of `{self.house.scan}` has {self.house.islands()} islands",
            )
        if far[self.here] < AT_GOAL or not len(ways):
            return len(ways)
        return int((far[ways] + self.house.lengths[self.here, ways]).argmin())

    def go(self, action: int) -> "Walk":
        """The walk after an action: a way by its number, or stop."""
        ways = self.house.neighbours(self.here)
        if action >= len(ways):
            return replace(self, stopped=True)
        onward = int(ways[action])
        apart = self.house.positions[onward] - self.house.positions[self.here]
        name = self.house.names[onward]
        return replace(self, places=(*self.places, name), heading=float(np.arctan2(apart[0], apart[1])))


def begin(episode: Episode, houses: Mapping[str, House], seen: Seen) -> Walk:
    """At the first place of the episode. Raises UsageError and BadList for what the graphs do not have."""
    house = house_of(houses, episode)
    for place in episode.path:
        house.place(place)
    return Walk(episode, house, episode.path[:1], episode.heading, seen)


def _angles(turns: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(turns), np.cos(turns)], -1).astype(np.float32)
