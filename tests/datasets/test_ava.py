"""AVA's files: rows, label maps, exclusions, boxes of detectors, and predictions written and read back."""

import json

import numpy as np
import pytest

from internvideo.datasets.ava import (
    inside,
    read_ava,
    read_ava_predictions,
    read_excluded,
    read_label_map,
    read_person_boxes,
    write_ava,
)
from internvideo.datasets.lists import BadList

ROWS = """\
0f39,0902,0.031,0.162,0.670,0.995,12,0
0f39,0902,0.031,0.162,0.670,0.995,17,0
0f39,0902,0.500,0.100,0.900,0.900,12,1
0f39,0903,0.034,0.189,0.669,0.980,12,0
kin,3.5,,,,,,
"""


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def test_a_person_is_a_box_with_all_its_actions_and_a_frame_may_be_empty(tmp_path):
    frames = read_ava(written(tmp_path, "x.csv", ROWS))
    assert [frame.name for frame in frames] == ["0f39,0902", "0f39,0903", "kin,3.5"]
    assert frames[0].boxes.shape == (2, 4)
    assert frames[0].actions == (frozenset({12, 17}), frozenset({12}))
    assert len(frames[2].boxes) == 0
    gone = written(tmp_path, "gone.csv", "0f39,0903\r\n")
    assert [frame.name for frame in read_ava(tmp_path / "x.csv", excluded=gone)] == ["0f39,0902", "kin,3.5"]
    assert read_excluded(gone) == {("0f39", 903.0)}
    with pytest.raises(BadList, match=r"line 1 .* has 2 columns"):
        read_ava(gone)


def test_label_maps_of_both_spellings(tmp_path):
    text = 'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\nitem {\n  name: "sit"\n  label_id: 11\n}\n'
    assert read_label_map(written(tmp_path, "a.pbtxt", text)) == {1: "bend/bow (at the waist)", 11: "sit"}
    assert read_label_map(written(tmp_path, "b.txt", "1: walk\n2: run\n")) == {1: "walk", 2: "run"}
    with pytest.raises(BadList, match="no classes"):
        read_label_map(written(tmp_path, "c.txt", "nothing"))


def test_boxes_of_a_detector_in_all_three_forms(tmp_path):
    pixels = [{"image_id": "m_0902", "bbox": [10, 20, 30, 40], "score": 0.9}]
    path = written(tmp_path, "a.json", json.dumps(pixels))
    boxes, scores = read_person_boxes(path, {"m": (100, 200)})["m,0902"]
    np.testing.assert_allclose(boxes, [[0.1, 0.1, 0.4, 0.3]])
    assert scores.tolist() == [0.9]
    corners = [{"image_id": "m_0902", "bbox": [0.1, 0.2, 0.3, 0.4], "score": 0.9}]
    np.testing.assert_allclose(
        read_person_boxes(written(tmp_path, "b.json", json.dumps(corners)))["m,0902"][0], [[0.1, 0.2, 0.3, 0.4]]
    )
    lists = {"m,0902": [[0.1, 0.2, 0.3, 0.4, 0.5], [0, 0, 1, 1, 0.95]]}
    found = read_person_boxes(written(tmp_path, "c.json", json.dumps(lists)))
    assert found["m,0902"][1].tolist() == [0.95]
    with pytest.raises(BadList, match="how large the pictures of `m`"):
        read_person_boxes(path, {})


def test_boxes_outside_the_picture_are_cut_and_told_and_empty_ones_left_out(tmp_path):
    rows = "v,0902,-0.1,0.2,0.5,1.2,1,0\nv,0903,0.5,0.5,0.4,0.6,1,0\nv,0904,0.1,0.1,0.2,0.2,1,0\n"
    frames, told = inside(read_ava(written(tmp_path, "x.csv", rows)))
    assert frames[0].boxes.tolist() == [[0, 0.2, 0.5, 1]]
    assert len(frames[1].boxes) == 0 and len(frames[1].actions) == 0
    assert told == [
        "boxes of 1 keyframes leave the picture; they are cut off: v,0902",
        "boxes of 1 keyframes have no inside; they are left out: v,0903",
    ]


def test_predictions_go_out_and_come_back(tmp_path):
    rows = [("0f39", 902.0, np.array([0.1, 0.2, 0.345678, 1.2]), 12, 0.987654321), ("kin", 3.5, np.zeros(4), 80, 0.5)]
    write_ava(tmp_path / "p.csv", rows)
    assert (tmp_path / "p.csv").read_text().splitlines()[0] == "0f39,0902,0.10000,0.20000,0.34568,1.00000,12,0.98765"
    again = list(read_ava_predictions(tmp_path / "p.csv"))
    assert again[0] == ("0f39", 902.0, (0.1, 0.2, 0.34568, 1.0), 12, 0.98765)
    assert again[1][1] == 3.5
    with pytest.raises(BadList, match="expected 8"):
        list(read_ava_predictions(written(tmp_path, "q.csv", "a,1,0,0,1,1,3\n")))


def test_real_samples_are_read(shared):
    here = shared / "data" / "annotations" / "mmaction2_formats" / "ava_dataset"
    frames = read_ava(here / "ava_sample.csv", excluded=here / "ava_excluded_timestamps_sample.csv")
    assert [(frame.name, len(frame.boxes)) for frame in frames] == [("0f39OWEqJ24,0902", 1)]
    assert len(read_person_boxes(here / "ava_proposals_sample.json", least=0.0)) == 3
    labels = shared / "data" / "evaluators" / "spatiotemporal_ava" / "groundtruth"
    assert len(read_label_map(labels / "ava_action_list_v2.1_for_activitynet_2018.pbtxt.txt")) == 60
    assert len(read_label_map(shared / "data" / "annotations" / "labels" / "ava" / "label_map.txt")) >= 60
