"""Words find their clips; the oracle for `owners` is the rule in plain Python."""

import json
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.captions import Captions, CaptionStatistics, Imported, Transcript, owners
from internvideo.curation.operator import Operator, Series, Subject
from internvideo.curation.text_statistics import text_statistics
from internvideo.store.values import CLIP_KEY

TIME_BASE = Fraction(1, 100)
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1])), max_size=8)


def clips_table(spans: list[tuple[int, int]]) -> pa.Table:
    rows = [{"video": "v", "stream": 0, "start": start, "end": end} for start, end in sorted(set(spans))]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(CLIP_KEY)[:4]))


def subject(side: dict[str, bytes], seconds: list[tuple[float, float]] = (), **facts) -> Subject:
    """A film of 60 s at 25 frames per second, and clips of these seconds."""
    ticks = np.arange(0, 6000, 4) + int(facts.get("start_tick") or 0)
    clips = clips_table([(round(start * 100), round(end * 100)) for start, end in seconds])
    return Subject("v", 0, TIME_BASE, facts, rows={"clips": clips}, series={"clock": Series(ticks, {})}, side=side)


def captioned(*rows: tuple) -> dict[str, bytes]:
    """(text, start, end) or (text,) per row."""
    named = [dict(zip(("caption", "start", "end"), row, strict=False)) for row in rows]
    return {".captions.jsonl": "\n".join(map(json.dumps, named)).encode()}


def told(table: pa.Table, *columns: str) -> list[tuple]:
    """(start, end, *columns) in seconds."""
    return [(row["start"] / 100, row["end"] / 100, *(row[name] for name in columns)) for row in table.to_pylist()]


def plain_owners(span: tuple[int, int], clips: list[tuple[int, int]]) -> list[int]:
    def shared(clip):
        return min(clip[1], span[1]) - max(clip[0], span[0])

    def apart(one, other):
        return one[1] <= other[0] or other[1] <= one[0]

    found = []
    for i, clip in enumerate(clips):
        better = [o for o in clips if apart(o, clip) and (shared(o), -o[0]) > (shared(clip), -clip[0])]
        if shared(clip) > 0 and (not better or shared(clip) * 2 >= clip[1] - clip[0]):
            found.append(i)
    return found


@given(SPANS, SPANS)
def test_a_span_belongs_to_the_clip_it_overlaps_most_and_to_those_it_covers_by_half(spans, clips):
    found = owners(np.array(spans, np.int64).reshape(-1, 2), np.array(clips, np.int64).reshape(-1, 2))
    assert [list(indices) for indices in found] == [plain_owners(span, clips) for span in spans]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 30), st.integers(1, 30))
def test_a_span_over_clips_that_follow_each_other_is_never_lost(lengths, start, length):
    edges = np.cumsum([0, *lengths])
    clips = np.column_stack([edges[:-1], edges[1:]])
    (found,) = owners(np.array([[start, start + length]]), clips)
    assert (len(found) > 0) == (start < edges[-1])


@given(SPANS)
def test_a_clip_of_the_whole_film_gets_every_span_and_takes_none_from_the_shots(spans):
    shots = np.array([(0, 10), (10, 25), (25, 60)])
    spans = np.array(spans, np.int64).reshape(-1, 2)
    alone, both = owners(spans, shots), owners(spans, np.vstack([shots, [(0, 60)]]))
    assert [[*one, 3] for one in alone] == [list(one) for one in both]


def test_a_timed_caption_goes_to_the_clip_of_most_overlap_with_its_shares():
    side = captioned(("a dog", 1, 5), ("a cat", 6, 20))
    rows = told(Captions().process(subject(side, [(0, 4), (4, 10), (10, 16)])), "item", "text", "inside", "covers")
    assert rows == [
        (0, 4, 0, "a dog", 0.75, 0.75),
        (4, 10, 0, "a cat", 4 / 14, 4 / 6),
        (10, 16, 0, "a cat", 6 / 14, 1.0),
    ]


def test_clips_that_captions_name_get_exactly_these_captions():
    side = captioned(("first", 0, 4), ("inside", 1, 3), ("again", 0, 4), ("other", 4, 8))
    spans = told(Imported().process(subject(side)))
    assert spans == [(0, 4), (1, 3), (4, 8)]
    rows = told(Captions().process(subject(side, [*spans, (0, 8)])), "text")
    assert rows == [
        (0, 4, "first"),
        (0, 4, "again"),
        (0, 8, "first"),
        (0, 8, "again"),
        (0, 8, "inside"),
        (0, 8, "other"),
        (1, 3, "inside"),
        (4, 8, "other"),
    ]


def test_captions_of_the_whole_video_and_its_title_go_to_every_clip():
    side = {**captioned(("a film of tea",), ("pouring", 0, 3)), ".info.json": b'{"title": "Tea", "language": "en"}'}
    rows = told(Captions().process(subject(side, [(0, 3), (3, 6)])), "item", "text", "scale", "language", "covers")
    assert rows == [
        (0, 3, 0, "pouring", "clip", "", 1.0),
        (0, 3, 1, "a film of tea", "video", "", None),
        (0, 3, 2, "Tea", "title", "en", None),
        (3, 6, 0, "a film of tea", "video", "", None),
        (3, 6, 1, "Tea", "title", "en", None),
    ]


CUES = (
    b"1\n00:00:00,500 --> 00:00:02,000\nWe take\n\n2\n00:00:02,500 --> 00:00:05,000\na kettle\n\n"
    b"3\n00:00:07,000 --> 00:00:08,000\nand pour."
)


def test_a_transcript_is_one_row_per_clip_and_file_with_its_cues_in_order():
    side = {".en.srt": CUES, ".de.srt": b"00:00:07,000 --> 00:00:08,000\nund gie\xc3\x9fen."}
    table = Transcript().process(subject(side, [(0, 3), (3, 6), (6, 9), (9, 12)]))
    assert told(table, "item", "language", "text", "cues", "cue_start", "cue_end", "cue_text") == [
        (0, 3, 0, "en", "We take", 1, [0.5], [2.0], ["We take"]),
        (3, 6, 0, "en", "a kettle", 1, [2.5], [5.0], ["a kettle"]),
        (6, 9, 0, "de", "und gießen.", 1, [7.0], [8.0], ["und gießen."]),
        (6, 9, 1, "en", "and pour.", 1, [7.0], [8.0], ["and pour."]),
    ]
    captions = Captions().process(subject(side, [(0, 9)]))
    assert told(captions, "text", "scale", "origin", "inside", "covers") == [
        (0, 9, "und gießen.", "transcript", ".de.srt", 1.0, 1 / 9),
        (0, 9, "We take a kettle and pour.", "transcript", ".en.srt", 1.0, 7.5 / 9),
    ]


def test_transcripts_name_no_clips_unless_asked_for():
    side = {".srt": CUES}
    assert Imported().process(subject(side)).num_rows == 0
    rows = told(Imported(transcripts=True).process(subject(side)), "frames", "start_text")
    assert rows == [(0.5, 2.0, 37, "00:00:00,500"), (2.5, 5.0, 62, "00:00:02,500"), (7.0, 8.0, 25, "00:00:07,000")]


def test_imported_spans_keep_the_times_as_written_and_their_scores_and_need_a_frame():
    row = {"Caption": "x", "Start_timestamp": "00:00:01.000", "End_timestamp": "00:00:02.500", "UMT_Score": 0.4}
    late = {"Caption": "late", "Start_timestamp": "00:01:10.000", "End_timestamp": "00:01:12.000"}
    thin = {"Caption": "", "Start_timestamp": "3.001", "End_timestamp": "3.039"}
    side = {".captions.jsonl": "\n".join(map(json.dumps, [row, late, thin])).encode()}
    table = Imported().process(subject(side))
    columns = ("start_seconds", "end_seconds", "frames", "start_text", "end_text", "umt_score", "aesthetic_score")
    assert told(table, *columns) == [(1.0, 2.5, 1.0, 2.5, 38, "00:00:01.000", "00:00:02.500", 0.4, None)]


@pytest.mark.parametrize(
    ("container", "span"),
    [("mpegts", (3.4, 4.4)), ("mpeg", (3.4, 4.4)), ("mov,mp4", (2, 3)), ("matroska,webm", (2, 3))],
)
def test_times_count_from_the_start_of_the_film_where_the_clock_starts_anywhere(container, span):
    table = Imported().process(subject(captioned(("x", 2, 3)), container=container, start_tick=140))
    assert told(table) == [span]


@given(SPANS, SPANS)
def test_rows_of_timed_captions_equal_the_plain_rule_and_are_sorted_by_key(spans, clips):
    clips, named = sorted(set(clips)), set(spans)
    expected = [
        (*clip, i)
        for at, clip in enumerate(clips)
        for span, i in sorted((span, i) for i, span in enumerate(spans))
        if at in plain_owners(span, clips) and (clip not in named or span == clip)
    ]
    table = Captions().process(subject(captioned(*((str(i), *span) for i, span in enumerate(spans))), clips))
    assert told(table, "text") == [(start, end, str(i)) for start, end, i in expected]
    keys = [(row["start"], row["end"], row["item"]) for row in table.to_pylist()]
    assert keys == sorted(set(keys)) and table.schema.names == [*CLIP_KEY.names, *Captions.columns.names]


def test_statistics_have_the_keys_of_the_captions_and_the_language_that_is_stated_or_seen():
    side = {**captioned(("犬が走る。", 0, 3), ("a b", 3, 6)), ".info.json": b'{"title": "Two words", "language": "en"}'}
    first = subject(side, [(0, 3), (3, 6)])
    captions = Captions().process(first)
    second = Subject("v", 0, TIME_BASE, {}, rows={**first.rows, "captions": captions})
    table = CaptionStatistics().process(second)
    assert table.select(CLIP_KEY.names).equals(captions.select(CLIP_KEY.names))
    assert told(table, "scale", "words", "language") == [
        (0, 3, "clip", 4, "ja"),
        (0, 3, "title", 2, "en"),
        (3, 6, "clip", 2, ""),
        (3, 6, "title", 2, "en"),
    ]
    counted = table.drop_columns([*CLIP_KEY.names, "scale", "language"]).to_pylist()
    for row, text in zip(counted, captions["text"].to_pylist(), strict=True):
        assert row == {name: value for name, value in text_statistics(text).items() if name != "language"}


@pytest.mark.parametrize("operator", [Imported(), Captions(), Transcript(), CaptionStatistics()])
def test_without_clips_and_words_there_are_no_rows_of_the_right_shape(operator):
    assert isinstance(operator, Operator)
    empty = subject({}, [])
    captions = Captions().process(empty)
    table = operator.process(Subject("v", 0, TIME_BASE, {}, {**empty.rows, "captions": captions}, empty.series))
    assert table.num_rows == 0 and table.schema.names == [*CLIP_KEY.names, *operator.columns.names]
