"""Matterport graphs and Room-to-Room files, written and real; walking in them."""

import json

import numpy as np
import pytest

from internvideo.datasets.graph_world import WORDS, graph_world, word_numbers
from internvideo.datasets.lists import BadList
from internvideo.datasets.room_to_room import (
    read_episodes,
    read_house,
    read_houses,
    read_walks,
    walked,
    write_walks,
)
from internvideo.datasets.walks import SeenInFiles, begin
from tests.ops.test_graphs import dijkstra


def connectivity(positions, edges, left_out=()):
    rows = []
    for number, (x, y) in enumerate(positions):
        pose = [1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, 1.5, 0, 0, 0, 1]
        joined = [(number, other) in edges or (other, number) in edges for other in range(len(positions))]
        rows.append(
            {"image_id": f"p{number}", "pose": pose, "included": number not in left_out, "unobstructed": joined}
        )
    return rows


@pytest.fixture
def folder(tmp_path):
    """p0 - p1 - p2 in a row three metres apart, p3 alone, p4 left out."""
    rows = connectivity([(0, 0), (3, 0), (6, 0), (90, 0), (3, 3)], {(0, 1), (1, 2), (1, 4), (0, 4)}, left_out=(4,))
    (tmp_path / "s_connectivity.json").write_text(json.dumps(rows))
    episode = {"scan": "s", "path_id": 7, "path": ["p0", "p1", "p2"], "heading": 0.5, "instructions": ["Go.", "Walk."]}
    (tmp_path / "episodes.json").write_text(json.dumps([episode]))
    return tmp_path


def test_a_graph_holds_included_places_and_edges_in_metres(folder):
    house = read_house(folder / "s_connectivity.json")
    assert house.names == ("p0", "p1", "p2", "p3")
    assert house.distances[0].tolist() == [0, 3, 6, np.inf]
    assert house.way("p0", "p2") == ["p0", "p1", "p2"]
    assert house.islands() == 2
    assert walked(house, ["p0", "p1", "p2", "p1"]) == 9
    with pytest.raises(BadList, match="different islands"):
        house.way("p0", "p3")
    with pytest.raises(BadList, match="no place `p4`"):
        house.place("p4")
    with pytest.raises(BadList, match="jumps from `p0` to `p2`"):
        walked(house, ["p0", "p2"])


def test_episodes_are_named_by_path_and_number_and_walks_go_there_and_back(folder):
    episodes = read_episodes(folder / "episodes.json")
    assert [each.name for each in episodes] == ["7_0", "7_1"]
    assert episodes[1].instruction == "Walk."
    write_walks(folder / "walks.json", {"7_0": ["p0", "p1"]})
    assert read_walks(folder / "walks.json") == {"7_0": ["p0", "p1"]}
    with pytest.raises(BadList, match="no graph of"):
        read_houses(folder, ["other"])


def test_a_walk_sees_its_ways_and_the_teacher_leads_to_the_goal(folder):
    houses = read_houses(folder)
    views = np.arange(12 * 2, dtype=np.float32).reshape(12, 2)
    np.savez(folder / "s.npz", **{f"p{n}": views + 100 * n for n in range(4)})
    walk = begin(read_episodes(folder / "episodes.json")[0], houses, SeenInFiles(folder))
    sight = walk.see()
    assert sight.metres.tolist() == [3]
    assert np.array_equal(sight.features[0], views[3])  # east: a quarter of a turn
    np.testing.assert_allclose(sight.angles[0], [np.sin(np.pi / 2 - 0.5), np.cos(np.pi / 2 - 0.5)], rtol=1e-6)
    while not walk.stopped:
        walk = walk.go(walk.teacher())
    assert walk.places == ("p0", "p1", "p2")
    assert walk.heading == pytest.approx(np.pi / 2)


def test_goals_on_an_island_and_features_that_are_missing_are_told(folder):
    houses = read_houses(folder)
    np.savez(folder / "s.npz", p0=np.zeros((12, 2), np.float32))
    episode = read_episodes(folder / "episodes.json")[0]
    lost = begin(type(episode)("x", "s", ("p0", "p3"), "Go."), houses, SeenInFiles(folder))
    with pytest.raises(BadList, match="no way leads"):
        lost.teacher()
    walk = begin(episode, houses, SeenInFiles(folder))
    with pytest.raises(BadList, match="no features of the place `p1`"):
        walk.go(walk.teacher()).see()
    with pytest.raises(BadList, match="holds no features"):
        SeenInFiles(folder.parent)


def test_ways_and_distances_of_the_real_graphs_equal_an_independent_search(shared):
    for folder in ("annotations/r2r/connectivity", "evaluators/navigation_r2r/groundtruth/connectivity"):
        for house in read_houses(shared / "data" / folder).values():
            for start in range(0, len(house.names), 9):
                np.testing.assert_allclose(house.distances[start], dijkstra(house.lengths, start), rtol=1e-12)


def test_real_episodes_go_along_edges_of_their_graphs(shared):
    here = shared / "data" / "annotations" / "r2r"
    for name in ("R2R_train_part.json", "R2R_val_seen_part.json"):
        episodes = read_episodes(here / name)
        houses = read_houses(here / "connectivity", {each.scan for each in episodes})
        assert len(episodes) > 100
        for episode in episodes:
            assert walked(houses[episode.scan], episode.path) > 0


def test_the_small_world_is_the_same_every_time_and_its_teacher_arrives():
    world, again = graph_world(3, 20, seed=5), graph_world(3, 20, seed=5)
    assert [each.path for each in world.episodes] == [each.path for each in again.episodes]
    for episode in world.episodes:
        walk = begin(episode, world.houses, world)
        while not walk.stopped:
            walk = walk.go(walk.teacher())
        assert walk.here == walk.goal
    numbers = word_numbers("red circle, blue star.", 8)
    assert [WORDS[n] for n in numbers] == ["red", "circle", "blue", "star", "<stop>", "<pad>", "<pad>", "<pad>"]
