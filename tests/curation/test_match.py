"""Scores by networks: cosines equal a plain count, the best caption comes first, frames are scored one by one."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest

from internvideo.curation.aesthetic import Aesthetic
from internvideo.curation.match import Match
from internvideo.curation.operator import Subject
from internvideo.records import Preprocess, Space
from internvideo.store.best_caption import CAPTION_SCALES
from internvideo.store.values import CLIP_KEY

SPACE = Space("toy", "0" * 64, "fp32", 4, Preprocess(size=2, mean=(0, 0, 0), std=(1, 1, 1), frame_count=4))
WORDS = {"north": 0, "east": 1, "south": 2, "west": 3}


def toy_encoder():
    """A unit vector along the axis of the first known word; NaN without one."""

    def encode(texts):
        vectors = np.full((len(texts), 4), np.nan, np.float32)
        for row, text in zip(vectors, texts, strict=True):
            if known := [WORDS[word] for word in text.split() if word in WORDS]:
                row[:] = np.eye(4)[known[0]]
        return vectors

    return encode


def toy_judge():
    """The mean of each frame."""
    return lambda clips: clips.mean(axis=(1, 3, 4))


def keyed(rows, columns):
    full = [{"video": "v", "stream": 0, "item": 0, **row} for row in rows]
    return pa.Table.from_pylist(full, schema=pa.schema([*CLIP_KEY, *columns]))


def subject(captions, model_captions=None, vectors=None, **more):
    vectors = vectors or [(0, 10, [0.6, 0.8, 0, 0]), (10, 20, [0, 0, 0, 1])]
    text = [("text", pa.string()), ("scale", pa.string())]
    rows = {
        SPACE.operator: keyed(
            [{"start": a, "end": b, "vector": np.array(v, np.float16)} for a, b, v in vectors],
            [("vector", pa.list_(pa.float16(), 4))],
        ),
        "captions": keyed(captions, text),
    }
    if model_captions is not None:
        rows["model_captions"] = keyed(model_captions, text)
    return Subject("v", 0, Fraction(1, 10), {}, rows=rows, **more)


def texts(start, *said, first=0):
    return [
        {"start": start, "end": start + 10, "item": first + item, "text": text, "scale": scale}
        for item, (text, scale) in enumerate(said)
    ]


def test_every_caption_has_its_cosine_and_the_best_is_first():
    people = texts(0, ("go north", "clip"), ("east wind", "video"), ("south", "transcript"), ("nothing known", "clip"))
    model = texts(0, ("west", "coarse"), ("east east", "frame"), (None, "fine")) + texts(10, ("west side", "fine"))
    rows = Match(SPACE, toy_encoder).process(subject(people, model)).to_pylist()
    told = [(r["start"], r["item"], r["by"], r["text_item"], r["scale"]) for r in rows]
    assert told == [
        (0, 0, "captions", 1, "video"),
        (0, 1, "captions", 0, "clip"),
        (0, 2, "model_captions", 0, "coarse"),
        (0, 3, "captions", 3, "clip"),
        (10, 0, "model_captions", 0, "fine"),
    ]
    assert [r["cosine"] for r in rows] == [pytest.approx(0.8, abs=1e-3), pytest.approx(0.6, abs=1e-3), 0.0, None, 1.0]
    assert all(r["scale"] in CAPTION_SCALES for r in rows)


def test_a_video_without_captions_has_no_rows():
    for asked in (subject([]), subject(texts(0, ("some words", "transcript")))):
        assert Match(SPACE, toy_encoder).process(asked).num_rows == 0


def test_frames_are_judged_one_by_one():
    clips = keyed([{"start": 0, "end": 5}, {"start": 5, "end": 9}], [])
    pictures = np.arange(8, dtype=np.float32).reshape(2, 1, 4, 1, 1) * np.ones((2, 3, 4, 2, 2), np.float32)
    asked = Subject("v", 0, Fraction(1), {}, rows={"clips": clips}, pictures=pictures)
    rows = Aesthetic(SPACE, "head", toy_judge).process(asked).to_pylist()
    assert [(r["start"], r["mean"], r["max"], r["min"]) for r in rows] == [(0, 1.5, 3, 0), (5, 5.5, 7, 4)]
    assert not any(math.isnan(r["mean"]) for r in rows)
