"""A dataset's report tells what is in its folder: kept and dropped clips, doubles, failures, versions."""

from pathlib import Path

import pyarrow as pa
import pytest

from internvideo.curation.report.data import Facts, Threshold
from internvideo.curation.report.from_dataset import Verdicts, from_dataset, report_dataset
from internvideo.errors import StoreError, TruncatedVideo
from internvideo.store import Dataset, Failure, FileRecord
from tests.curation.small_dataset import DOUBLES, SHOTS, fill


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Dataset, list[str], Path]:
    folder = tmp_path_factory.mktemp("world")
    (folder / "films").mkdir()
    dataset = Dataset.create(folder / "clips & films", shards=2)
    return dataset, fill(dataset, folder / "films"), folder / "films"


def test_kept_clips_are_those_of_the_view_and_the_rest_has_a_reason(made):
    dataset, videos, _ = made
    data = from_dataset(dataset, "second")
    rows = list(zip(data.clips["video"].to_pylist(), data.kept, data.clips["dropped_by"].to_pylist(), strict=True))
    assert all(kept == (video == videos[1]) and (reason is None) == kept for video, kept, reason in rows)
    assert (data.files, data.copies, data.videos.num_rows) == (2, 0, 2)
    assert (data.funnel[0].rule, data.funnel[0].came, data.funnel[0].kept) == ("it moves", 4, 2)
    assert data.captions.num_rows == 8 and data.clips["source"].to_pylist()[0].startswith("channel")
    with pytest.raises(StoreError, match="secnd"):
        from_dataset(dataset, "secnd")


def test_what_the_rules_said_is_told(made):
    dataset, _, _ = made
    total = len(from_dataset(dataset, "second").kept)
    verdicts = Verdicts(pa.array(["it moves"] * total), [Threshold("it moves", "duplicates_similarity", 0.5)])
    data = from_dataset(dataset, "second", verdicts=verdicts)
    assert {*data.clips["dropped_by"].to_pylist()} == {None, "it moves"}
    assert [threshold.column for threshold in data.thresholds] == ["duplicates_similarity"]


def test_groups_have_their_keeper_first(made):
    dataset, videos, _ = made
    data = from_dataset(dataset, "second")
    (group,) = data.groups
    assert [member.keeper for member in group] == [True, False] and group[1].similarity == pytest.approx(0.9)
    assert data.clips["video"][group[0].clip].as_py() == videos[0]


def test_the_report_is_written_with_pictures_and_the_second_one_equals_the_first(made):
    dataset, videos, folder = made
    path = report_dataset(dataset, "second", facts=[Facts("The run", [("Speed", "9 frames/s")])])
    text = path.read_text("utf-8")
    assert path == dataset.path / "report.html" and text.count("data:image/jpeg") >= 4
    assert "clips &amp; films" in text and "9 frames/s" in text and SHOTS.key in text and str(folder) not in text
    cached = sorted((dataset.path / "cache" / "thumbnails").iterdir())
    assert len(cached) == 4 and videos[0][:12] in " ".join(file.name for file in cached)
    assert (
        report_dataset(dataset, "second", facts=[Facts("The run", [("Speed", "9 frames/s")])]).read_text("utf-8")
        == text
    )


def test_failures_of_files_and_of_operators_are_told_with_advice(tmp_path):
    dataset = Dataset.create(tmp_path / "d", shards=1)
    videos = fill(dataset, tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"x")
    with dataset.writer() as writer:
        writer.register(SHOTS, DOUBLES)
        writer.remember(FileRecord.of(tmp_path, Path("broken.mp4")), TruncatedVideo("it ends too early", "fetch it"))
        writer.commit(videos[1], [Failure(SHOTS, "", "damaged", "not one shot")])
    data = from_dataset(dataset, "second")
    told = {(failure.kind, failure.message, bool(failure.advice)) for failure in data.failures}
    assert told == {("truncated", "it ends too early", True), ("damaged", "shots: not one shot", True)}
    assert data.files == 3
