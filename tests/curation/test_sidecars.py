"""Which files belong to a video, and what the operator makes of them."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.caption_files import FolderList
from internvideo.curation.operator import Operator, Subject
from internvideo.curation.side_suffixes import FOLDER_LISTS, FOLDER_ROWS, kind_of, sidecar_suffixes
from internvideo.curation.sidecars import SHOWN_PROBLEMS, Sidecars, read_side, side_of, sidecars_by_video, sidecars_of
from internvideo.store.values import VIDEO_KEY

INFO = {
    "id": "abcdefghijk",
    "title": "Making  tea",
    "description": "How to\nmake tea",
    "tags": ["tea", "kettle"],
    "uploader": "Ann",
    "channel": "Ann's kitchen",
    "channel_id": "UC123",
    "license": "Creative Commons Attribution license (reuse allowed)",
    "language": "en",
    "upload_date": "20230412",
    "duration": 63,
    "webpage_url": "https://video.example/abcdefghijk",
    "subtitles": {"en": [{}], "de": [{}]},
    "automatic_captions": {"en": [{}]},
}


def row_of(side: dict[str, bytes]) -> dict:
    table = Sidecars().process(Subject("v" * 64, 0, Fraction(1, 25), {}, side=side))
    assert table.schema.names == [*VIDEO_KEY.names, *Sidecars.columns.names] and table.num_rows == 1
    return table.to_pylist()[0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.srt", ("transcript", "")),
        ("a.mp4.srt", ("transcript", "")),
        ("a.en.vtt", ("transcript", "en")),
        ("a.en-US.vtt", ("transcript", "en-US")),
        ("a.zh_Hans.srt", ("transcript", "zh-Hans")),
        ("a.en-orig.vtt", ("transcript", "en-orig")),
        ("a.eng.forced.srt", ("transcript", "eng")),
        ("a.SRT", ("transcript", "")),
        ("a.captions.srt", ("cues", "")),
        ("a.captions.de.vtt", ("cues", "de")),
        ("a.captions.jsonl", ("table", "")),
        ("a.captions.fr.csv", ("table", "fr")),
        ("a.captions.tsv", ("table", "")),
        ("a.captions.parquet", ("table", "")),
        ("a.captions.json", ("table", "")),
        ("a.mkv.captions.json", ("table", "")),
        ("a.txt", ("text", "")),
        ("a.info.json", ("info", "")),
        (f"a{FOLDER_ROWS}", ("table", "")),
        ("a.part2.srt", None),
        ("a.cut.srt", None),
        ("a.en.de.srt", None),
        ("a.json", None),
        ("a.jsonl", None),
        ("a.jpg", None),
        ("a.srt.bak", None),
        ("a.", None),
    ],
)
def test_the_end_of_a_name_tells_what_a_file_is_and_its_language(name, kind):
    assert kind_of(name[1:]) == kind


def test_all_named_suffixes_are_sidecars():
    assert all(kind_of(suffix) for suffix in sidecar_suffixes())


def test_files_belong_to_the_longest_name_and_to_all_videos_of_a_stem():
    names = ["a.mp4", "a.mkv", "a.en.mp4", "b.c.mp4", "a.srt", "a.mp4.srt", "a.en.srt", "a.de.srt", "b.c.txt", "b.txt"]
    names += ["a.jpg", "captions.csv", "metadata.jsonl", "c.srt"]
    assert sidecars_by_video(names) == {
        "a.mp4": ["a.de.srt", "a.mp4.srt", "a.srt"],
        "a.mkv": ["a.de.srt", "a.srt"],
        "a.en.mp4": ["a.en.srt"],
        "b.c.mp4": ["b.c.txt"],
    }
    assert sidecars_of("a.mkv", names) == ["a.de.srt", "a.srt", "captions.csv", "metadata.jsonl"]
    assert sidecars_of("a.mkv", [name for name in names if name != "a.mkv"]) == sidecars_of("a.mkv", names)


def test_lists_of_the_folder_belong_to_no_single_video():
    names = ["captions.mp4", "captions.jsonl", "captions.srt"]
    assert sidecars_by_video(names) == {"captions.mp4": ["captions.srt"]}
    assert all(name in sidecars_of("x.mp4", ["x.mp4", *FOLDER_LISTS]) for name in FOLDER_LISTS)


PARTS = st.sampled_from(["a", "b", "en", "mp4", "srt", "captions", "jsonl", "info", "json", "txt", "\udcff"])


@given(st.sets(st.lists(PARTS, min_size=1, max_size=4).map(".".join), max_size=8))
def test_owners_of_files_equal_a_plain_search(names):
    videos = sorted(name for name in names if name.endswith(".mp4") and name != ".mp4")

    def plain_owners(name: str) -> list[str]:
        prefixes = [name[:at] for at in range(len(name) - 1, 0, -1) if name[at] == "."]
        for prefix in prefixes:
            named = [video for video in videos if prefix in (video, video.removesuffix(".mp4"))]
            if named and kind_of(name[len(prefix) :]):
                return named
        return []

    expected: dict[str, list[str]] = {video: [] for video in videos}
    for name in sorted(names - set(videos) - FOLDER_LISTS):
        for video in plain_owners(name):
            expected[video].append(name)
    assert sidecars_by_video(names) == expected


def test_the_side_of_a_video_holds_its_files_by_what_remains_of_the_name_and_its_rows_of_lists():
    listed = FolderList(b"video,caption\na,tea\nb,milk\n", "captions.csv")
    side = side_of("a.mp4", {"a.srt": b"1", "a.mp4.srt": b"2"}, [listed])
    assert list(side) == [".mp4.srt", ".srt", FOLDER_ROWS] and json.loads(side[FOLDER_ROWS])["caption"] == "tea"
    assert side_of("c.mp4", {}, [listed]) == {}


def test_notes_of_a_downloader_become_one_row():
    row = row_of({".info.json": json.dumps(INFO).encode()})
    assert row["title"] == "Making tea" and row["description"] == "How to make tea" and row["tags"] == ["tea", "kettle"]
    assert (row["source"], row["channel"], row["language"]) == ("UC123", "Ann's kitchen", "en")
    assert row["licence"] == INFO["license"]
    assert row["licence_evidence"] == ".info.json: license (https://video.example/abcdefghijk)"
    assert (row["upload_date"], row["listed_seconds"], row["subtitle_languages"]) == ("2023-04-12", 63.0, ["de", "en"])
    assert (row["files"], row["problem_count"], row["problems"]) == ([".info.json"], 0, [])


def test_a_video_without_sidecar_files_has_a_row_of_nulls():
    row = row_of({})
    assert row["title"] is None and row["source"] is None and row["licence"] is None and row["listed_seconds"] is None
    assert row["tags"] == row["files"] == row["problems"] == []


def test_facts_missing_in_the_notes_are_taken_from_rows_of_lists_but_a_licence_keeps_its_own_evidence():
    listed = FolderList(
        json.dumps({"file_name": "a.mp4", "license": "MIT", "title": "x", "tags": "p, q"}).encode(), "metadata.jsonl"
    )
    rows = listed.for_video("a.mp4")
    row = row_of({FOLDER_ROWS: rows, ".info.json": b'{"title": "y", "uploader": "Ann"}'})
    assert (row["title"], row["source"], row["tags"]) == ("y", "Ann", ["p", "q"])
    assert (row["licence"], row["licence_evidence"]) == ("MIT", "metadata.jsonl: license")
    row = row_of({FOLDER_ROWS: rows, ".info.json": json.dumps(INFO).encode()})
    assert row["licence"] == INFO["license"] and row["licence_evidence"].startswith(".info.json")
    assert row["problem_count"] == 0


def test_texts_of_all_files_are_gathered_with_their_scale():
    side = {
        ".txt": b"A kettle\nboils.",
        ".en.srt": b"1\n00:00:01,000 --> 00:00:02,000\nHello",
        ".captions.vtt": b"WEBVTT\n\n00:01.000 --> 00:03.000\nWater is poured.",
        ".captions.jsonl": b'{"caption": "A cup"}',
        ".info.json": b'{"title": "Tea"}',
        ".jpg": b"\xff\xd8",
    }
    reading = read_side(side)
    assert {(one.text, one.scale, one.origin, one.language) for one in reading.texts} == {
        ("A kettle boils.", "video", ".txt", ""),
        ("Hello", "transcript", ".en.srt", "en"),
        ("Water is poured.", "clip", ".captions.vtt", ""),
        ("A cup", "video", ".captions.jsonl", ""),
        ("Tea", "title", "title", ""),
    }
    assert reading.problems == []


@pytest.mark.parametrize("content", [b"{", b"[]", b"3", b"\xff\xfe\x00", b"[" * 100_000, b""])
def test_broken_notes_are_told_and_the_other_files_are_read(content):
    row = row_of({".info.json": content, ".txt": b"words"})
    assert row["problem_count"] >= 1 and row["problems"][0].startswith(".info.json") and row["title"] is None
    assert read_side({".info.json": content, ".txt": b"words"}).texts[0].text == "words"


def test_only_some_problems_are_shown_but_all_are_counted():
    row = row_of({".captions.jsonl": b"{\n" * 100})
    assert row["problem_count"] == 100 and len(row["problems"]) == SHOWN_PROBLEMS


@given(
    st.dictionaries(
        st.sampled_from([*sidecar_suffixes(), FOLDER_ROWS, ".en.srt", ".odd\udcff"]), st.binary(max_size=80)
    )
)
def test_no_content_is_an_error(side):
    assert row_of(side)["files"] is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(INFO)), VALUES))
def test_notes_of_any_values_are_never_an_error(info):
    row_of({".info.json": json.dumps(info).encode()})


def test_the_operator_keeps_the_protocol():
    assert isinstance(Sidecars(), Operator)
