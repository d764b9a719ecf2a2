"""What a real dataset folder says of clips, texts and files is what reports and exports are made from."""

from pathlib import Path

import pytest

from internvideo.curation.clip_tables import CAPTION_SCHEMA, captions_of, clips_of, files_of
from internvideo.curation.export.clips import export_clips
from internvideo.curation.export.data import from_dataset
from internvideo.curation.export.internvid import export_internvid
from internvideo.errors import StoreError
from internvideo.store import Dataset
from tests.curation.small_dataset import PROBE, SHOTS, fill


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Dataset, list[str], Path]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "films").mkdir()
    dataset = Dataset.create(folder / "films and clips", shards=2)
    return dataset, fill(dataset, folder / "films"), folder / "films"


def test_clips_have_their_times_facts_and_places(made):
    dataset, videos, folder = made
    table = clips_of(dataset, "shots")
    assert {"clip", "start_seconds", "end_seconds", "frames", "video_width", "video_time_base", "path"} <= {
        *table.column_names
    }
    assert sorted({*table["video"].to_pylist()}) == sorted(videos) and table.num_rows == 4
    assert {*table["path"].to_pylist()} == {str(folder / "film 0.mp4"), str(folder / "film 1.mp4")}
    assert clips_of(dataset, "shots", "second")["video"].to_pylist() == [videos[1]] * 2
    with pytest.raises(StoreError, match="shot"):
        clips_of(dataset, "shot")


def test_texts_come_best_first_and_only_for_the_clips_asked_for(made):
    dataset, videos, _ = made
    every = captions_of(dataset, clips_of(dataset, "shots"))
    assert every.schema.equals(CAPTION_SCHEMA) and every.num_rows == 8
    assert every["scale"].to_pylist()[:4] == ["clip", "video", "transcript", "title"]
    some = captions_of(dataset, clips_of(dataset, "shots", "second"))
    assert {*some["video"].to_pylist()} == {videos[1]}


def test_files_are_found_with_their_sizes(made):
    dataset, videos, folder = made
    found = files_of(dataset)
    for number, video in enumerate(videos):
        path = folder / f"film {number}.mp4"
        assert found[video] == (path, path.stat().st_size)


def test_a_view_of_a_dataset_is_exported(made, tmp_path):
    dataset, videos, _ = made
    data = from_dataset(dataset, "second", "shots")
    assert (data.dataset, data.view, len(data)) == ("films and clips", "second", 2)
    summary = export_clips(data, tmp_path / "clips")
    assert summary.clips == 2 and not summary.skipped
    assert sorted(path.name.split("_")[0] for path in (tmp_path / "clips" / "channel_1").iterdir()) == ["film", "film"]
    assert export_internvid(from_dataset(dataset, None, "shots"), tmp_path / "list", extras=True).clips == 4
    lines = (tmp_path / "list" / "internvid.jsonl").read_text("utf-8").splitlines()
    captions = [line for line in lines if '"Caption": "about it"' in line]
    assert len(lines) == 4 and len(captions) == 2 and sum('"licence": "CC0-1.0"' in line for line in lines) == 2
    assert videos[0][:12] in "".join(lines)


def test_a_dataset_without_texts_has_none(tmp_path):
    dataset = Dataset.create(tmp_path / "empty", shards=1)
    with dataset.writer() as writer:
        writer.register(SHOTS, PROBE)
    data = from_dataset(dataset, None, "shots")
    assert len(data) == 0 and data.captions.num_rows == 0 and not data.files
