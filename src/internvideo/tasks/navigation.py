"""Vision-language navigation in graphs: walk where an instruction says. NE, SR, OSR, SPL, nDTW and sDTW.

Source: InternVideo (Wang et al., 2022), downstream tasks; marks as Room-to-Room's evaluation (Anderson et al. 2018) and
nDTW (Ilharco et al. 2019). Walks in continuous houses are marked alike by `metrics.navigation` from positions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from internvideo.config import override
from internvideo.datasets.graph_world import WORDS, graph_world, word_numbers
from internvideo.datasets.room_to_room import Episode, House, house_of, read_episodes, read_houses, walked
from internvideo.datasets.sample import Sample, uid_of
from internvideo.datasets.walks import Seen, SeenInFiles, begin
from internvideo.errors import UsageError
from internvideo.metrics import navigation as marks
from internvideo.models.navigator import Navigator
from internvideo.models.rollout import best_action, follow
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Record, Trajectory, shown
from internvideo.tasks.task import Asked, Example, Marks, OneAnswer
from internvideo.text.tokenizer import tokenizer


@dataclass(frozen=True, kw_only=True)
class Walking:
    """within: metres from the goal that count as there. graphs: folder of `<scan>_connectivity.json`."""

    within: float = marks.SUCCESS_METRES
    graphs: str = ""


@dataclass(frozen=True, kw_only=True)
class Navigation(OneAnswer):
    """Predictions: numbers of places of the graph, (n, 1), from the start to where it was stopped."""

    episodes: Sequence[Episode]
    houses: Mapping[str, House]
    seen: Seen | None = None  # None: only marks
    notes: tuple[str, ...] = ()
    protocol: Walking = field(default_factory=Walking)
    name: str = "navigation"
    family: str = "trajectories"

    @property
    def examples(self) -> Sequence[Example]:
        return [
            Example(each.name, Sample(uid_of("navigation", each.name), self.protocol.graphs or ".", source=each.name),
                    (each.instruction,), truth=list(each.path), group=each.scan)
            for each in self.episodes
        ]  # fmt: skip

    @torch.inference_mode()
    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        network = asked.network
        if not isinstance(network, Navigator) or self.seen is None:
            raise UsageError(
                f"`{asked.card.name}` does not walk" if self.seen else "no features of the places were given",
                "--model navigator-... and --root FOLDER with <scan>.npz",
            )
        by_name = asked.once("episodes by name", lambda: {each.name: each for each in self.episodes})
        for first in range(0, len(examples), 64):
            episodes = [by_name[example.id] for example in examples[first : first + 64]]
            words = instructions(network, episodes).to(network.place.device)
            walks = [begin(each, self.houses, self.seen) for each in episodes]
            for walk in follow(network, words, walks, best_action, taught=False)[0]:
                places = [walk.house.number[name] for name in walk.places]
                yield Trajectory(walk.episode.name, np.array(places, np.float64)[:, None])

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        """An episode without a walk counts as one that never left its start."""
        found = []
        for episode in self.episodes:
            house, given = house_of(self.houses, episode), predictions.get(episode.name)
            places = [house.place(episode.path[0])]
            if isinstance(given, Trajectory) and len(given.points):
                places = [int(place) for place in given.points[:, 0]]
            self._check(house, episode, places)
            truth = [house.place(name) for name in episode.path]
            left = house.distances[places, truth[-1]]
            found.append(marks.Episode(house.positions[places], house.positions[truth], left))
        metrics: dict[str, Any] = {}
        for name, values in marks.navigation_scores(found, within=self.protocol.within).items():
            percent = name not in ("NE", "PL")
            metrics[name] = float(values.mean()) * (100 if percent else 1)
        return Marks(metrics={**metrics, "episodes": len(found)}, notes=self.notes)

    def _check(self, house: House, episode: Episode, places: Sequence[int]) -> None:
        """Raise UsageError or BadList for a walk that leaves the graph, jumps, or begins elsewhere."""
        wrong = [place for place in places if not 0 <= place < len(house.names)]
        if wrong:
            raise UsageError(f"`{episode.name}` walks to place {wrong[0]}, `{house.scan}` has {len(house.names)}")
        if house.names[places[0]] != episode.path[0]:
            raise UsageError(f"`{episode.name}` begins at `{house.names[places[0]]}`, not at `{episode.path[0]}`")
        walked(house, [house.names[place] for place in places])


def reachable(episodes: Sequence[Episode], houses: Mapping[str, House]) -> tuple[list[Episode], tuple[str, ...]]:
    """The episodes whose goal a way leads to, and in words which have none: nobody can walk those.

    Raises UsageError and BadList for what the graphs do not have, and where no episode is left.
    """
    kept: list[Episode] = []
    lost: list[Episode] = []
    for each in episodes:
        house = house_of(houses, each)
        places = [house.place(name) for name in each.path]
        (kept if np.isfinite(house.distances[places[0], places[-1]]) else lost).append(each)
    if lost and not kept:
        scan = lost[0].scan
        raise UsageError(
            f"no episode has a way to its goal; the graph of `{scan}` has {houses[scan].islands()} islands",
            "do graphs and episodes belong together?",
        )
    told = [f"{each.name} in {each.scan} ({houses[each.scan].islands()} islands)" for each in lost]
    note = f"{len(lost):,} episodes have their goal on another island and are left out: {shown(told)}"
    return kept, (note,) if lost else ()


def instructions(network: Navigator, episodes: Sequence[Episode]) -> torch.Tensor:
    """(B, L) int64: numbers of words. A network of the small world knows its words; others read CLIP's tokens."""
    length = network.config.length
    if network.config.words == len(WORDS):
        return torch.from_numpy(np.stack([word_numbers(each.instruction, length) for each in episodes]))
    texts = [each.instruction for each in episodes]
    return torch.from_numpy(tokenizer()(texts, length))


def navigation(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> Navigation:
    """The task over episodes (`--data`), graphs (`graphs=FOLDER`) and features of their places (`--root`).

    The small world: graphs that no training has seen, data.clips=N episodes.
    """
    protocol = override(Walking(), options)
    if data.small_world:
        world = graph_world(20, data.number("clips", 200), seed=1_000_001)
        return Navigation(episodes=world.episodes, houses=world.houses, seen=world, protocol=protocol)
    if not protocol.graphs:
        raise UsageError("where are the graphs?", "graphs=FOLDER with <scan>_connectivity.json")
    listed = read_episodes(data.place)
    houses = read_houses(protocol.graphs, {each.scan for each in listed})
    episodes, notes = reachable(listed, houses)
    seen = SeenInFiles(data.root) if data.root else None
    return Navigation(episodes=episodes, houses=houses, seen=seen, notes=notes, protocol=protocol)
