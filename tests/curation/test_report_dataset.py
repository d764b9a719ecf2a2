"""A dataset's report tells what is in its folder: kept and dropped clips, doubles, failures, versions."""

from pathlib import Path

import pytest

from internvideo.curation.finish import make_views
from internvideo.curation.report.adapter import report_data, thresholds_of, write_report
from internvideo.curation.report.data import Facts
from internvideo.curation.select import Rank, Rule, ViewRecipe
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
    data = report_data(dataset, "second")
    rows = list(zip(data.clips["video"].to_pylist(), data.kept, data.clips["dropped_by"].to_pylist(), strict=True))
    assert all(kept == (video == videos[1]) and (reason is None) == kept for video, kept, reason in rows)
    assert (data.files, data.copies, data.videos.num_rows) == (2, 0, 2)
    assert (data.funnel[0].rule, data.funnel[0].came, data.funnel[0].kept) == ("it moves", 4, 2)
    assert data.captions.num_rows == 8 and data.clips["source"].to_pylist()[0].startswith("channel")
    with pytest.raises(StoreError, match="secnd"):
        report_data(dataset, "secnd")


def test_dropped_clips_have_the_step_that_dropped_them_and_thresholds_are_found(tmp_path):
    dataset = Dataset.create(tmp_path / "d", shards=1)
    fill(dataset, tmp_path)
    rules = (Rule("early", "start_seconds < 0.3 AND seconds > 0.1"), Rule("never a number", "path LIKE '%film%'"))
    recipe = ViewRecipe(name="strict", rules=rules, ranks=(Rank("best", "duplicates_similarity", keep_top=0.5),))
    with dataset.writer() as writer:
        make_views(writer, dataset, [recipe, ViewRecipe(name="every")], lambda _: None)
    data = report_data(dataset, "strict")
    reasons = data.clips["dropped_by"].to_pylist()
    assert sorted(reasons, key=str) == [None, "best", "early", "early"]
    assert [step.rule for step in data.funnel] == ["early", "never a number", "best"]
    asked = [(t.rule, t.column, t.relation, t.value) for t in data.thresholds]
    assert asked == [("early", "start_seconds", "<", 0.3), ("early", "seconds", ">", 0.1)]
    assert report_data(dataset, "every").kept.all()
    assert write_report(dataset, "strict", tmp_path / "r.html").read_text("utf-8").count("Start seconds") >= 1


def test_a_view_that_cannot_be_applied_any_more_names_no_rule(made):
    dataset, _, _ = made
    data = report_data(dataset, "second")
    assert {*data.clips["dropped_by"].to_pylist()} == {None, "not in the view"}


def test_without_a_view_every_shot_is_kept(made):
    dataset, _, _ = made
    data = report_data(dataset, None)
    assert data.kept.all() and data.view == "all shots" and not data.funnel


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("seconds >= 2", [("seconds", ">=", 2.0)]),
        ("  (seconds<=20.5) ", [("seconds", "<=", 20.5)]),
        ("0.5 < motion_flow_mean", [("motion_flow_mean", ">", 0.5)]),
        ('"a_b" BETWEEN -1 AND 1e3', [("a_b", ">=", -1.0), ("a_b", "<=", 1000.0)]),
        ("a > 1 and b < 2", [("a", ">", 1.0), ("b", "<", 2.0)]),
        ("a > 1 OR b < 2", []),
        ("a = 0", []),
        ("duplicates_keeper", []),
        ("abs(a) > 1", []),
        ("a > 1 AND b LIKE 'x'", []),
    ],
)
def test_plain_comparisons_are_read_as_thresholds_and_nothing_else(expression, expected):
    assert [(t.column, t.relation, t.value) for t in thresholds_of("rule", expression)] == expected


def test_what_the_last_run_measured_is_told_if_it_left_a_note(made):
    dataset, _, _ = made
    assert [facts.title for facts in report_data(dataset, None).facts] == ["Versions"]
    (dataset.path / "runs").mkdir()
    for text, titles in [('{"frames": 120, "times_real_time": 3.5}', ["The run", "Versions"]), ("[1", ["Versions"])]:
        (dataset.path / "runs" / "rates.json").write_text(text)
        assert [facts.title for facts in report_data(dataset, None).facts] == titles


def test_groups_have_their_keeper_first(made):
    dataset, videos, _ = made
    data = report_data(dataset, "second")
    (group,) = data.groups
    assert [member.keeper for member in group] == [True, False] and group[1].similarity == pytest.approx(0.9)
    assert data.clips["video"][group[0].clip].as_py() == videos[0]


def test_the_report_is_written_with_pictures_and_the_second_one_equals_the_first(made):
    dataset, videos, folder = made
    path = write_report(dataset, "second", facts=[Facts("The run", [("Speed", "9 frames/s")])])
    text = path.read_text("utf-8")
    assert path == dataset.path / "report.html" and text.count("data:image/jpeg") >= 4
    assert "clips &amp; films" in text and "9 frames/s" in text and SHOTS.key in text and str(folder) not in text
    cached = sorted((dataset.path / "cache" / "thumbnails").iterdir())
    assert len(cached) == 4 and videos[0][:12] in " ".join(file.name for file in cached)
    assert (
        write_report(dataset, "second", facts=[Facts("The run", [("Speed", "9 frames/s")])]).read_text("utf-8") == text
    )


def test_failures_of_files_and_of_operators_are_told_with_advice(tmp_path):
    dataset = Dataset.create(tmp_path / "d", shards=1)
    videos = fill(dataset, tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"x")
    with dataset.writer() as writer:
        writer.register(SHOTS, DOUBLES)
        writer.remember(FileRecord.of(tmp_path, Path("broken.mp4")), TruncatedVideo("it ends too early", "fetch it"))
        writer.commit(videos[1], [Failure(SHOTS, "", "damaged", "not one shot")])
    data = report_data(dataset, "second")
    told = {(failure.kind, failure.message, bool(failure.advice)) for failure in data.failures}
    assert told == {("truncated", "it ends too early", True), ("damaged", "shots: not one shot", True)}
    assert data.files == 3
