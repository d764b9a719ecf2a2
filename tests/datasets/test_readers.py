"""Every format on a few lines of its own shape: paths, spans, captions, numbers of classes, and what bad lists say."""

import io
import json
import os
import sqlite3
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from internvideo.datasets.kinetics import merge_classes
from internvideo.datasets.lists import BadList, class_numbers
from internvideo.datasets.readers import READERS
from internvideo.datasets.sample import member_of
from internvideo.records import Span


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def under(*parts):
    return os.path.join("/media", *parts)  # noqa: PTH118


def test_kinetics_names_the_files_of_the_official_crawler_and_numbers_classes(write):
    path = write(
        "k.csv",
        "label,youtube_id,time_start,time_end,split,is_cc\n"
        '"playing violin",VefhBPzw-SY,58,68,val,0\nsitup,sDK,9,19,test,0\n',
    )
    first, second = READERS["kinetics-400"](path, "/media")
    assert (first.path, first.label, first.source) == (under("VefhBPzw-SY_000058_000068.mp4"), 0, "VefhBPzw-SY")
    assert second.label == 1 and first.span is None
    (only,) = READERS["kinetics-400"](
        path, "/media", split="test", classes=["Situp", "x"], name="{label}/{youtube_id}.avi"
    )
    assert (only.path, only.label) == (under("situp", "sDK.avi"), 0)
    with pytest.raises(BadList, match="unknown class `playing violin`"):
        READERS["kinetics-400"](path, "/media", classes=["playing viola"])


def test_merged_classes_begin_with_the_first_set_and_map_renamed_classes():
    merged = merge_classes([["abseiling", "tying tie"], ["Tying Necktie", "yoga", "abseiling"]])
    assert merged.names == ("abseiling", "tying tie", "yoga")
    assert merged.numbers == ((0, 1), (1, 2, 0))
    with pytest.raises(BadList, match="no class `yoga`"):
        merge_classes([["abseiling", "yoga"]], names=["abseiling"])


def test_something_reads_both_versions(write):
    templates = ["Holding something", "Putting something next to something"]
    first = READERS["something-v1"](write("v1.csv", "100218;Holding something\n2;\n"), "/media", classes=templates)
    assert [(each.path, each.label) for each in first] == [(under("100218"), 0), (under("2"), None)]
    labels = write("labels.json", {name: str(number) for number, name in enumerate(templates)})
    rows = [
        {"id": "7", "label": "putting a cup next to a bowl", "template": "Putting [something] next to [something]"},
        {"id": "8"},
    ]
    second = READERS["something-v2"](write("v2.json", rows), "/media", classes=labels)
    assert (second[0].path, second[0].label) == (under("7.webm"), 1)
    assert second[0].captions == ("putting a cup next to a bowl",) and second[1].label is None
    assert first[0].uid != second[0].uid


def test_msrvtt_reads_the_test_table_and_all_sentences(write):
    table = write("t.csv", "key,vid_key,video_id,sentence\nret0,msr9770,video9770,a person is connecting something\n")
    (only,) = READERS["msrvtt"](table, "/media")
    assert (only.path, only.captions) == (under("video9770.mp4"), ("a person is connecting something",))
    sentences = [{"video_id": "video1", "caption": "b", "sen_id": 1}, {"video_id": "video0", "caption": "a"}]
    data = write("data.json", {"sentences": [*sentences, {"video_id": "video1", "caption": "c"}]})
    split = write("split.csv", "video_id\nvideo1\n")
    (kept,) = READERS["msrvtt"](data, "/media", split=split)
    assert kept.captions == ("b", "c")


def test_msvd_reads_json_and_text(write):
    rows = [
        {"id": "6RlYLTU5gvM_18_24.avi", "caption": ["A toy train.", "Trains."]},
        {"id": "x_y_1_2.avi", "caption": []},
    ]
    first, second = READERS["msvd"](write("m.json", rows), "/media")
    assert (first.source, second.source) == ("6RlYLTU5gvM", "x_y")
    assert first.captions == ("A toy train.", "Trains.")
    text = write("all.txt", "# corpus\n6RlYLTU5gvM_18_24 A toy train.\n6RlYLTU5gvM_18_24 Trains.\n")
    assert list(READERS["msvd"](text, "/media")) == [first]
    (kept,) = READERS["msvd"](write("m.json", rows), "/media", split=write("s.txt", "x_y_1_2\n"))
    assert kept.path == under("x_y_1_2.avi")


def test_didemo_gives_paragraphs_or_the_moment_that_most_chose(write):
    row = {"video": "1@N00_a.mov", "description": "a cat", "times": [[1, 1], [0, 2], [1, 1], [5, 5]]}
    path = write("d.json", [row, {**row, "description": "it jumps", "times": [[3, 4], [2, 2]]}])
    (whole,) = READERS["didemo"](path, "/media")
    assert (whole.captions, whole.span, whole.path) == (("a cat it jumps",), Span(0, 30), under("1@N00_a.mov"))
    first, second = READERS["didemo"](path, "/media", moments=True)
    assert (first.span, second.span) == (Span(5, 10), Span(10, 15))
    with pytest.raises(BadList, match="has no moments"):
        READERS["didemo"](write("d.json", [{**row, "times": [7]}]), "/media", moments=True)


def test_activitynet_captions_are_paragraphs_or_moments_inside_the_video(write):
    row = {"duration": 10.0, "timestamps": [[0, 4.5], [8, 12], [11, 12]], "sentences": [" A. ", "B.", "C."]}
    path = write("a.json", {"v_x": row})
    (whole,) = READERS["activitynet-captions"](path, "/media")
    assert (whole.captions, whole.path) == (("A. B. C.",), under("v_x.mp4"))
    moments = READERS["activitynet-captions"](path, "/media", moments=True)
    assert [each.span for each in moments] == [Span(0, 4.5), Span(8, 10)]
    with pytest.raises(BadList, match="3 times for 2 sentences"):
        READERS["activitynet-captions"](write("a.json", {"v_x": {**row, "sentences": ["A.", "B."]}}), "", moments=True)


def test_lsmdc_files_lie_in_a_folder_per_film(write):
    name = "0001_American_Beauty_00.00.51.926-00.00.54.129"
    path = write("l.csv", f'{name}\t00:00:51.9\t00:00:54.1\t0\t0\tSOMEONE says "hi.\n{name}\t0\t0\t0\t0\t\n')
    first, second = READERS["lsmdc"](path, "/media")
    assert first.path == under("0001_American_Beauty", f"{name}.avi")
    assert (first.source, first.captions, second.captions) == ("0001_American_Beauty", ('SOMEONE says "hi.',), ())


def test_vatex_has_a_language_and_test_lists_have_none(write):
    row = {"videoID": "Ptf_2VRj-V0_000122_000132", "enCap": ["a", "b"], "chCap": ["一"]}
    path = write("v.json", [row, {"videoID": "x_000000_000010"}])
    first, second = READERS["vatex"](path, "/media")
    assert (first.captions, first.source, second.captions) == (("a", "b"), "Ptf_2VRj-V0", ())
    assert READERS["vatex"](path, "/media", language="ch")[0].captions == ("一",)


def test_viclip_lists_are_the_same_in_json_and_sqlite(write, tmp_path):
    rows = [{"video": "a/1.mp4", "caption": "one"}, {"video": "a/2.mp4", "caption": "two, 二"}]
    path = write("webvid.json", rows)
    base = sqlite3.connect(tmp_path / "webvid.sqlite.db")
    base.execute("CREATE TABLE annos(id INTEGER PRIMARY KEY, video TEXT, caption TEXT)")
    base.executemany("INSERT INTO annos VALUES (?, ?, ?)", [(i, r["video"], r["caption"]) for i, r in enumerate(rows)])
    base.commit()
    base.close()
    listed, stored = (READERS["viclip"](place, "/media") for place in (path, tmp_path / "webvid.sqlite.db"))
    assert list(listed) == list(stored) and listed.hash == stored.hash
    assert listed[0].path == under("a", "1.mp4")
    (image,) = READERS["viclip"](write("coco.json", [{"image": "i.jpg", "caption": ["x", "y"]}]), "/media")
    assert (image.media, image.captions) == ("image", ("x", "y"))


def test_broken_sqlite_lists_are_named(write, tmp_path):
    with pytest.raises(BadList, match="is no ViCLIP list"):
        READERS["viclip"](write("x.db", "no database"), "")
    with pytest.raises(BadList, match="cannot read"):
        READERS["viclip"](tmp_path / "missing.db", "")
    assert not (tmp_path / "missing.db").exists()


def test_webvid_lies_in_page_folders(write):
    text = (
        'videoid,contentUrl,duration,page_dir,name\n21179416,https://x/y.mp4,PT00H00M11S,006001_006050,"Aerial, shot"\n'
    )
    (only,) = READERS["webvid"](write("w.csv", text), "/media")
    assert (only.path, only.captions) == (under("006001_006050", "21179416.mp4"), ("Aerial, shot",))


def test_image_lists_have_their_columns_in_either_order(write):
    (first,) = READERS["cc3m"](write("cc3m.tsv", "a very typical bus\thttp://x.org/1.jpg\n"), "/media")
    (second,) = READERS["cc12m"](write("cc12m.tsv", "http://x.org/1.jpg\ta very typical bus\n"), "/media")
    (local,) = READERS["cc3m"](write("local.tsv", "a bus\tsub/bus.png\n"), "/media")
    assert first.captions == second.captions == ("a very typical bus",)
    assert first.path == second.path == under("00000", "000000000.jpg") and first.uid != second.uid
    assert (local.path, local.media) == (under("sub", "bus.png"), "image")
    with pytest.raises(BadList, match=r"line 2 .* has no tab"):
        READERS["cc3m"](write("bad.tsv", "a\thttp://x\nno address\n"), "")


def test_internvid_finds_local_videos_by_id(write, tmp_path):
    root = tmp_path / "films"
    write("films/deep/Title [dQw4w9WgXcQ].mkv", "x")
    rows = [
        {
            "YoutubeID": "dQw4w9WgXcQ",
            "Start_timestamp": "00:00:01.500",
            "End_timestamp": "00:01:02.000",
            "Caption": "a",
        },
        {"YoutubeID": "-0-QbZ6lWBQ", "Start_timestamp": "0:00", "End_timestamp": "00:00:02", "Caption": None},
    ]
    path = write("list.jsonl", "\n".join(map(json.dumps, rows)))
    first, second = listed = READERS["internvid"](path, root)
    assert (first.span, first.captions) == (Span(1.5, 62.0), ("a",))
    assert first.path == os.fspath(root / "deep" / "Title [dQw4w9WgXcQ].mkv")
    assert second.path == os.fspath(root / "-0-QbZ6lWBQ.mp4") and second.captions == ()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "list.parquet")
    assert READERS["internvid"](tmp_path / "list.parquet", root).hash == listed.hash
    with pytest.raises(BadList, match="is empty"):
        READERS["internvid"](write("bad.jsonl", json.dumps({**rows[0], "End_timestamp": "00:00:01.5"})), root)


def test_folders_are_classes(write, tmp_path):
    for name in ("films/run/b.mp4", "films/run/sub/a.mp4", "films/dive/1.AVI", "films/dive/notes.txt"):
        write(name, "x")
    samples = READERS["folders"](tmp_path / "films")
    assert [(each.source, each.label) for each in samples] == [
        ("dive/1.AVI", 0),
        ("run/b.mp4", 1),
        ("run/sub/a.mp4", 1),
    ]
    assert READERS["folders"](tmp_path / "films", classes=["run", "dive"])[0].label == 1


def test_labelled_lists_have_two_three_or_four_columns(write):
    path = write("l.txt", "a.mp4 3\nimgs 5 127\nb.mp4 0 -1 -1\n")
    assert [(each.path, each.label) for each in READERS["labelled-list"](path, "/media")] == [
        (under("a.mp4"), 3),
        (under("imgs"), 127),
        (under("b.mp4"), None),
    ]
    (only,) = READERS["labelled-list"](write("l.csv", "my film.mp4,7\n"), "/media", separator=",")
    assert (only.path, only.label) == (under("my film.mp4"), 7)
    with pytest.raises(BadList, match=r"line 1 of .* has several labels"):
        READERS["labelled-list"](write("l.txt", "a.mp4 0 3\n"), "/media")
    with pytest.raises(BadList, match=r"line 1 of .* is not a path and whole numbers"):
        READERS["labelled-list"](write("l.txt", "my film.mp4 7\n"), "/media")


def test_tables_say_what_their_columns_are(write, tmp_path):
    text = "file,label_id,label,source_group,fold,caption,start,end\n"
    text += "a.mp4,1,fight,0,5,two men,0:01,0:02.5\nb.mp4,0,none,1,4,,,\n"
    first, second = READERS["table"](write("a.csv", text), "/media")
    assert (first.label, first.captions, first.span, first.source) == (1, ("two men",), Span(1, 2.5), "0")
    assert (second.label, second.captions, second.span) == (0, (), None)
    assert len(READERS["table"](write("a.csv", text), "/media", where={"fold": 5})) == 1
    (named,) = READERS["table"](write("b.tsv", "video\tlabel\nx.jpg\tcat\n"), "/media", classes=["dog", "cat"])
    assert (named.label, named.media) == (1, "image")
    pq.write_table(pa.table({"path": ["x.mp4"], "caption": [["a", "b"]]}), tmp_path / "c.parquet")
    assert READERS["table"](tmp_path / "c.parquet", "/media")[0].captions == ("a", "b")


def test_a_table_brings_the_names_of_its_classes_whatever_part_of_it_is_read(write):
    rows = "file,label,person\nb.mp4,run,ann\na.mp4,bend,bob\nc.mp4,run,eve\n"
    path = write("named.csv", "\ufeff" + rows.replace("\n", "\r\n"))  # as a spreadsheet saves it
    everything = READERS["table"](path, "/media")
    assert (everything.classes, [one.label for one in everything]) == (("bend", "run"), [1, 0, 1])
    assert [one.source for one in everything] == ["ann", "bob", "eve"]
    some = READERS["table"](path, "/media", unless={"person": ["bob", "eve"]})
    assert (some.classes, [one.label for one in some]) == (("bend", "run"), [1])
    assert len(READERS["table"](path, "/media", where={"person": ["bob", "eve"]})) == 2
    for options in ({"where": {"persom": "bob"}}, {"unless": {"persom": "bob"}}):
        with pytest.raises(BadList, match=r"no column `persom`(.|\n)*`person`"):
            READERS["table"](path, "/media", **options)
    numbered = write("numbered.csv", "file,label_id,label\na.mp4,2,run\nb.mp4,0,bend\n")
    assert READERS["table"](numbered, "/media").classes == ("bend", "class 1", "run")
    assert READERS["table"](write("plain.csv", "file\na.mp4\n"), "/media").classes == ()
    digits = write("digits.csv", "file,label\na.mp4,10\nb.mp4,9\n")
    assert READERS["table"](digits, "/media").classes == ("9", "10")


def test_labels_of_a_table_may_be_votes(write, tmp_path):
    rows = [{"file": "a.mp4", "label": {"run": 3, "walk": 1}}, {"file": "b.mp4", "label": "bend"},
            {"file": "c.mp4", "label": {"walk": 0.2, "run": 0}}]  # fmt: skip
    soft = (1, ((1, 0.75), (2, 0.25)))
    expected = (("bend", "run", "walk"), [soft, (0, ()), (2, ())], 1, 2)
    text = "file,label\n" + 'a.mp4,"{""run"": 3, ""walk"": 1}"\nb.mp4,bend\nc.mp4,"{""walk"": 2}"\n'
    maps = pa.array(
        [[("run", 3.0), ("walk", 1.0)], [("bend", 1.0)], [("walk", 2.0)]], pa.map_(pa.string(), pa.float64())
    )
    structs = pa.array([{"run": 3, "walk": 1}, {"bend": 1}, {"walk": 1}])
    files = pa.array(["a.mp4", "b.mp4", "c.mp4"])
    for name, column in {"maps": maps, "structs": structs}.items():
        pq.write_table(pa.table({"file": files, "label": column}), tmp_path / f"{name}.parquet")
    lines = "\n".join(map(json.dumps, rows))
    for path in (
        write("a.jsonl", lines),
        write("a.csv", text),
        tmp_path / "maps.parquet",
        tmp_path / "structs.parquet",
    ):
        found = READERS["table"](path, "/media")
        labels = [(one.label, one.soft) for one in found]
        assert (found.classes, labels, found.softly, found.highest_label) == expected
    for wrong in ({"run": -1, "walk": 2}, {"run": 0}, {"run": "much"}):
        bad = write("bad.jsonl", json.dumps({"file": "x.mp4", "label": wrong}))
        with pytest.raises(BadList, match=r"no share of any class|is no number"):
            READERS["table"](bad, "/media")
    unknown = write("unknown.jsonl", lines)
    with pytest.raises(BadList, match=r"a.mp4.*unknown class `walk`"):
        READERS["table"](unknown, "/media", classes=["bend", "run"])
    both = write("both.csv", "file,label_id,label\n" + 'a.mp4,0,"{""run"": 3, ""walk"": 1}"\n')
    with pytest.raises(BadList, match="votes and a label_id"):
        READERS["table"](both, "/media", classes=["run", "walk"])


def test_a_table_names_the_first_of_all_its_bad_rows(write):
    good = "".join(f"{number}.mp4,run,0,1\n" for number in range(9))
    bad = "x.mp4,run\ny.mp4,run, fast,0,1\n" + "".join(f"z{number}.mp4,jupm,0,1\n" for number in range(5))
    path = write("bad.csv", "file,label,start,end\n" + good + bad + ",run,0,1\nw.mp4,run,2,1\n")
    with pytest.raises(BadList) as caught:
        READERS["table"](path, "/media", classes=["run", "jump"])
    said = str(caught.value)
    assert "9 rows of" in said
    assert "line 11 has 2 columns, the first line 4" in said
    assert "line 12 has 5 columns" in said
    assert "z0.mp4" in said and "unknown class `jupm`" in said and "`jump`" in said
    assert "z2.mp4" in said and "z3.mp4" not in said
    two = write("two.csv", "file,label_id,label\na.mp4,0,run\nb.mp4,0,walk\nc.mp4,one,run\n")
    with pytest.raises(BadList, match=r"2 rows(.|\n)*b\.mp4(.|\n)*c\.mp4"):
        READERS["table"](two, "/media")
    with pytest.raises(BadList, match="no column file"):
        READERS["table"](write("other.csv", "clip,label\na.mp4,run\n"), "/media")


def test_webdataset_members_of_one_key_are_one_sample(tmp_path):
    with tarfile.open(tmp_path / "shard-000000.tar", "w") as tar:
        for name, data in [
            ("a.json", b'{"video": "film", "caption": "from json"}'),
            ("a.mp4", b"clip of a"),
            ("a.txt", b"a caption"),
            ("b.json", b'{"caption": "only json"}'),
            ("b.mp4", b"clip of b"),
            ("c.txt", b"no medium"),
            ("d.cls", b"7"),
            ("d.jpg", b"picture"),
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    a, b, d = READERS["webdataset"](tmp_path)
    assert (a.captions, a.source, b.captions) == (("a caption",), "film", ("only json",))
    assert (d.label, d.media) == (7, "image")
    tar, offset, size, suffix = member_of(a.path)
    assert (tmp_path / "shard-000000.tar").read_bytes()[offset : offset + size] == b"clip of a" and suffix == "mp4"
    (tmp_path / "shard-000001.tar").write_bytes((tmp_path / "shard-000000.tar").read_bytes()[:700])
    with pytest.raises(BadList, match=r"shard-000001.tar` is no readable tar file"):
        READERS["webdataset"](tmp_path)


BAD = {
    "kinetics-400": ("label,youtube_id\nx,y\n", "has no column `time_start`"),
    "webvid": ("videoid,name\n1\n", "line 2 of .* has 1 of 2 columns"),
    "vatex": ("{", "does not read"),
    "msvd": ('{"a": 1}', "is no list of records but a dict"),
    "viclip": ('[{"caption": "x"}]', "has no `video`"),
    "didemo": ("[3]", "record 0 of .* is no record but 3"),
    "internvid": ('{"YoutubeID": "x"}\nnonsense', "has no `Start_timestamp`"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_list_is_named_with_what_is_wrong_and_what_to_do(name, write, tmp_path):
    content, problem = BAD[name]
    suffix = ".csv" if "," in content.splitlines()[0] else ".jsonl" if name == "internvid" else ".json"
    with pytest.raises(BadList, match=problem) as caught:
        READERS[name](write(f"bad{suffix}", content), tmp_path)
    assert f"bad{suffix}" in caught.value.problem


def test_class_names_that_come_twice_in_other_spellings_are_refused():
    with pytest.raises(BadList, match="`Brush Hair` comes twice, as number 0 and 1"):
        class_numbers(["brush_hair", "Brush Hair"])


def test_equal_names_in_two_corpora_are_different_clips(write):
    path = write("l.txt", "a.mp4 0\n")
    first, second = (READERS["labelled-list"](path, "/media", corpus=name)[0] for name in ("one", "two"))
    elsewhere = READERS["labelled-list"](path, "/other", corpus="one")[0]
    assert first.uid != second.uid and first.uid == elsewhere.uid
