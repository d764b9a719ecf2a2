"""Marking walks, and the rollout of a policy that is as good as its teacher."""

import json

import numpy as np
import pytest
import torch

from internvideo.datasets.graph_world import graph_world
from internvideo.datasets.room_to_room import read_episodes, read_houses, read_walks
from internvideo.datasets.sample import coverage
from internvideo.datasets.walks import begin
from internvideo.errors import InternVideoError
from internvideo.models.navigator import NAVIGATOR_DEBUG, Navigator
from internvideo.models.rollout import best_action, follow
from internvideo.tasks.data import Data
from internvideo.tasks.navigation import Navigation, instructions, navigation
from internvideo.tasks.predictions import Trajectory
from internvideo.training.navigation import Imitate


def answers(task, walks):
    return {
        each.name: Trajectory(
            each.name,
            np.array([task.houses[each.scan].place(name) for name in walks[each.name]], np.float64)[:, None],
        )
        for each in task.episodes
        if each.name in walks
    }


def test_walks_are_marked_as_by_the_public_evaluator(shared):
    here = shared / "data" / "evaluators" / "navigation_r2r"
    episodes = read_episodes(here / "groundtruth" / "R2R_val_unseen_part.json")
    task = Navigation(episodes=episodes, houses=read_houses(here / "groundtruth" / "connectivity"))
    expected = json.loads((here / "expected" / "expected.json").read_text())
    for file, want in expected.items():
        found = task.score(answers(task, read_walks(here / "predictions" / file))).metrics
        assert found["NE"] == pytest.approx(want["nav_error"], abs=1e-9)
        assert found["SR"] == pytest.approx(100 * want["success_rate"], abs=1e-9)
        assert found["OSR"] == pytest.approx(100 * want["oracle success_rate"], abs=1e-9)
        assert found["SPL"] == pytest.approx(100 * want["spl"], abs=1e-9)
        assert found["PL"] == pytest.approx(want["length"], abs=1e-9)


def small_task():
    world = graph_world(2, 6, seed=3)
    return Navigation(episodes=world.episodes, houses=world.houses, seen=world)


def test_missing_walks_count_as_standing_still_and_impossible_ones_are_refused():
    task = small_task()
    truth = {each.name: each.path for each in task.episodes}
    assert task.score(answers(task, truth)).metrics["SR"] == 100
    first = task.episodes[0]
    rest = {name: path for name, path in truth.items() if name != first.name}
    assert task.score(answers(task, rest)).metrics["SR"] == pytest.approx(100 * 5 / 6)
    for points, told in (
        ([[999]], "walks to place 999"),
        ([[task.houses[first.scan].place(first.path[-1])]], "begins at"),
    ):
        with pytest.raises(InternVideoError, match=told):
            task.score({first.name: Trajectory(first.name, np.array(points, np.float64))})


def test_walks_of_a_batch_do_not_depend_on_each_other():
    torch.manual_seed(0)
    task = small_task()
    network = Navigator(NAVIGATOR_DEBUG).eval()
    words = instructions(network, task.episodes)
    walks = [begin(each, task.houses, task.seen) for each in task.episodes]
    with torch.no_grad():
        together = follow(network, words, walks, best_action, taught=False)[0]
        alone = [follow(network, words[i : i + 1], walks[i : i + 1], best_action, taught=False)[0][0] for i in range(3)]
    assert [walk.places for walk in together[:3]] == [walk.places for walk in alone]


def test_a_policy_that_is_led_arrives_and_its_loss_falls():
    torch.manual_seed(0)
    task = small_task()
    network = Navigator(NAVIGATOR_DEBUG)
    words = instructions(network, task.episodes)
    walks = [begin(each, task.houses, task.seen) for each in task.episodes]
    led, _, count = follow(network, words, walks, lambda scores, wanted: wanted)
    assert all(walk.here == walk.goal for walk in led)
    assert int(count) == sum(len(each.path) for each in task.episodes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    batch = {"text": words, "walks": walks, "step": 0}
    losses = []
    for _ in range(8):
        found = Imitate(share=1.0).look(network, batch, np.random.default_rng(0)).loss
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        losses.append(found.item())
    assert losses[-1] < 0.9 * losses[0]


def test_the_small_world_needs_no_files():
    task = navigation(Data(place="moving_shapes", options={"clips": "4"}))
    assert coverage([example.sample for example in task.examples]).missing_files == 0
