"""Official files: what servers take, and what is read of Ego4D's lists."""

import json

import numpy as np
import pytest

from internvideo.datasets.ego4d import read_hands, read_next_objects, read_word_queries
from internvideo.datasets.lists import BadList
from internvideo.metrics.detection import temporal_map
from internvideo.tasks.predictions import Boxes, Segments
from internvideo.tasks.submissions import (
    read_activitynet,
    write_activitynet,
    write_hands,
    write_keyframes,
    write_moments,
    write_next_objects,
    write_word_queries,
)
from internvideo.tasks.temporal import regions_of

FOUND = {"v": Segments("v", np.array([[0.0, 1.5], [2, 4]]), np.array([0.25, 0.75]), np.array([1, 0]))}


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return path


def test_activitynet_files_go_out_best_first_and_come_back(tmp_path):
    write_activitynet(tmp_path / "x.json", FOUND, ["run", "jump"])
    content = json.loads((tmp_path / "x.json").read_text())
    assert content["version"] == "VERSION 1.3" and content["external_data"] == {}
    assert content["results"]["v"][0] == {"label": "run", "score": 0.75, "segment": [2.0, 4.0]}
    again = read_activitynet(tmp_path / "x.json", ["run", "jump"])["v"]
    assert again.labels.tolist() == [0, 1] and again.scores.tolist() == [0.75, 0.25]
    assert read_activitynet(tmp_path / "x.json", ["run"])["v"].labels.tolist() == [0, -1]


def test_a_public_file_of_results_is_marked_alike(shared):
    here = shared / "data" / "evaluators" / "temporal_localization_thumos14"
    from internvideo.datasets.timelines import read_timelines
    from internvideo.tasks.temporal import truths_of

    timelines = read_timelines(here / "groundtruth" / "thumos14_valid.json")
    found = read_activitynet(here / "predictions" / "disturbed_annotations.json", timelines.classes)
    expected = json.loads((here / "expected" / "expected.json").read_text())["disturbed_annotations.json"]
    scores = temporal_map(regions_of(found), truths_of(timelines.videos), expected["tiou_thresholds"])
    assert scores["mAP"] == pytest.approx(expected["average_mAP"], abs=0.002)


def test_moments_and_word_queries(tmp_path):
    write_moments(tmp_path / "m.json", FOUND, ["run", "jump"])
    content = json.loads((tmp_path / "m.json").read_text())
    assert content["challenge"] == "ego4d_moment_queries"
    assert content["detect_results"] == content["retrieve_results"]
    query = {"query": "where was the cup", "clip_start_sec": 9.0, "clip_end_sec": 4.0, "template": "x"}
    annotation = {"annotation_uid": "a1", "language_queries": [query, {"query": None}, {"query": "what did I wash"}]}
    clip = {"clip_uid": "c", "video_start_sec": 30.0, "video_end_sec": 510.0, "annotations": [annotation]}
    videos = [{"video_uid": "v", "split": "val", "clips": [clip]}]
    queries = read_word_queries(written(tmp_path, "nlq_val.json", {"videos": videos}))
    assert queries[0].seconds == 480.0
    assert [(q.name, q.window) for q in queries] == [("a1_0", (4.0, 9.0)), ("a1_2", None)]
    spans = np.array([[float(i), i + 1.0] for i in range(7)])
    found = {"a1_0": Segments("a1_0", spans, np.arange(7.0), np.zeros(7, np.int64))}
    write_word_queries(tmp_path / "q.json", queries, found)
    rows = json.loads((tmp_path / "q.json").read_text())["results"]
    assert rows[0]["predicted_times"] == [[6, 7], [5, 6], [4, 5], [3, 4], [2, 3]]
    assert rows[1] == {"clip_uid": "c", "annotation_uid": "a1", "query_idx": 2, "predicted_times": []}


def test_next_objects_and_hands(tmp_path):
    objects = [{"box": [1, 2, 30, 40], "noun_category_id": 3, "verb_category_id": 4, "time_to_contact": 0.8}]
    rows = [
        {"uid": "u", "video_id": "v", "frame": 7, "objects": objects},
        {"uid": "t", "clip_uid": "c", "clip_frame": 2},
    ]
    one, other = read_next_objects(written(tmp_path, "sta.json", {"annotations": rows}))
    assert (one.frame, one.nouns.tolist(), one.seconds.tolist()) == (7, [3], [0.8])
    assert (other.video, other.frame, len(other.boxes)) == ("c", 2, 0)
    more = {"verbs": one.verbs, "seconds": one.seconds}
    write_next_objects(tmp_path / "out.json", {"u": Boxes("u", one.boxes, np.array([0.5]), one.nouns, more)})
    row = json.loads((tmp_path / "out.json").read_text())["results"]["u"][0]
    assert row == {**objects[0], "score": 0.5}
    rows[0]["objects"] = [{**objects[0], "box": [9, 2, 3, 40]}]
    with pytest.raises(BadList, match="end lies before its start"):
        read_next_objects(written(tmp_path, "sta.json", {"annotations": rows}))

    frame = {
        "pre_45": {"frame": 100, "boxes": [{"left_hand": [5, 6]}, {"right_hand": [7, 8]}]},
        "pre_30": {"frame": 115, "boxes": [{"right_hand": [9, 10]}]},
        "contact_frame": {"frame": 150, "boxes": [{"left_hand": [1, 2]}]},
    }
    (hands,) = read_hands(written(tmp_path, "hands.json", {"clips": [{"clip_id": 12, "frames": [frame]}]}))
    assert hands.name == "12_99"
    assert hands.points[0].tolist() == [[5, 6], [7, 8]] and hands.points[1, 0].tolist() == [0, 0]
    assert hands.points[4].tolist() == [[1, 2], [0, 0]]
    write_hands(tmp_path / "h.json", {hands.name: hands.points})
    assert len(json.loads((tmp_path / "h.json").read_text())["12_99"]) == 20


def test_keyframes_become_rows_of_ava(tmp_path):
    boxes = Boxes("v,0902", np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([0.5]), np.array([12]))
    write_keyframes(tmp_path / "p.csv", {"v,0902": boxes})
    assert (tmp_path / "p.csv").read_text() == "v,0902,0.10000,0.20000,0.30000,0.40000,12,0.50000\n"
