"""Clips and texts in turn: in order of time, each clip once, the same every time, with so many left out."""

import json
from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.curation.export.data import ExportData
from internvideo.curation.export.interleaved import FILE, InterleavedOptions, export_interleaved
from internvideo.errors import UsageError


def data(clips_per_film) -> ExportData:
    """Films of so many clips of one second; every third clip has no caption, every second one is spoken in."""
    clips, texts = [], []
    for film, count in enumerate(clips_per_film):
        video = f"{film:012x}".ljust(64, "0")
        for place in range(count):
            start, end = 10 * place, 10 * place + 10
            name = f"{video[:12]}.0.{start}-{end}"
            clips.append(
                {
                    **{"clip": name, "video": video, "stream": 0, "start": start, "end": end, "frames": 10},
                    **{"start_seconds": start / 10, "end_seconds": end / 10, "video_time_base": "1/10"},
                    **{"path": f"/films/{film}.mp4", "source": "channel", "licence": "CC0-1.0"},
                }
            )
            said = [("clip", f"caption {film} {place}")] if place % 3 != 2 else []
            said += [("transcript", f"words {film} {place}")] if place % 2 else []
            for item, (scale, text) in enumerate(said):
                row = {"clip": name, "item": item, "text": text, "scale": scale, "origin": "o", "language": "en"}
                texts.append(row)
    kinds = [(name, pa.string()) for name in ("clip", "text", "scale", "origin", "language")]
    captions = pa.Table.from_pylist(texts, schema=pa.schema([*kinds, ("item", pa.int32())]))
    return ExportData(
        **{"dataset": "d", "view": "v", "clip_set": "shots", "clips": pa.Table.from_pylist(clips)},
        **{"captions": captions, "files": {}},
    )


def examples(made, out, **options):
    export_interleaved(made, out, options=InterleavedOptions(**options))
    return [json.loads(line) for line in (out / FILE).read_text("utf-8").splitlines()]


def clips_in(example):
    return [piece["clip"] for piece in example["content"] if "clip" in piece]


def captions_in(example):
    return [piece["of"] for piece in example["content"] if piece.get("kind") == "caption"]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from(["clips", "transcript", "joined"]))
def test_every_captioned_clip_is_told_once_in_order_of_time_whatever_the_form(tmp_path_factory, films, form):
    made = data(films)
    found = examples(made, tmp_path_factory.mktemp("out"), form=form)
    told = [clip for example in found for clip in captions_in(example)]
    assert sorted(told) == sorted(made.best)
    starts = {row.name: (row.video, row.start) for row in made.rows}
    for example in found:
        seen = clips_in(example)
        assert seen and [c for c in captions_in(example) if c not in example["dropped"]] == seen
        videos = [video["video"] for video in example["videos"]]
        order = [(videos.index(starts[clip][0]), starts[clip][1]) for clip in captions_in(example)]
        assert all(one < two for one, two in pairwise(order))
        assert len(videos) == 1 if form != "joined" else len(videos) >= min(2, len(films))


def test_a_clip_is_followed_by_what_is_said_and_then_by_what_it_shows(tmp_path):
    (example,) = examples(data([4]), tmp_path, form="transcript", drop=0.0)
    assert [piece.get("kind", "clip") for piece in example["content"]] == [
        *("clip", "caption"),  # the first clip is silent
        *("clip", "transcript", "caption"),
        *("clip", "transcript", "caption"),  # the third has no caption
    ]
    assert example["content"][3]["text"] == "words 0 1" and example["content"][-1]["text"] == "caption 0 3"


def test_so_many_are_left_out_and_their_texts_stay(tmp_path):
    made = data([30] * 100)
    found = examples(made, tmp_path / "a")
    dropped = sum(len(example["dropped"]) for example in found)
    assert abs(dropped / 2000 - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5
    assert found == examples(made, tmp_path / "b") != examples(made, tmp_path / "c", seed=1)
    fewer = replace(made, clips=made.clips.slice(0, 300))
    assert examples(fewer, tmp_path / "d") == found[:10], "nothing depends on what else is there"


def test_long_films_become_several_and_silence_is_told(tmp_path):
    made = data([30])
    found = examples(made, tmp_path, most_clips=6, drop=0.0)
    assert [len(clips_in(example)) for example in found] == [6, 6, 6, 2]
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert (manifest["clips"], len(manifest["skipped"])) == (20, 10)
    assert manifest["options"]["most_clips"] == 6


def test_nonsense_is_refused():
    with pytest.raises(UsageError, match=r"drop=1\.0"):
        InterleavedOptions(drop=1.0)
