"""What a policy learns from: episodes in graphs, and what is seen at their places."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from internvideo.datasets.graph_world import WORDS, graph_world
from internvideo.datasets.room_to_room import read_episodes, read_houses
from internvideo.datasets.walks import SeenInFiles, begin
from internvideo.jobs.head_networks import head_network
from internvideo.jobs.talk import note
from internvideo.models.navigator import Navigator
from internvideo.models.rollout import best_action, follow
from internvideo.tasks.navigation import Navigation, instructions, reachable
from internvideo.tasks.predictions import Record, Trajectory
from internvideo.training.head_recipe import HeadRecipe, WalkData


class NavigationLesson:
    """Episodes of files, or of the small world, which is drawn and not stored."""

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, WalkData)
        self.recipe, self.data = recipe, recipe.data
        self.task = _task(self.data)
        self.samples = len(self.task.episodes)
        self.listed = hashlib.sha256(repr(list(self.task.episodes)).encode()).hexdigest()
        self.held = _task(recipe.held_out) if isinstance(recipe.held_out, WalkData) else None

    def network(self) -> nn.Module:
        """Reads as many channels as the features have, and in the small world its words only."""
        assert self.task.seen is not None
        words = {} if self.data.episodes else {"words": len(WORDS)}
        return head_network(self.recipe, channels=self.task.seen.width, **words)

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        assert self.task.seen is not None
        chosen = [self.task.episodes[number] for number in numbers]
        walks = [begin(each, self.task.houses, self.task.seen) for each in chosen]
        text = instructions(cast(Navigator, network), chosen)
        return {"video": torch.zeros(len(chosen)), "text": text, "walks": walks}

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: success in percent."""
        if self.held is None or self.held.seen is None:
            return {}
        policy, found = cast(Navigator, network), dict[str, Record]()
        for first in range(0, len(self.held.episodes), 64):
            episodes = self.held.episodes[first : first + 64]
            walks = [begin(each, self.held.houses, self.held.seen) for each in episodes]
            words = instructions(policy, episodes).to(policy.place.device)
            for walk in follow(policy, words, walks, best_action, taught=False)[0]:
                places = [walk.house.number[name] for name in walk.places]
                found[walk.episode.name] = Trajectory(walk.episode.name, np.array(places, np.float64)[:, None])
        metrics = self.held.score(found).metrics
        return {"score": metrics["SR"], **{name: metrics[name] for name in ("SR", "SPL", "nDTW")}}


def _task(data: WalkData) -> Navigation:
    if not data.episodes:
        world = graph_world(data.world_graphs, data.world_episodes, seed=data.world_seed)
        return Navigation(episodes=world.episodes, houses=world.houses, seen=world)
    listed = read_episodes(data.episodes)
    houses = read_houses(data.graphs, {each.scan for each in listed})
    episodes, notes = reachable(listed, houses)
    for told in notes:
        note(told)
    return Navigation(episodes=episodes, houses=houses, seen=SeenInFiles(data.features))
