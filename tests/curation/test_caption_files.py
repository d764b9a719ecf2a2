"""Tables of captions in every format say the same; what is wrong is told by line, and a folder's list is shared out."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.beside import SideFiles
from internvideo.curation.caption_files import FolderList, parse_captions, read_rows
from internvideo.curation.side_suffixes import FOLDER_ROWS
from internvideo.curation.side_text import parse_seconds

FORMATS = ["jsonl", "json", "csv", "tsv", "parquet"]
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=30)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "caption": TEXTS,
            "start": st.integers(0, 10**6).map(lambda milliseconds: milliseconds / 1000),
            "language": st.sampled_from(["en", "zh-Hans"]),
        }
    ),
    min_size=1,
    max_size=5,
)


def written(rows: list[dict], kind: str) -> bytes:
    if kind == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if kind == "json":
        return json.dumps(rows, ensure_ascii=False).encode()
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="," if kind == "csv" else "\t")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def told(data: bytes | str, file: str) -> list[str]:
    data = data.encode() if isinstance(data, str) else data
    return [str(problem) for problem in parse_captions(data, file)[1]]


@given(ROWS, st.sampled_from(FORMATS))
def test_every_format_says_the_same(rows, kind):
    rows = [{**row, "end": row["start"] + 1.5} for row in rows]
    texts, problems = parse_captions(written(rows, kind), f".captions.{kind}")
    expected = {(" ".join(row["caption"].split()), row["start"], row["end"], row["language"]) for row in rows}
    assert {(one.text, one.start, one.end, one.language) for one in texts} == expected
    assert problems == [] and {one.scale for one in texts} == {"clip"}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_six_columns_of_internvid_are_known(kind):
    row = {
        "YoutubeID": "-0-2JHrm1vA",
        "Start_timestamp": "00:00:48.700",
        "End_timestamp": "00:00:51.066",
        "Caption": "a man holding a camera",
        "Aesthetic_Score": 4.875,
        "UMT_Score": 0.4375,
    }
    (text,), problems = parse_captions(written([row], kind), f".captions.{kind}")
    assert (text.text, text.start, text.end) == ("a man holding a camera", 48.7, 51.066)
    assert (text.umt_score, text.aesthetic_score) == (0.4375, 4.875)
    assert (text.start_text, text.end_text) == ("00:00:48.700", "00:00:51.066") and problems == []


def test_temporal_detections_of_fiftyone_are_known_if_they_are_in_seconds(tmp_path):
    cat = {"label": "a cat sleeps", "timestamps": [1.5, 4.0], "confidence": 0.9, "attributes": {"mood": "calm"}}
    layout = {"labels": {"a": [cat, {"label": "a dog", "support": [1, 40]}], "sub/b": [{**cat, "label": 7}], "c": None}}
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    for name in ("a.mp4", "c.mp4"):
        (data / name).write_bytes(b"")
    (tmp_path / "labels.json").write_text(json.dumps(layout))
    side = SideFiles().of([bytes(data / "a.mp4")])
    (text,), problems = parse_captions(side[FOLDER_ROWS], FOLDER_ROWS)
    assert (text.text, text.start, text.end, text.scale) == ("a cat sleeps", 1.5, 4.0, "clip")
    assert [problem.what for problem in problems] == [
        "times not understood: frames to [1, 40]; give seconds or HH:MM:SS.mmm"
    ]
    assert SideFiles().of([bytes(data / "c.mp4")]) == {}
    numbered = json.dumps({"classes": ["zero", "one"], "labels": {"a": [{**cat, "label": 1}]}}).encode()
    assert [row["caption"] for _, row in read_rows(numbered, "labels.json")[0]] == ["one"]


def test_the_list_of_viclip_gives_captions_without_times_also_several_per_video():
    data = json.dumps(
        [{"video": "a.mp4", "caption": "one"}, {"video": "a.mp4", "caption": ["two", " ", "three"]}]
    ).encode()
    texts, problems = parse_captions(data, ".captions.json")
    assert [(one.text, one.scale, one.start) for one in texts] == [
        ("one", "video", None),
        ("two", "video", None),
        ("three", "video", None),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("00:01:02.500", 62.5),
        ("1:02,5", 62.5),
        ("0:5", 5.0),
        ("100:00:00", 360000.0),
        (" 7.25 ", 7.25),
        (7, 7.0),
        ("-1.5", -1.5),
        ("7,25", 7.25),
        ("1,000,000", None),
        ("", None),
        ("soon", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        ("inf", None),
        ("1e12", None),
        (10**400, None),
        ("9" * 5000, None),
        ("1:2:3:4", None),
    ],
)
def test_times_are_seconds_or_clocks_and_nothing_else(value, seconds):
    assert parse_seconds(value) == seconds


@given(st.integers(0, 10**9))
def test_a_clock_with_milliseconds_is_the_nearest_float(milliseconds):
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
    assert parse_seconds(text) == milliseconds / 1000


def test_what_is_wrong_with_a_row_is_told_by_its_line_and_the_others_are_kept():
    lines = [
        '{"caption": "good", "start": 1, "end": 2}',
        '{"caption": "only a start", "start": 1}',
        '{"caption": "turned", "start": "0:10", "end": "0:09"}',
        "",
        '{"caption": "when", "start": "soon", "end": 2}',
        "{broken",
        "[1, 2]",
        '{"label": 3}',
        '{"caption": "", "start": 3, "end": 4}',
        '{"text": "words", "kind": "asr"}',
    ]
    texts, _ = parse_captions("\n".join(lines).encode(), ".captions.jsonl")
    assert [(one.text, one.start) for one in texts] == [("good", 1.0), ("", 3.0)]
    found = told("\n".join(lines), ".captions.jsonl")
    assert [line.partition(": ")[0] for line in found] == [f".captions.jsonl:{n}" for n in (6, 7, 2, 3, 5, 8, 10)]
    assert found[2:] == [
        ".captions.jsonl:2: start and end must be given together",
        ".captions.jsonl:3: the end is not after the start: 0:10 to 0:09",
        ".captions.jsonl:5: times not understood: soon to 2; give seconds or HH:MM:SS.mmm",
        ".captions.jsonl:8: no caption among the columns label",
        ".captions.jsonl:10: a transcript needs a start and an end",
    ]


def test_delimited_files_may_hold_quotes_line_ends_and_semicolons():
    data = 'start,end,caption\n1,2,"a, ""b""\nc"\n3,4,two,cells too many\n\n5,6,last\n'
    texts, problems = parse_captions(data.encode("utf-8-sig"), ".captions.csv")
    assert [(one.start, one.text) for one in texts] == [(1.0, 'a, "b" c'), (5.0, "last")]
    assert [(problem.line, problem.what) for problem in problems] == [
        (4, "4 cells for 3 columns; quote cells that hold `,`")
    ]
    texts, problems = parse_captions(b"Start;End;Text\n0,5;1,5;x\n", ".captions.csv")
    assert [(one.start, one.end) for one in texts] == [(0.5, 1.5)] and problems == []


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("asr", "transcript"), ("Subtitles", "transcript"), ("title", "clip"), ("", "clip"), ("x", "clip")],
)
def test_the_kind_column_tells_transcripts_from_captions(kind, scale):
    (text,), _ = parse_captions(
        json.dumps({"text": "a", "start": 0, "end": 1, "type": kind}).encode(), ".captions.jsonl"
    )
    assert text.scale == scale


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
def test_garbage_is_never_an_error(data, kind):
    parse_captions(data, f".captions.{kind}")
    FolderList(data, f"captions.{kind}").rows_of("a.mp4")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
NAMES = st.sampled_from(
    ["caption", "start", "end", "video", "text", "kind", "language", "umt_score", "Caption", "title"]
)


@given(st.lists(st.dictionaries(NAMES, VALUES), max_size=4))
def test_rows_of_any_values_are_never_an_error_and_give_text_that_can_be_stored(rows):
    data = "\n".join(json.dumps(row) for row in rows).encode()
    texts, problems = parse_captions(data, ".captions.jsonl")
    pa.array([*(one.text for one in texts), *(one.language for one in texts), *map(str, problems)], pa.string())
    assert all(one.start is None or one.start < one.end for one in texts)
    listed = FolderList(data, "captions.jsonl")
    for row in rows:
        parse_captions(listed.for_video(str(row.get("video"))), ".captions.jsonl")


@pytest.mark.parametrize("data", ['{"caption": "a \\ud800 b\\u0000"}', "[" * 100_000, '{"a":' * 100_000, "1" * 10_000])
def test_hostile_json_is_told(data):
    texts, problems = parse_captions(data.encode(), ".captions.jsonl")
    assert [one.text for one in texts] == (["a ? b"] if "ud800" in data else []) and bool(problems) != bool(texts)


def test_damaged_parquet_is_told():
    good = written([{"caption": "a"}], "parquet")
    for bad in (b"", good[:-5], good[:40] + b"\xff" * 40 + good[80:]):
        texts, problems = parse_captions(bad, ".captions.parquet")
        assert texts == [] and problems[0].what.startswith("cannot be read as Parquet")


FOLDER = [
    {"video": "a.mp4", "caption": "by name"},
    {"video": "b", "caption": "by stem"},
    {"video": "sub/c.mp4", "caption": "by the end of a path"},
    {"video": ".\\d.mp4", "caption": "windows"},
    {"video": "one/e.mp4", "caption": "which"},
    {"video": "two/e.mp4", "caption": "of two"},
    {"YoutubeID": "-0-2JHrm1vA", "caption": "by identifier"},
    {"video": "a.mp4", "caption": "again"},
    {"caption": "whose"},
]


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_a_list_of_a_folder_is_shared_out_by_name(kind):
    listed = FolderList(written(FOLDER, kind), f"captions.{kind}")

    def captions(video: str) -> list[str]:
        return [one.text for one in parse_captions(listed.for_video(video), ".list.captions.jsonl")[0]]

    assert captions("a.mp4") == ["by name", "again"]
    assert captions("b.webm") == ["by stem"]
    assert captions("c.mp4") == ["by the end of a path"] and captions("d.mp4") == ["windows"]
    assert captions("e.mp4") == []
    assert captions("A film [-0-2JHrm1vA].mp4") == captions("-0-2JHrm1vA.mp4") == ["by identifier"]
    assert captions("-0-2JHrm1vA_5_9.mp4") == captions("z.mp4") == []
    assert [problem.line for problem in listed.problems] == [9]


def test_a_row_for_another_video_changes_nothing_for_this_one():
    one = FolderList(written(FOLDER, "jsonl"), "captions.jsonl").for_video("b.mp4")
    other = FolderList(written([{"video": "z", "caption": "z"}, *FOLDER], "jsonl"), "captions.jsonl").for_video("b.mp4")
    assert one == other != b""


def test_rows_of_a_list_keep_the_name_of_the_list_as_origin():
    rows = FolderList(written(FOLDER, "jsonl"), "captions.jsonl").for_video("b.mp4")
    assert parse_captions(rows, ".list.captions.jsonl")[0][0].origin == "captions.jsonl"


def test_column_names_are_known_whatever_their_case_and_dashes():
    assert read_rows(b" Start-Time ,End Time,CAPTION\n1,2,x\n", "a.csv")[0] == [
        (2, {"start_time": "1", "end_time": "2", "caption": "x"})
    ]
