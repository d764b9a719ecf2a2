"""Room-to-Room: Matterport navigation graphs, episodes with instructions, and files of walks.

Graphs: `<scan>_connectivity.json`, a list of places with `image_id`, `pose` (4 x 4, row by row), `included` and
`unobstructed` to all places. Episodes: records with `scan`, `path` of places, `heading`, `instructions`. Walks:
`[{"instr_id": "<path_id>_<number>", "trajectory": [[place, heading, elevation], ...]}]`. Source: the Matterport3D
simulator (Anderson et al. 2018). Scenes themselves are licensed and not needed here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.datasets.lists import BadList, cell, json_file, records
from internvideo.datasets.sample import PathLike
from internvideo.errors import pick
from internvideo.ops.graphs import shortest_paths, way


@dataclass(frozen=True, eq=False)
class House:
    """A navigation graph. names: places; positions: (N, 3) metres, z up; lengths: (N, N), infinite without an edge."""

    scan: str
    names: tuple[str, ...]
    positions: np.ndarray
    lengths: np.ndarray

    @cached_property
    def number(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def _ways(self) -> tuple[np.ndarray, np.ndarray]:
        return shortest_paths(self.lengths)

    @property
    def distances(self) -> np.ndarray:
        """(N, N) metres along shortest ways; infinite between islands."""
        return self._ways[0]

    def way(self, start: str, goal: str) -> list[str]:
        """The places of a shortest way, both ends included. Raises BadList if there is none."""
        try:
            return [self.names[place] for place in way(self._ways[1], self.place(start), self.place(goal))]
        except ValueError as error:
            raise BadList(
                f"`{self.scan}` has no way from `{start}` to `{goal}`: they are on different islands"
            ) from error

    def place(self, name: str) -> int:
        """The number of a place. Raises BadList."""
        if name not in self.number:
            raise BadList(f"`{self.scan}` has no place `{name}`", "is it left out of the graph (`included`)?")
        return self.number[name]

    def neighbours(self, place: int) -> np.ndarray:
        """Numbers of the places that an edge leads to."""
        return np.flatnonzero(np.isfinite(self.lengths[place]) & (np.arange(len(self.names)) != place))

    def islands(self) -> int:
        """How many parts the graph has that no edge joins."""
        return len({tuple(row) for row in np.isfinite(self.distances)})


@dataclass(frozen=True)
class Episode:
    """One instruction: from the first to the last place of `path`, `heading` radians clockwise from the y axis."""

    name: str
    scan: str
    path: tuple[str, ...]
    instruction: str
    heading: float = 0.0


def read_house(path: PathLike) -> House:
    """One graph: places that are `included`, edges that one of both ends calls unobstructed (published)."""
    rows = list(records(json_file(path), path))
    scan = Path(path).name.removesuffix("_connectivity.json")
    kept = [place for place, row in enumerate(rows) if row.get("included", True)]
    poses = np.array([cell(rows[place], "pose", path) for place in kept], np.float64).reshape(-1, 16)
    positions = poses[:, [3, 7, 11]]
    open_ways = np.array([cell(rows[place], "unobstructed", path) for place in kept], bool).reshape(len(kept), -1)
    if open_ways.shape[1] != len(rows):
        raise BadList(f"`{path}`: {open_ways.shape[1]} columns of `unobstructed` for {len(rows)} places")
    joined = open_ways[:, kept]
    joined = joined | joined.T
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    names = tuple(str(cell(rows[place], "image_id", path)) for place in kept)
    return House(scan, names, positions, np.where(joined, apart, np.inf))


def read_houses(folder: PathLike, scans: Iterable[str] | None = None) -> dict[str, House]:
    """All graphs of a folder by scan, or those named. Raises BadList for one that is not there."""
    found = {path.name.removesuffix("_connectivity.json"): path for path in Path(folder).glob("*_connectivity.json")}
    missing = sorted(set(scans or ()) - found.keys())
    if missing or not found:
        raise BadList(f"`{folder}` has no graph of {missing[:5] or 'any scan'}", "expected <scan>_connectivity.json")
    return {scan: read_house(found[scan]) for scan in (sorted(found) if scans is None else sorted(set(scans)))}


def read_episodes(path: PathLike) -> list[Episode]:
    """One per instruction, named `<path_id>_<number>`. Test files have paths of one place."""
    found = []
    for row in records(json_file(path), path):
        places = tuple(map(str, cell(row, "path", path)))
        for number, text in enumerate(cell(row, "instructions", path)):
            name = f"{cell(row, 'path_id', path)}_{number}"
            found.append(Episode(name, str(cell(row, "scan", path)), places, str(text), float(row.get("heading", 0))))
    return found


def read_walks(path: PathLike) -> dict[str, list[str]]:
    """Instruction -> places in order, of a file of results. Turns on the spot (the same place again) are left out."""
    walks: dict[str, list[str]] = {}
    for row in records(json_file(path), path):
        places = [str(step[0]) for step in cell(row, "trajectory", path)]
        if not places:
            raise BadList(f"`{path}`: the walk of `{row.get('instr_id')}` has no places")
        walks[str(cell(row, "instr_id", path))] = [p for i, p in enumerate(places) if i == 0 or places[i - 1] != p]
    return walks


def write_walks(path: PathLike, walks: Mapping[str, Sequence[str]]) -> None:
    """A file of results as the leaderboard takes it; headings are not kept."""
    rows: list[dict[str, Any]] = [
        {"instr_id": name, "trajectory": [[place, 0.0, 0.0] for place in places]} for name, places in walks.items()
    ]
    Path(path).write_text(json.dumps(rows), "utf-8")


def walked(house: House, places: Sequence[str]) -> float:
    """Metres along the edges of a walk. Raises BadList where two places are not joined."""
    total = 0.0
    for one, other in pairwise(places):
        length = house.lengths[house.place(one), house.place(other)]
        if not np.isfinite(length):
            raise BadList(f"a walk in `{house.scan}` jumps from `{one}` to `{other}`: no edge joins them")
        total += float(length)
    return total


def house_of(houses: Mapping[str, House], episode: Episode) -> House:
    """The graph of an episode. Raises UsageError."""
    return pick(dict(houses), episode.scan, "scan")
