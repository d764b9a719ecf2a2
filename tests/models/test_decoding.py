"""Greedy sentences equal the plain loop over one clip at a time, and end where the decoder ends them."""

from dataclasses import replace

import pytest
import torch

from internvideo.models import internvideo_mm
from internvideo.models.decoding import greedy_ids
from internvideo.models.viclip import VICLIP_DEBUG, VICLIP_TINY_DEBUG, ViCLIP

START, END = 93, 94


def small_mm():
    base = internvideo_mm.INTERNVIDEO_MM_DEBUG
    text, captioner = replace(base.text, vocabulary=95), replace(base.captioner, vocabulary=95)
    return internvideo_mm.InternVideoMM(replace(base, text=text, captioner=captioner))


@pytest.mark.parametrize("build", [lambda: ViCLIP(VICLIP_TINY_DEBUG), small_mm], ids=["viclip", "internvideo-mm"])
def test_the_likeliest_word_follows(build):
    torch.manual_seed(0)
    model = build().eval()
    model.captioner.predict[-1].weight.data.mul_(20)  # opinions of its own
    video = torch.randn(3, 3, 4, 64, 64)
    found = greedy_ids(model, video, start=START, end=END, longest=9)
    for clip, row in zip(video, found, strict=True):
        ids = [START]
        with torch.no_grad():
            _, seen = model.encode_tokens(clip[None])
            while len(ids) < 9 and END not in ids:
                ids.append(int(model.captioner(model.text.tokens(torch.tensor([ids])), seen)[0, -1].argmax()))
        assert row.tolist() == ids + [0] * (found.shape[1] - len(ids))


def test_everything_stops_when_all_have_ended():
    model = ViCLIP(VICLIP_TINY_DEBUG).eval()
    model.captioner.predict[-1].bias.data[END] = 1e3
    assert greedy_ids(model, torch.randn(2, 3, 4, 64, 64), start=START, end=END, longest=30).tolist() == [[93, 94]] * 2
    with pytest.raises(ValueError, match="no caption decoder"):
        greedy_ids(ViCLIP(VICLIP_DEBUG), torch.randn(1, 3, 4, 64, 64), start=0, end=1, longest=3)
