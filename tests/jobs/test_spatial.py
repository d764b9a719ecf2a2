"""Boxes through the command line: squares that move left or right are told apart, and marked."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from internvideo.datasets.ava import read_ava
from internvideo.records import Preprocess
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Boxes
from internvideo.tasks.spatial import keyframe_clip, padded, spatial
from internvideo.video.render import write_video

RECIPE = """
from internvideo.training.head_recipe import BoxData, HeadRecipe
from internvideo.training.recipe import Schedule
from internvideo.training.spatial import NameBoxes

def config():
    data = BoxData(annotations="{here}/boxes.csv", videos="{here}", stride=2, mirrored=False, keep=True)
    return HeadRecipe(
        model="videomae-b-16-ava-debug", data=data, held_out=data, objective=NameBoxes(shaken=0.05), batch=4, epochs=25,
        rate=2e-3, schedule=Schedule(kind="videomae", warmup=1.0, lowest=0.1), average=None, evaluate_every=1000,
    )
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four videos: a bright square above, a dark one below; class 1 is bright, class 2 dark, class 3 goes right."""
    here = tmp_path_factory.mktemp("boxes")
    rows = []
    for number in range(4):
        frames = []
        for t in range(16):
            picture = np.full((64, 96, 3), 120, np.uint8)
            for top, level, way in ((6, 230, 1 if number % 2 else -1), (36, 20, -1 if number < 2 else 1)):
                left = 38 + way * (t - 8) * 2 + 4 * number - 6
                picture[top : top + 20, left : left + 20] = level
            frames.append(picture)
        write_video(here / f"v{number}.mp4", frames, fps=Fraction(16), b_frames=0)
        for person, (top, kind, right) in enumerate(((6, 1, number % 2), (36, 2, number >= 2))):
            left = 38 + 4 * number - 6
            box = [left / 96, top / 64, (left + 20) / 96, (top + 20) / 64]
            place = f"v{number},0.5,{','.join(f'{x:.4f}' for x in box)}"
            rows += [f"{place},{action},{person}" for action in (kind, *([3] if right else []))]
    (here / "boxes.csv").write_text("\n".join(rows) + "\n")
    (here / "labels.pbtxt").write_text('item { name: "bright" id: 1 }\nitem { name: "dark" id: 2 }\n')
    (here / "recipe.py").write_text(RECIPE.format(here=here))
    return here


def run_cli(*words):
    from internvideo.app.cli import main

    return main([str(word) for word in words])


def test_squares_are_learned_by_heart_and_marked(world, capsys):
    assert run_cli("train", world / "recipe.py", "--out", world / "run") == 0
    last = json.loads((world / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert last["eval/frame-mAP"] > 90
    capsys.readouterr()
    words = ("evaluate", "spatial", f"data.labels={world / 'labels.pbtxt'}", "stride=2", "--data", world / "boxes.csv")
    model = ("--root", world, "--model", "videomae-b-16-ava-debug", "--weights", world / "run" / "model")
    assert run_cli(*words, *model, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"] == 2 and found["frame-mAP@0.5"] > 90


def test_perfect_answers_score_all_and_only_classes_of_the_map_count(world):
    task = spatial(Data(place=str(world / "boxes.csv"), options={"labels": str(world / "labels.pbtxt")}))
    answers = {}
    for frame in read_ava(world / "boxes.csv"):
        rows = [(box, kind) for box, kinds in zip(frame.boxes, frame.actions, strict=True) for kind in kinds]
        boxes, kinds = zip(*rows, strict=True)
        answers[frame.name] = Boxes(frame.name, np.array(boxes), np.ones(len(rows)), np.array(kinds))
    found = task.score(answers).metrics
    assert found["frame-mAP@0.5"] == 100 and found["classes"] == 2
    assert task.score({}).metrics["frame-mAP@0.5"] == 0


def test_a_clip_stands_around_its_keyframe_and_stays_inside_the_file(world):
    how = Preprocess(size=32, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="bilinear", antialias=False, frame_count=8)
    clip = keyframe_clip(str(world / "v0.mp4"), 0.5, how, stride=2)
    assert clip.shape == (3, 8, 32, 48)
    with pytest.raises(Exception, match="no keyframe at 900 s"):
        keyframe_clip(str(world / "v0.mp4"), 900.0, how)


def test_pictures_of_several_sizes_make_one_batch_and_boxes_stay_on_their_things():
    clips = [np.zeros((3, 2, 20, 40), np.float32), np.zeros((3, 2, 32, 16), np.float32)]
    boxes = [np.array([[0.5, 0.5, 1.0, 1.0]]), np.array([[0, 0, 1, 1], [0, 0, 0.5, 0.5]])]
    video, placed, owner = padded(clips, boxes, 16)
    assert video.shape == (2, 3, 2, 32, 48)
    assert owner.tolist() == [0, 1, 1]
    torch.testing.assert_close(placed[0], torch.tensor([20 / 48, 10 / 32, 40 / 48, 20 / 32]))
    torch.testing.assert_close(placed[1], torch.tensor([0, 0, 16 / 48, 1.0]))


def test_a_detector_may_be_a_function_and_excluded_frames_that_are_unknown_are_told(world, tmp_path):
    (tmp_path / "gone.csv").write_text("v0,0.5\nother,0003\n")
    seen = []

    def detector(picture):
        seen.append(picture.shape)
        return np.array([[0.1, 0.1, 0.6, 0.6]]), np.array([0.9])

    task = spatial(Data(place=str(world / "boxes.csv")), [f"excluded={tmp_path / 'gone.csv'}"], detector=detector)
    boxes, scores = task._persons(task.frames[0], str(world / "v0.mp4"), 0.5)
    assert seen == [(64, 96, 3)] and scores.tolist() == [0.9] and boxes.shape == (1, 4)
    assert task.notes == ("1 excluded keyframes are not in the list: other,0003",)
