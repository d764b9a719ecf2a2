"""Segments of a video of one's own: found with a random head, told, and drawn on a timeline."""

import json

import pytest
import torch
from PIL import Image

from internvideo.jobs.features import Windows
from internvideo.jobs.localise import Located, Segment, draw_timeline, localise
from internvideo.models.hub import save_pretrained
from internvideo.models.temporal_head import TEMPORAL_DEBUG, TemporalHead


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
