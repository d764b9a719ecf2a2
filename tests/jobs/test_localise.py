"""Segments of a video of one's own: found with a random head, told, and drawn on a timeline."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from internvideo.jobs.features import Windows
from internvideo.jobs.localise import Located, Segment, draw_timeline, localise
from internvideo.jobs.localise_video import Named, boxes_at
from internvideo.models.hub import save_pretrained
from internvideo.models.temporal_head import TEMPORAL_DEBUG, TemporalHead
from internvideo.video.reader import open_video


def test_a_video_goes_through_features_and_head_to_a_picture(clips, network, run, tmp_path):
    torch.manual_seed(0)
    video = str(sorted(clips.glob("*.mp4"))[0])
    head = TemporalHead(TEMPORAL_DEBUG).eval()
    found = localise(video, head, network("videomae-b-16-debug"), windows=Windows(window=4, stride=2), least=0.0, top=7,
                     picture=str(tmp_path / "line.png"))  # fmt: skip
    assert 0 < len(found.segments) <= 7
    assert all(0 <= each.start <= each.end <= found.seconds + 0.1 for each in found.segments)
    assert Image.open(tmp_path / "line.png").width == 1200

    from internvideo.models import load_model

    save_pretrained(load_model("actionformer-thumos14-debug"), tmp_path / "head")
    words = ("localise", video, "--model", "videomae-b-16-debug", "--head", tmp_path / "head", "--least", "0")
    code, out, _ = run(*words, "--head-model", "actionformer-thumos14-debug", "--window", 4, "--stride", 2, "--json")
    assert code == 0 and json.loads(out)["video"] == video
    code, _, err = run(*words, str(clips / "sub" / "broken.mp4"), "--head-model", "actionformer-thumos14-debug",
                       "--window", 4, "--stride", 2)  # fmt: skip
    assert code == 1 and "broken.mp4" in err


def test_segments_are_drawn_in_rows_of_their_class(clips, tmp_path):
    video = str(sorted(clips.glob("*.mp4"))[0])
    found = Located(video, 3.0, (Segment(0.0, 1.0, "left", 0.9), Segment(1.5, 3.0, "spin", 0.4)))
    draw_timeline(found, tmp_path / "x.png")
    assert "left" in found.as_text() and found.as_text().index("left") < found.as_text().index("spin")
    assert len(Image.open(tmp_path / "x.png").getcolors(1 << 20)) > 50


def test_a_head_of_other_features_is_refused(clips, network):
    from dataclasses import replace

    from internvideo.errors import UsageError

    head = TemporalHead(replace(TEMPORAL_DEBUG, channels=5)).eval()
    with pytest.raises(UsageError, match="reads 5 channels, the features have 64"):
        localise(str(sorted(clips.glob("*.mp4"))[0]), head, network("videomae-b-16-debug"), windows=Windows(window=4))


def test_boxes_go_from_keyframe_to_keyframe_and_end_with_them():
    first = Named(1.0, np.array([[0.0, 0, 0.4, 0.4], [0.6, 0.6, 1, 1]]), ("a", "b"))
    second = Named(2.0, np.array([[0.1, 0, 0.5, 0.4]]), ("a",))
    boxes, names = boxes_at([first, second], 1.25)
    assert names == ("a", "b") and boxes.tolist() == [pytest.approx([0.025, 0, 0.425, 0.4]), [0.6, 0.6, 1, 1]]
    boxes, names = boxes_at([first, second], 1.75)
    assert names == ("a",) and boxes[0].tolist() == pytest.approx([0.075, 0, 0.475, 0.4])
    assert boxes_at([first, second], 0.5)[1] == ("a", "b") and boxes_at([first, second], 3.5)[1] == ()


def test_boxes_are_named_and_drawn_into_a_video(clips, run, tmp_path):
    video = sorted(clips.glob("*.mp4"))[0]
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(f"{video.stem},0.1,0.1,0.1,0.6,0.9,3,0\n{video.stem},0.2,0.9,0.5,1.4,0.8,3,1\n")
    (tmp_path / "map.pbtxt").write_text('item { name: "stand" id: 2 }\nitem { name: "walk" id: 3 }\n')
    words = ("localise", video, "--head", "random", "--head-model", "videomae-b-16-ava-debug", "--least", "0")
    code, out, err = run(*words, "--boxes", boxes, "--labels", tmp_path / "map.pbtxt", "--video", tmp_path / "x.mp4",
                         "--json")  # fmt: skip
    assert code == 0 and "leave the picture; they are cut off" in err
    deeds = json.loads(out)["deeds"]
    assert {each["label"] for each in deeds} == {"stand", "walk"} and max(deeds[-1]["box"]) <= 1
    with open_video(tmp_path / "x.mp4") as drawn, open_video(video) as given:
        assert abs(len(drawn) - len(given)) <= 1 and min(drawn.facts.width, drawn.facts.height) >= 360
    code, _, err = run(*words)
    assert code == 2 and "--boxes FILE" in err
    boxes.write_text("other,0.1,0.1,0.1,0.6,0.9,3,0\n")
    code, _, err = run(*words, "--boxes", boxes)
    assert code == 2 and f"has no boxes of `{video.stem}`" in err and "other" in err


def test_a_head_that_reads_words_is_asked(clips, run, tmp_path):
    video = sorted(clips.glob("*.mp4"))[0]
    words = ("localise", video, "--model", "videomae-b-16-debug", "--window", 4, "--stride", 2, "--head", "random")
    asked = (*words, "--head-model", "actionformer-queries-debug", "--least", "0")
    code, out, _ = run(*asked, "--ask", "where is the cup", "--video", tmp_path / "x.mp4", "--json")
    segments = json.loads(out)["segments"]
    assert code == 0 and segments and {each["label"] for each in segments} == {"where is the cup"}
    assert (tmp_path / "x.mp4").stat().st_size > 1000
    code, _, err = run(*asked)
    assert code == 2 and "--ask" in err
    code, _, err = run(*words, "--head-model", "actionformer-thumos14-debug", "--ask", "x")
    assert code == 2 and "reads no words" in err
