"""One row per clip: against a plain twin, and the same with and without the cache."""

import os
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.records import Clip, Licence
from internvideo.store import CLIP_KEY, VIDEO_KEY, Dataset, OperatorSpec, Result, joined
from tests.store.store_world import SCORES, SHARDS, SHOTS, WORDS, file_record, scores, shots, video_id, words
from tests.store.test_store_laws import run

PROBE = OperatorSpec("probe", 1, "video", {}, pa.schema([*VIDEO_KEY, ("width", pa.int32()), ("codec", pa.string())]))
WINDOWS = OperatorSpec("windows-4s", 1, "clip", {}, pa.schema([*CLIP_KEY, ("frames", pa.int32())]), segmenter=True)


def probe(number: int) -> pa.Table:
    row = {"video": video_id(number), "item": 0, "width": 100 * number, "codec": "h264"}
    return pa.Table.from_pylist([row], schema=PROBE.schema)


@settings(max_examples=12, deadline=None)
@given(
    shot=st.sets(st.integers(0, 12), min_size=1),
    score=st.sets(st.integers(0, 12)),
    text=st.sets(st.integers(0, 12)),
    facts=st.sets(st.integers(0, 12)),
    known=st.sets(st.integers(0, 12)),
)
def test_the_join_is_that_of_a_plain_twin(tmp_path_factory, shot, score, text, facts, known):
    dataset = Dataset.create(tmp_path_factory.mktemp("join") / "d", shards=SHARDS)
    made = {SHOTS: (shot, shots), SCORES: (score, scores), WORDS: (text, words), PROBE: (facts, probe)}
    with dataset.writer() as writer:
        writer.register(*made)
        for number in known:
            source = f"channel {number}" if number % 2 else None
            writer.remember(file_record(number), video_id(number), source=source, licence=Licence("CC0-1.0"))
        for spec, (numbers, maker) in made.items():
            for number in numbers:
                writer.commit(video_id(number), [Result(spec, "x", maker(number))])
    expected = []
    for number in shot:
        place = number in known
        for i, clip in enumerate(shots(number).to_pylist()):
            span = [clip[key] for key in ("video", "stream", "start", "end")]
            scored = scores(number).to_pylist()[i] if number in score else {}
            said = words(number).to_pylist() if number in text else []
            expected.append(
                {
                    "clip": Clip(*span).name,
                    **dict(zip(("video", "stream", "start", "end"), span, strict=True)),
                    "shots_frames": clip["frames"],
                    "scores_motion": scored.get("motion"),
                    "scores_label": scored.get("label"),
                    "words_text": said[0]["text"] if said else None,
                    "video_width": 100 * number if number in facts else None,
                    "video_codec": "h264" if number in facts else None,
                    "path": f"/films/a\\xff/{number}.mp4" if place else None,
                    "source": f"channel {number}" if place and number % 2 else video_id(number),
                    "licence": "CC0-1.0" if place else None,
                    "evidence": "" if place else None,
                }
            )
    expected.sort(key=lambda row: (row["video"], row["stream"], row["start"], row["end"]))
    table = dataset.table("shots")
    assert table.to_pylist() == expected
    assert set(table.column_names) == {
        *CLIP_KEY.names[:4], "clip", "shots_frames", "scores_motion", "scores_label", "words_text", "video_width",
        "video_codec", "path", "source", "licence", "evidence",
    }  # fmt: skip


def test_each_clip_set_has_its_own_table_and_equal_spans_share_values(tmp_path):
    dataset = Dataset.create(tmp_path / "d", shards=SHARDS)
    whole = {"video": video_id(3), "stream": 0, "start": 5, "end": 15, "item": 0, "frames": 4}
    other = {**whole, "start": 0, "end": 40}
    with dataset.writer() as writer:
        writer.register(SHOTS, SCORES, WINDOWS)
        writer.commit(video_id(3), [Result(SHOTS, "x", shots(3)), Result(SCORES, "x", scores(3))])
        writer.commit(video_id(3), [Result(WINDOWS, "x", pa.Table.from_pylist([other, whole], schema=WINDOWS.schema))])
    table = dataset.table("windows-4s")
    assert table["windows_4s_frames"].to_pylist() == [4, 4]
    assert table["shots_frames"].to_pylist() == [None, 1]
    assert table["scores_label"].to_pylist() == [None, "busy"]
    assert dataset.table("shots").num_rows == 3


def test_a_view_of_the_table_has_its_rows_in_order(tmp_path):
    run(tmp_path / "d", random.Random(0))
    dataset = Dataset(tmp_path / "d")
    whole = dataset.table()
    some = whole.take([7, 2, 5])
    with dataset.writer() as writer:
        writer.save_view("some", some, {"clip_set": "shots"})
    assert dataset.table(view="some") == whole.take([2, 5, 7])


def test_the_cache_is_used_until_a_shard_changes_and_may_be_deleted_or_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(joined, "CACHE_ROWS", 1)
    run(tmp_path / "d", random.Random(0))
    dataset = Dataset(tmp_path / "d")
    table = dataset.table()
    (kept,) = (dataset.path / "cache").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(joined, "_positions", None)  # would fail if it joined again
        assert dataset.table() == table
    kept.write_bytes(kept.read_bytes()[:100])
    assert dataset.table() == table
    whole = bytearray(kept.read_bytes())
    whole[4:400] = bytes(396)  # pages that do not read, below a footer that does
    kept.write_bytes(whole)
    assert dataset.table() == table
    assert dataset.table() == table, "and made again"
    with dataset.writer() as writer:
        writer.register(SHOTS)
        writer.commit(video_id(43), [Result(SHOTS, "x", shots(43))])
    assert dataset.gc()[0].path == f"cache/{kept.name}"
    assert dataset.table().num_rows == table.num_rows + 3
    (newer,) = (dataset.path / "cache").iterdir()
    assert newer.name != kept.name
    with dataset.writer() as writer:
        writer.withhold(video_id(43), date="2026-11-21", reason="asked for")
    assert dataset.table() == table


@pytest.mark.skipif(os.name != "posix", reason="needs a path that is no folder")
def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setattr(joined, "CACHE_ROWS", 1)
    run(tmp_path / "d", random.Random(0))
    (tmp_path / "d" / "cache").write_bytes(b"in the way")
    assert Dataset(tmp_path / "d").table().num_rows == 12
