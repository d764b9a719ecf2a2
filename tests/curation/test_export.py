"""What leaves the dataset is complete, exact, the same every time, and can be found again."""

import csv
import dataclasses
import hashlib
import io
import json
import re
import tarfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.export.clips import export_clips, place_of
from internvideo.curation.export.cutting import CutOptions
from internvideo.curation.export.data import ClipRow, ExportData
from internvideo.curation.export.fiftyone import export_fiftyone
from internvideo.curation.export.internvid import COLUMNS, export_internvid, timestamp, youtube_id
from internvideo.curation.export.webdataset import export_webdataset
from internvideo.errors import StoreError
from internvideo.video.cut import CannotWrite
from internvideo.video.reader import open_video
from internvideo.video.render import write_video

FAST = CutOptions(quality=35)
NAMES = ["dQw4w9WgXcQ_10.mp4", "a film 视频.mp4", "caf\\xe9.mkv"]


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, Path]:
    """Three films of 30 frames, 25 a second, by the hash of their bytes."""
    folder = tmp_path_factory.mktemp("films")
    found = {}
    for number in range(3):
        path = folder / f"{number}.mp4"
        frames = [np.full((48, 64, 3), 40 * number + 4 * t, np.uint8) for t in range(30)]
        write_video(path, frames, fps=Fraction(25), audio="tone" if number else None)
        found[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    return dict(sorted(found.items()))


def dataset(films: dict[str, Path], *, without_captions: tuple[int, ...] = (4,)) -> ExportData:
    """Three clips of ten frames of each film; some texts."""
    rows, texts = [], []
    for (video, path), name in zip(films.items(), NAMES, strict=True):
        with open_video(path) as opened:
            ticks, base = opened.ticks.tolist(), opened.time_base
        step = ticks[1] - ticks[0]
        for place, first in enumerate((0, 10, 20)):
            start, end = ticks[first], ticks[first] + 10 * step
            clip = f"{video[:12]}.0.{start}-{end}"
            rows.append(
                {
                    "clip": clip,
                    "video": video,
                    "stream": 0,
                    "start": start,
                    "end": end,
                    "start_seconds": float(start * base),
                    "end_seconds": float(end * base),
                    "frames": 10,
                    "video_time_base": str(base),
                    "video_container": "mov,mp4,m4a,3gp,3g2,mj2",
                    "path": f"/home/someone/films/{name}",
                    "source": ["news", "a/b: c?", "CON"][list(films).index(video)],
                    "licence": None if place else "CC-BY-4.0",
                    "motion_mean": float("nan") if place == 1 else 0.5 * place,
                    "imported_umt_score": 0.31 if place == 2 else None,
                }
            )
            if len(rows) - 1 not in without_captions:
                text = {"video": video, "origin": "x.json", "language": "en", "covers": 1.0}
                texts.append(
                    {**text, "clip": clip, "item": 0, "text": f'clip {len(rows)}, "quoted"\n犬', "scale": "clip"}
                )
                texts.append({**text, "clip": clip, "item": 1, "text": "what is said", "scale": "transcript"})
    return ExportData(
        dataset="my-dataset",
        view="default",
        clip_set="shots",
        clips=pa.Table.from_pylist(rows),
        captions=pa.Table.from_pylist(texts),
        files={video: (path, path.stat().st_size) for video, path in films.items()},
    )


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file of a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def samples(folder: Path) -> list[dict]:
    """What a plain WebDataset loop reads: members of all shards, grouped by what precedes the first dot."""
    found: list[dict] = []
    for shard in sorted(folder.glob("shard-*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, suffix = Path(member.name).name.partition(".")
                if not found or found[-1]["__key__"] != key:
                    found.append({"__key__": key, "__shard__": shard.name})
                found[-1][suffix] = tar.extractfile(member).read()
    return found


def frames_of(film: bytes, tmp_path: Path) -> int:
    (tmp_path / "one.mp4").write_bytes(film)
    with open_video(tmp_path / "one.mp4") as video:
        return len(video)


# ---- fiftyone


def test_fiftyone_gets_a_detection_per_clip_and_the_places_of_the_videos(films, tmp_path):
    data = dataset(films)
    summary = export_fiftyone(data, tmp_path / "out")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text("utf-8"))["labels"]
    media = json.loads((tmp_path / "out" / "data.json").read_text("utf-8"))
    assert media == {video: str(path) for video, path in films.items()} and labels.keys() == media.keys()
    told = [one for video in sorted(labels) for one in labels[video]]
    assert [one["attributes"]["clip"] for one in told] == [clip.name for clip in data.rows] and summary.clips == 9
    assert [one["label"] for one in told] == [data.best.get(clip.name, "clip") for clip in data.rows]
    assert all(0 <= start < end for start, end in (one["timestamps"] for one in told))
    before = contents(tmp_path / "out")
    export_fiftyone(data, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    lost = dataclasses.replace(data, files=dict(list(data.files.items())[1:]))
    again = export_fiftyone(lost, tmp_path / "other")
    assert again.clips == 6 and {reason for _, reason in again.skipped} == {"its video has no file"}


# ---- webdataset


def test_shards_are_read_by_a_plain_loop_and_hold_every_clip_in_order(films, tmp_path):
    data = dataset(films)
    summary = export_webdataset(data, tmp_path / "out", cut=FAST, clips_per_shard=4)
    read = samples(tmp_path / "out")
    assert [sample["__key__"] for sample in read] == [row.name.replace(".", "_") for row in data.rows]
    assert [sample["__shard__"][6:12] for sample in read] == ["000000"] * 4 + ["000001"] * 4 + ["000002"]
    assert summary.clips == 9 and not summary.skipped
    for number, (sample, row) in enumerate(zip(read, data.rows, strict=True), start=1):
        known = json.loads(sample["json"])
        assert known["clip"] == row.name and known["start"] == row.start and known["cut"]["frames"] == 10
        assert known["cut"]["sha256"] == hashlib.sha256(sample["mp4"]).hexdigest()
        assert known["values"]["motion_mean"] is None or known["values"]["motion_mean"] in (0.0, 1.0)
        assert frames_of(sample["mp4"], tmp_path) == 10
        if number == 5:
            assert "txt" not in sample and known["caption"] is None and known["captions"] == []
        else:
            assert sample["txt"].decode() == known["caption"] == f'clip {number}, "quoted"\n犬'
            assert [text["scale"] for text in known["captions"]] == ["clip", "transcript"]


def test_the_map_leads_to_the_bytes_of_each_film(films, tmp_path):
    export_webdataset(dataset(films), tmp_path, cut=FAST, clips_per_shard=4)
    read = {sample["__key__"]: sample for sample in samples(tmp_path)}
    for row in pq.read_table(tmp_path / "clip_map.parquet").to_pylist():
        with (tmp_path / row["tar"]).open("rb") as file:
            file.seek(row["offset"])
            assert file.read(row["size"]) == read[row["key"]]["mp4"]
        assert row["key"] == row["clip"].replace(".", "_")


def test_the_index_counts_what_is_there(films, tmp_path):
    export_webdataset(dataset(films), tmp_path, cut=FAST, clips_per_shard=4)
    index = json.loads((tmp_path / "index.json").read_text())
    assert (index["clips"], index["with_caption"]) == (9, 8)
    assert [shard["clips"] for shard in index["shards"]] == [4, 4, 1]
    assert index["seconds"] == pytest.approx(9 * 0.4)
    for shard in index["shards"]:
        data = (tmp_path / shard["name"]).read_bytes()
        assert len(data) == shard["bytes"] and hashlib.sha256(data).hexdigest() == shard["sha256"]


def test_members_name_nobody_and_no_time(films, tmp_path):
    export_webdataset(dataset(films), tmp_path, cut=FAST)
    with tarfile.open(tmp_path / "shard-000000.tar") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
    for path in tmp_path.iterdir():
        assert b"/home/someone" not in path.read_bytes()


def test_the_same_export_has_the_same_bytes_with_any_number_of_workers(films, tmp_path):
    for name, workers in (("one", 1), ("three", 3)):
        export_webdataset(dataset(films), tmp_path / name, cut=FAST, clips_per_shard=4, workers=workers)
        export_clips(dataset(films), tmp_path / f"{name}-clips", cut=FAST, workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    assert contents(tmp_path / "one-clips") == contents(tmp_path / "three-clips")


def test_a_shard_is_closed_before_it_grows_too_large(films, tmp_path):
    data = dataset(films)
    export_webdataset(data, tmp_path / "all", cut=FAST)
    whole = (tmp_path / "all" / "shard-000000.tar").stat().st_size
    limit = whole // 2
    export_webdataset(data, tmp_path / "small", cut=FAST, bytes_per_shard=limit)
    sizes = [path.stat().st_size for path in sorted((tmp_path / "small").glob("*.tar"))]
    assert len(sizes) >= 2 and all(size <= limit + tarfile.RECORDSIZE for size in sizes)
    assert len(samples(tmp_path / "small")) == 9
    export_webdataset(data, tmp_path / "tiny", cut=FAST, bytes_per_shard=1)
    assert len(list((tmp_path / "tiny").glob("*.tar"))) == 9


# ---- being killed, and going on


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("export", [export_webdataset, export_clips], ids=["webdataset", "clips"])
@pytest.mark.parametrize("after", [1, 2, 4, 7, 9])
def test_a_killed_export_goes_on_and_ends_with_the_same_bytes(films, tmp_path, export, after, monkeypatch):
    options = {"clips_per_shard": 2} if export is export_webdataset else {}
    data = dataset(films)
    export(data, tmp_path / "whole", cut=FAST, **options)

    def stop(done: int, total: int, name: str) -> None:
        if done == after:
            raise Killed

    with pytest.raises(Killed):
        export(data, tmp_path / "killed", cut=FAST, workers=2, progress=stop, **options)
    again: list[int] = []
    export(data, tmp_path / "killed", cut=FAST, progress=lambda done, *_: again.append(done), **options)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert len(again) <= 9 - after + 2  # at most the shard that was open is made again


@pytest.mark.parametrize("export", [export_webdataset, export_clips])
def test_a_finished_export_is_not_made_again(films, tmp_path, export):
    first = export(dataset(films), tmp_path, cut=FAST)
    before = contents(tmp_path)
    made: list[str] = []
    assert export(dataset(films), tmp_path, cut=FAST, progress=lambda *told: made.append(told[2])) == first
    assert not made and contents(tmp_path) == before


def test_a_lost_or_torn_shard_is_made_again(films, tmp_path):
    export_webdataset(dataset(films), tmp_path, cut=FAST, clips_per_shard=2)
    before = contents(tmp_path)
    (tmp_path / "shard-000003.tar").unlink()
    export_webdataset(dataset(films), tmp_path, cut=FAST, clips_per_shard=2)
    assert contents(tmp_path) == before
    (tmp_path / "shard-000001.tar").write_bytes(b"torn")
    with (tmp_path / "export.jsonl").open("ab") as journal:
        journal.write(b'{"files": [{"name": "shard-0')
    export_webdataset(dataset(films), tmp_path, cut=FAST, clips_per_shard=2)
    assert contents(tmp_path) == before


def test_an_export_of_a_changed_dataset_starts_over_and_leaves_nothing_behind(films, tmp_path):
    data = dataset(films)
    export_webdataset(data, tmp_path / "out", cut=FAST, clips_per_shard=2)
    fewer = replace(data, clips=data.clips.slice(0, 3))
    export_webdataset(fewer, tmp_path / "out", cut=FAST, clips_per_shard=2)
    export_webdataset(fewer, tmp_path / "fresh", cut=FAST, clips_per_shard=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_what_a_kill_left_lying_about_is_swept_away(films, tmp_path):
    export_webdataset(dataset(films), tmp_path, cut=FAST, clips_per_shard=4)
    before = contents(tmp_path)
    (tmp_path / ".cuts").mkdir()
    for name in (".cuts/half.mp4", "shard-000001.tar.tmp", "shard-000007.tar", "index.json.tmp"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "manifest.json").unlink()
    export_webdataset(dataset(films), tmp_path, cut=FAST, clips_per_shard=4)
    assert contents(tmp_path) == before


def test_a_journal_cannot_make_an_export_remove_other_files(films, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    names = ["../mine.txt", str(tmp_path / "mine.txt")]
    lines = [{"format": "clips", "made_from": "x"}, {"files": [{"name": name, "bytes": 4} for name in names], "row": 0}]
    (out / "export.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert export_clips(dataset(films), out, cut=FAST).clips == 9
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_with_other_things_is_refused(films, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for export in (export_webdataset, export_clips, export_internvid):
        with pytest.raises(StoreError, match=re.escape("notes.txt")):
            export(dataset(films), tmp_path / "full")
    export_internvid(dataset(films), tmp_path / "list")
    with pytest.raises(StoreError, match="internvid"):
        export_clips(dataset(films), tmp_path / "list")
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


# ---- bad clips


def test_clips_that_cannot_be_cut_are_named_and_the_others_kept(films, tmp_path, shared):
    data = dataset(films)
    videos = list(films)
    page = shared / "data/hard/made/broken_html_error_page.mp4"
    changed = {
        videos[0]: (tmp_path / "gone.mp4", 5),
        videos[1]: (page, page.stat().st_size),
    }
    bad = replace(data, files={**data.files, **changed})
    for export in (export_webdataset, export_clips):
        summary = export(bad, tmp_path / export.__name__, cut=FAST)
        assert summary.clips == 3 and [clip for clip, _ in summary.skipped] == [row.name for row in data.rows[:6]]
        assert "missing: there is no file" in summary.skipped[0][1] and "not-a-video" in summary.skipped[3][1]
        manifest = json.loads((tmp_path / export.__name__ / "manifest.json").read_text())
        assert [entry["clip"] for entry in manifest["skipped"]] == [row.name for row in data.rows[:6]]
        assert manifest["clips"] == 3


def test_a_file_that_is_not_what_it_was_is_not_cut(films, tmp_path):
    data = dataset(films)
    video = data.rows[0].video
    larger = replace(data, files={**data.files, video: (data.files[video][0], 1)})
    assert "changed" in export_clips(larger, tmp_path / "a", cut=FAST).skipped[0][1]
    frames = pa.array([9, *[10] * 8], pa.int32())
    place = data.clips.column_names.index("frames")
    counted = replace(data, clips=data.clips.set_column(place, "frames", frames))
    summary = export_clips(counted, tmp_path / "b", cut=FAST)
    assert [reason for _, reason in summary.skipped] == ["it has 10 frames now, 9 when the dataset was made"]
    nowhere = replace(data, files={})
    assert export_webdataset(nowhere, tmp_path / "c", cut=FAST).clips == 0


def test_a_place_that_cannot_be_written_stops_the_export(films, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for export in (export_webdataset, export_clips, export_internvid):
        with pytest.raises((StoreError, CannotWrite)):
            export(dataset(films), tmp_path / "file" / "out")


def test_nothing_to_export_is_an_export_too(films, tmp_path):
    data = dataset(films)
    none = replace(data, clips=data.clips.slice(0, 0), captions=data.captions.slice(0, 0))
    for export in (export_webdataset, export_clips, export_internvid):
        assert export(none, tmp_path / export.__name__).clips == 0
        assert json.loads((tmp_path / export.__name__ / "manifest.json").read_text())["clips"] == 0


# ---- manifest


@pytest.mark.parametrize("export", [export_webdataset, export_clips, export_internvid])
def test_the_manifest_says_what_has_left_the_dataset(films, tmp_path, export):
    data = dataset(films)
    summary = export(data, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["dataset"], manifest["view"], manifest["clip_set"]) == ("my-dataset", "default", "shots")
    assert (manifest["clips"], manifest["videos"]) == (9, 3)
    ids = pq.read_table(tmp_path / "ids.parquet")
    assert ids["clip"].to_pylist() == [row.name for row in data.rows]
    assert manifest["ids_sha256"] == hashlib.sha256("\n".join(ids["clip"].to_pylist()).encode()).hexdigest()
    listed = {file["name"]: file["sha256"] for file in manifest["files"]}
    found = contents(tmp_path)
    assert listed == {name: hash_ for name, hash_ in found.items() if name not in ("manifest.json", "export.jsonl")}
    assert summary.files == len(listed) + 1
    assert not re.search(r"20\d\d-\d\d-\d\d|T\d\d:\d\d", (tmp_path / "manifest.json").read_text())


# ---- internvid


def test_the_list_has_the_six_columns_of_the_release_in_their_order(films, tmp_path):
    data = dataset(films)
    export_internvid(data, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "internvid.jsonl").read_text("utf-8").splitlines()]
    assert all(tuple(row) == COLUMNS for row in rows) and len(rows) == 9
    assert [row["Start_timestamp"] for row in rows[:3]] == ["00:00:00.000", "00:00:00.400", "00:00:00.800"]
    assert [row["End_timestamp"] for row in rows[:3]] == ["00:00:00.400", "00:00:00.800", "00:00:01.200"]
    assert [row["YoutubeID"] for row in rows[::3]] == ["dQw4w9WgXcQ", data.rows[3].video[:12], data.rows[6].video[:12]]
    assert rows[0]["Caption"] == 'clip 1, "quoted"\n犬' and rows[4]["Caption"] is None
    assert [row["UMT_Score"] for row in rows[:3]] == [None, None, 0.31]
    assert all(row["Aesthetic_Score"] is None for row in rows)


def test_extras_follow_the_six_columns_only_when_asked(films, tmp_path):
    data = dataset(films)
    export_internvid(data, tmp_path, extras=True)
    rows = [json.loads(line) for line in (tmp_path / "internvid.jsonl").read_text("utf-8").splitlines()]
    for row, clip in zip(rows, data.rows, strict=True):
        assert tuple(row)[:6] == COLUMNS
        assert (row["clip"], row["video"], row["file"]) == (clip.name, clip.video, clip.file)
        assert (row["start_tick"], row["end_tick"]) == (clip.start, clip.end)
        assert "motion_mean" in row and "path" not in row
    assert (rows[0]["language"], rows[0]["words"], rows[0]["licence"]) == ("en", 4, "CC-BY-4.0")
    assert (rows[4]["language"], rows[4]["words"]) == (None, None)


def test_times_count_from_the_start_of_the_film_also_in_transport_streams(films, tmp_path):
    data = dataset(films)
    container = data.clips.column_names.index("video_container")
    shifted = data.clips.set_column(container, "video_container", pa.array(["mpegts"] * 9))
    shifted = shifted.append_column(
        "decoding_first_tick", pa.array([-int(Fraction(7) / row.time_base) for row in data.rows])
    )
    export_internvid(replace(data, clips=shifted), tmp_path)
    first = json.loads((tmp_path / "internvid.jsonl").read_text("utf-8").splitlines()[0])
    assert (first["Start_timestamp"], first["End_timestamp"]) == ("00:00:07.000", "00:00:07.400")


@given(st.fractions(0, 400_000, max_denominator=90_000))
def test_time_stamps_are_read_back_to_the_millisecond_below(seconds):
    hours, minutes, rest = timestamp(seconds).split(":")
    back = int(hours) * 3600 + int(minutes) * 60 + Fraction(rest)
    assert 0 <= seconds - back < Fraction(1, 1000)
    assert len(rest) == 6 and int(minutes) < 60 and Fraction(rest) < 60


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dQw4w9WgXcQ.mp4", "dQw4w9WgXcQ"),
        ("-0-QbZ6lWBQ_00_01.mp4", "-0-QbZ6lWBQ"),
        ("A title [dQw4w9WgXcQ].webm", "dQw4w9WgXcQ"),
        ("dQw4w9WgXcQ_holiday.mp4", None),
        ("documentary.mp4", None),
        ("dQw4w9WgXcX.mp4", None),  # no id ends so
        ("holiday-2019.mp4", None),
        ("", None),
    ],
)
def test_ids_are_taken_from_names_that_carry_one(name, expected):
    assert youtube_id(name) == expected


# ---- clips


def test_cut_files_lie_by_source_and_the_table_names_them(films, tmp_path):
    data = dataset(films)
    export_clips(data, tmp_path, cut=FAST)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "clips.csv").read_text("utf-8"), newline="")))
    assert [row["clip"] for row in rows] == [row.name for row in data.rows]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["_CON", "a_b_c", "news"]
    for row, clip in zip(rows, data.rows, strict=True):
        with open_video(tmp_path / row["file"]) as video:
            assert len(video) == int(row["frames"]) == clip.frames
    assert rows[0]["caption"] == 'clip 1, "quoted"\n犬' and rows[4]["caption"] == ""
    assert rows[0]["file"].startswith("news/dQw4w9WgXcQ_10_00000.000s_")


@given(source=st.text(max_size=80), file=st.text(max_size=80), start=st.integers(0, 10**9))
def test_every_place_is_a_plain_path_of_two_parts(source, file, start):
    clip = ClipRow(
        "ab" * 6 + f".0.{start}-{start + 1}", "ab" * 32, 0, start, start + 1, Fraction(1, 1000), 1, source, file
    )
    folder, _, name = place_of(clip).partition("/")
    for part in (folder, name):
        assert part and part not in (".", "..") and not set(part) & set('/\\:*?"<>|\0\n') and len(part) < 160
        part.encode("utf-8")


def test_keys_hold_nothing_that_a_loader_or_a_file_system_reads_as_something_else():
    clip = ClipRow("ext:list:a/b.c.0.1-2", "ext:list:a/b.c", 0, 1, 2, None, None, "", "")
    assert clip.key == "ext_list_a_b_c_0_1-2"
