"""Marks of hands, contacts and changed objects, from answers written by hand; what is wrong in lists is told."""

import json

import numpy as np
import pytest

from internvideo.datasets.ego4d import read_object_boxes, read_picture_boxes
from internvideo.datasets.lists import BadList
from internvideo.tasks.data import Data
from internvideo.tasks.egocentric import changed_objects, future_hands, next_objects
from internvideo.tasks.predictions import Boxes, Segments, Trajectory
from internvideo.tasks.queries import language_queries


def written(tmp_path, content, name="list.json"):
    (tmp_path / name).write_text(json.dumps(content))
    return Data(place=str(tmp_path / name))


def test_windows_of_questions(tmp_path):
    asked = [{"query": f"q{n}", "clip_start_sec": s, "clip_end_sec": e} for n, (s, e) in
             enumerate([(0, 10), (5, 5), (90, 120)])]  # fmt: skip
    clip = {"clip_uid": "c", "video_start_sec": 0, "video_end_sec": 100,
            "annotations": [{"annotation_uid": "a", "language_queries": asked}]}  # fmt: skip
    task = language_queries(written(tmp_path, {"videos": [{"split": "val", "clips": [clip]}]}))
    near = Segments("a_0", np.array([[50.0, 60], [0, 9]]), np.array([0.1, 0.9]), np.zeros(2, np.int64))
    marks = task.score({"a_0": near})
    assert marks.metrics["R@1,IoU=0.5"] == pytest.approx(100 / 3) and marks.metrics["queries"] == 3
    assert any("1 windows are empty: a_1 [5, 5]" in note for note in marks.notes)
    assert any("1 windows leave the clip: a_2 [90, 120] of 100 s" in note for note in marks.notes)


def test_hands_without_an_answer_are_far_away(tmp_path):
    moments = {name: {"frame": 40, "boxes": [{"left_hand": [30, 40]}]} for name in
               ("pre_45", "pre_30", "pre_15", "pre_frame", "contact_frame")}  # fmt: skip
    task = future_hands(written(tmp_path, {"clips": [{"clip_id": n, "frames": [moments]} for n in "ab"]}))
    right = Trajectory("a_39", np.tile([[30.0, 40], [0, 0]], (5, 1)))
    metrics = task.score({"a_39": right}).metrics
    assert metrics["M.Disp left"] == pytest.approx(25) and np.isnan(metrics["M.Disp right"])


def test_contacts_need_noun_verb_and_time(tmp_path):
    one = {"box": [0, 0, 10, 10], "noun_category_id": 3, "verb_category_id": 4, "time_to_contact": 1.0}
    data = written(tmp_path, {"annotations": [{"uid": "u", "video_id": "v", "frame": 7, "objects": [one]}],
                              "videos": {"v": {"frame_width": 100, "frame_height": 50}}})  # fmt: skip
    task = next_objects(data)
    assert task.frames[0].size == (100, 50)

    def marks(verb, seconds):
        more = {"verbs": np.array([verb]), "seconds": np.array([seconds])}
        answer = Boxes("u", np.array([[0.0, 0, 10, 10]]), np.ones(1), np.array([3]), more)
        return [task.score({"u": answer}).metrics[f"top-5 mAP {name}"] for name in
                ("noun", "noun+verb", "noun+time", "overall")]  # fmt: skip

    assert marks(4, 1.2) == [100] * 4
    assert marks(5, 1.2) == [100, 0, 100, 0]
    assert marks(4, 1.3) == [100, 100, 0, 0]
    assert task.score({}).metrics["top-5 mAP noun"] == 0
    found = {"u": [{"box": [1, 2, 3, 4], "noun_category_id": 3, "score": s} for s in (0.9, 0.1)]}
    (tmp_path / "d.json").write_text(json.dumps(found))
    assert [len(column) for column in read_object_boxes(tmp_path / "d.json", least=0.5)["u"]] == [1, 1, 1]


def test_pictures_are_marked_in_pixels_and_wrong_boxes_told(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "a.png", "width": 100, "height": 50}],
        "annotations": [{"image_id": 7, "category_id": 2, "bbox": [10, 10, 20, 20]},
                        {"image_id": 7, "category_id": 2, "bbox": [90, 10, 20, 20]},
                        {"image_id": 7, "category_id": 2, "bbox": [5, 5, 0, 3]}],
        "categories": [{"id": 2, "name": "changed"}],
    }  # fmt: skip
    task = changed_objects(written(tmp_path, content))
    answer = Boxes("7", task.pictures[0].boxes[:1], np.ones(1), np.array([0]))
    marks = task.score({"7": answer})
    assert marks.metrics["AP"] == pytest.approx(100 * 34 / 101)  # one of three
    assert len(marks.notes) == 2 and "have no inside: 7" in marks.notes[0] and "leave the picture: 7" in marks.notes[1]
    content["annotations"][0]["image_id"] = 8
    with pytest.raises(BadList, match="boxes of 1 pictures that the file does not list: 8"):
        read_picture_boxes(tmp_path / written(tmp_path, content, "other.json").place)
