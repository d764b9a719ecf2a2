"""Frame shards: the clips come back, the same bytes every time, killed runs go on, what is broken is listed."""

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from internvideo.datasets import frame_shards
from internvideo.datasets.curated import read_curated
from internvideo.datasets.frame_shards import FrameShardOptions, read_frame_shards, write_frame_shards
from internvideo.datasets.lists import BadList
from internvideo.datasets.loader import Corpus, Loader
from internvideo.datasets.pixels import frames_of
from internvideo.datasets.readers import READERS
from internvideo.datasets.sample import Samples
from internvideo.errors import StoreError, UsageError
from internvideo.records import Span
from internvideo.store import Dataset
from internvideo.video.sampling import middle
from tests.curation.small_dataset import fill
from tests.datasets.worlds import films, recipe, shown

SMALL = FrameShardOptions(frames=4, side=16, clips_per_shard=3)


@pytest.fixture
def eight(tmp_path):
    return films(tmp_path / "films", 8)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_clips_come_back_with_all_that_is_said_of_them(eight, tmp_path, form):
    eight = Samples(replace(one, soft=((one.label, 0.75), (9, 0.25)) if one.label % 2 else ()) for one in eight)
    options = FrameShardOptions(frames=4, side=16, clips_per_shard=3, form=form)
    summary = write_frame_shards(eight, tmp_path / "out", options)
    assert (summary.files, summary.clips, summary.skipped) == (7, 8, [])
    assert summary.bytes == sum(path.stat().st_size for path in (tmp_path / "out").glob("*.tar"))
    back = READERS["frames"](tmp_path / "out")
    facts = [(s.uid, s.captions, s.label, s.source, s.media, s.soft) for s in eight]
    assert [(s.uid, s.captions, s.label, s.source, s.media, s.soft) for s in back] == facts
    for source, sample in zip(eight, back, strict=True):
        frames = frames_of(sample, lambda count: range(count))
        original = frames_of(source, lambda count: middle(count, 4))
        assert frames.shape == (4, 16, 21, 3)
        assert np.abs(frames.mean((1, 2, 3)) - original.mean((1, 2, 3))).max() < 2


def test_training_from_shards_shows_the_right_film(eight, tmp_path):
    write_frame_shards(eight, tmp_path / "out", SMALL)
    with Loader([Corpus("films", read_frame_shards(tmp_path / "out"))], recipe(), batch=8) as loader:
        batch = next(iter(loader))
    assert [shown(clip) for clip in batch["video"]] == batch["label"].tolist()


def test_shards_are_an_ordinary_webdataset(eight, tmp_path):
    write_frame_shards(eight, tmp_path / "out", SMALL)
    with tarfile.open(tmp_path / "out/shard-000000.tar") as tar:
        names = tar.getnames()
    assert names[:5] == [f"000000000.{number:03d}.jpg" for number in range(4)] + ["000000000.json"]
    assert len(names) == 15 and names[-1] == "000000002.json"


def test_the_same_list_gives_the_same_bytes_with_any_number_of_workers(eight, tmp_path):
    for name, workers in (("a", 1), ("b", 3)):
        write_frame_shards(eight, tmp_path / name, SMALL, workers=workers)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_killed_run_keeps_its_finished_shards(eight, tmp_path, monkeypatch):
    write_frame_shards(eight, tmp_path / "whole", SMALL)
    plain, calls = frame_shards._encoded, []

    def dying(frame, options):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return plain(frame, options)

    monkeypatch.setattr(frame_shards, "_encoded", dying)
    with pytest.raises(KeyboardInterrupt):
        write_frame_shards(eight, tmp_path / "out", SMALL, workers=1)
    with pytest.raises(BadList, match=r"has 1 of 3 frame shards"):
        read_frame_shards(tmp_path / "out")
    calls.clear()
    monkeypatch.setattr(frame_shards, "_encoded", lambda frame, options: calls.append(1) or plain(frame, options))
    write_frame_shards(eight, tmp_path / "out", SMALL)
    assert len(calls) == 20  # five clips of four frames: the first shard was kept
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_cannot_be_read_is_listed_and_left_out(eight, tmp_path):
    Path(eight[4].path).write_text("no video")
    told = []
    summary = write_frame_shards(eight, tmp_path / "out", SMALL, progress=lambda *row: told.append(row))
    assert summary.clips == 7 and [name for name, _ in summary.skipped] == ["000000004"]
    assert summary.skipped[0][1].startswith("not-a-video: ")
    assert [sample.label for sample in read_frame_shards(tmp_path / "out")] == [0, 1, 2, 3, 5, 6, 7]
    assert told[-1] == (8, 8, "000000007")
    assert write_frame_shards(eight, tmp_path / "out", SMALL) == summary  # finished: only counted again


def test_a_folder_of_something_else_is_refused(eight, tmp_path):
    write_frame_shards(eight, tmp_path / "out", SMALL)
    with pytest.raises(StoreError, match="holds frame shards of another list or with other options"):
        write_frame_shards(eight[:4], tmp_path / "out", SMALL)
    with pytest.raises(StoreError, match=r"holds `0.mp4`"):
        write_frame_shards(eight, tmp_path / "films", SMALL)
    with pytest.raises(BadList, match="cannot read"):
        read_frame_shards(tmp_path / "films")
    with pytest.raises(UsageError, match="unknown picture format `png`"):
        FrameShardOptions(form="png")


def test_a_curated_dataset_is_a_list_of_its_clips_with_their_best_captions(tmp_path):
    (tmp_path / "films").mkdir()
    dataset = Dataset.create(tmp_path / "ds", shards=2)
    videos = fill(dataset, tmp_path / "films")
    samples = read_curated(tmp_path / "ds")
    assert len(samples) == 4 and samples.captioned == 2
    first = next(sample for sample in samples if sample.captions)
    assert first.captions == ("about it",) and first.span == Span(0.0, 0.4)
    assert {Path(sample.path).name for sample in samples} == {"film 0.mp4", "film 1.mp4"}
    assert {sample.source for sample in samples} == {"channel 0", "channel 1"}
    second = read_curated(tmp_path / "ds", view="second")
    assert len(second) == 2 and {Path(sample.path).name for sample in second} == {"film 1.mp4"}
    assert [frames_of(sample, lambda count: range(count)).shape[0] for sample in second] == [10, 10]
    with pytest.raises(StoreError, match="no view `secnd`"):
        read_curated(tmp_path / "ds", view="secnd")
    assert len(videos) == 2


def test_curated_captions_are_those_that_exports_choose(tmp_path):
    from internvideo.curation.export.data import from_dataset

    (tmp_path / "films").mkdir()
    dataset = Dataset.create(tmp_path / "ds", shards=2)
    fill(dataset, tmp_path / "films")
    exported = from_dataset(dataset, None, "shots")
    ours = read_curated(tmp_path / "ds")
    assert [sample.captions for sample in ours] == [
        (exported.best[row.name],) if row.name in exported.best else () for row in exported.rows
    ]
