"""Areas of boxes against counting points, and the real detector on pictures with and without writing."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from internvideo.curation.overlay import areas, detector


def box(x1, y1, x2, y2):
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], float)


def test_areas_are_shares_of_the_picture():
    left, top = box(0, 0, 50, 100), box(0, 0, 200, 25)
    found = areas([np.stack([left, top]), left[None]], 100, 200)
    assert found["most"] == pytest.approx(0.25 + 0.25 - 0.0625, abs=0.01), "where boxes overlap counts once"
    assert found["area"] == pytest.approx((found["most"] + 0.25) / 2, abs=1e-9)
    assert found["static"] == pytest.approx(0.25, abs=0.01), "what is covered in every frame"
    assert found["boxes"] == 1.5
    turned = np.array([[100, 0], [200, 50], [100, 100], [0, 50]], float)
    assert areas([turned[None], turned[None, ::-1]], 100, 200)["static"] == pytest.approx(0.5, abs=0.02)
    assert areas([np.empty((0, 4, 2))] * 2, 100, 200) == {"area": 0.0, "most": 0.0, "static": 0.0, "boxes": 0.0}


def test_the_detector_finds_subtitles_and_logos_and_nothing_in_a_landscape():
    pytest.importorskip("rapidocr", reason="needs the extra `ocr`")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:360, :640]
    plain = np.clip(120 + 60 * np.sin(x / 90 + y / 70)[..., None] + rng.normal(0, 3, (360, 640, 3)), 0, 255).astype(
        np.uint8
    )
    frames = []
    for words in ("Good morning, everyone", "And what a day it was", ""):
        image = Image.fromarray(plain)
        draw = ImageDraw.Draw(image)
        draw.text((520, 12), "CHANNEL 5", fill="white", font=ImageFont.load_default(20))
        draw.text((130, 310), words, fill="white", stroke_width=2, stroke_fill="black", font=ImageFont.load_default(34))
        frames.append(np.asarray(image))
    found = areas([detector()(frame) for frame in frames], 360, 640)
    nothing = areas([detector()(plain)], 360, 640)
    assert nothing["area"] < 0.002
    assert 0.03 < found["most"] < 0.2 and 0.004 < found["static"] < 0.03 < found["area"]
