"""A release: the six columns, a card that counts right, a list of removals, and the way back."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.caption_files import parse_captions
from internvideo.curation.export.hub import HubOptions, export_hub
from internvideo.curation.export.internvid import COLUMNS
from internvideo.curation.export.statistics import UNKNOWN, binned, named
from internvideo.datasets.internvid import read_internvid
from internvideo.jobs.export import export
from internvideo.jobs.upkeep import forget
from internvideo.store import Dataset
from tests.curation.small_dataset import fill
from tests.curation.test_export import FAST, contents, dataset, films  # noqa: F401  a fixture


def rows_of(folder):
    return [row for path in sorted((folder / "data").iterdir()) for row in pq.read_table(path).to_pylist()]


def test_a_release_has_the_six_columns_first_and_reads_back(films, tmp_path):  # noqa: F811
    data = dataset(films)
    summary = export_hub(data, tmp_path / "out", options=HubOptions(rows_per_file=4))
    paths = sorted((tmp_path / "out" / "data").iterdir())
    assert [path.name for path in paths] == [f"clips-0000{n}-of-00003.parquet" for n in range(3)]
    for path in paths:
        assert tuple(pq.read_schema(path).names[:8]) == (*COLUMNS, "Language", "Type")
    rows = rows_of(tmp_path / "out")
    assert [row["clip"] for row in rows] == [row.name for row in data.rows] and summary.clips == 9
    assert rows[0]["Caption"] == 'clip 1, "quoted"\n犬' and rows[0]["Language"] == "en" and rows[4]["Caption"] is None
    assert "path" not in rows[0] and rows[0]["licence"] == "CC-BY-4.0"
    texts, problems = parse_captions(paths[0].read_bytes(), "captions.parquet")
    assert not problems and [text.start for text in texts[:3]] == [0.0, 0.4, 0.8]
    samples = list(read_internvid(paths[0], tmp_path))
    assert samples[0].source == "dQw4w9WgXcQ" and (samples[1].span.start, samples[1].span.end) == (0.4, 0.8)
    export_hub(data, tmp_path / "again", options=HubOptions(rows_per_file=4))
    assert contents(tmp_path / "out") == contents(tmp_path / "again")


def test_the_card_counts_what_is_there(films, tmp_path):  # noqa: F811
    yaml, huggingface_hub = pytest.importorskip("yaml"), pytest.importorskip("huggingface_hub")
    export_hub(dataset(films), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert huggingface_hub.DatasetCard(text).data.to_dict()["license"] == head["license"]
    assert head["language"] == ["en"] and head["size_categories"] == ["n<1K"]
    assert head["configs"] == [{"config_name": "clips", "default": True, "data_files": "data/*.parquet"}]
    assert "9 clips of 3 videos" in text and "8 have a caption" in text
    counted = json.loads((tmp_path / "out" / "statistics.json").read_text("utf-8"))
    by_name = {one["name"]: one["counts"] for one in counted["distributions"]}
    assert by_name["Clip length"]["under 2"] == 9 and sum(by_name["Caption length"].values()) == 9
    assert all(f"| {column} |" in text for column in COLUMNS)
    assert (tmp_path / "out" / "figures" / "statistics.png").read_bytes()[:4] == b"\x89PNG"


def test_media_come_as_shards_that_the_list_of_files_names(films, tmp_path):  # noqa: F811
    export_hub(dataset(films), tmp_path / "out", options=HubOptions(media=True, cut=FAST))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    names = {file["name"] for file in manifest["files"]}
    assert {"media/shard-000000.tar", "media/clip_map.parquet", "README.md"} <= names
    assert "data_files: media/*.tar" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_what_is_forgotten_leaves_the_release_and_stands_in_its_list(tmp_path):
    made = Dataset.create(tmp_path / "dataset")
    (tmp_path / "films").mkdir()
    videos = fill(made, tmp_path / "films")
    with made.writer() as writer:
        keys = made.clips("shots").select(["video", "stream", "start", "end"])
        writer.save_view("everything", keys, {"clip_set": "shots", "funnel": []})
    out = tmp_path / "out"
    export(made.path, "hub", out, view="everything")
    before = rows_of(out)
    gone = forget(made.path, [videos[0]], reason="private matters", quiet=True)
    assert gone["exports"] == [str(out)]
    after = rows_of(out)
    assert {row["video"] for row in after} == {videos[1]} and len(before) == 4
    listed = [json.loads(line) for line in (out / "removals.jsonl").read_text("utf-8").splitlines()]
    assert listed[0]["video"] == videos[0] and sorted(listed[0]["clips"]) == sorted(
        row["clip"] for row in before if row["video"] == videos[0]
    )
    card = (out / "README.md").read_text("utf-8")
    assert "1 videos with 2 clips were taken out" in card
    everything = b"".join(path.read_bytes() for path in Path(out).rglob("*") if path.is_file())
    assert b"private matters" not in everything, "the reason is nobody else's business"


NUMBERS = st.lists(st.one_of(st.floats(-5, 50), st.just(float("nan"))), max_size=40)


@given(NUMBERS)
def test_bins_count_everything_once(values):
    made = binned("x", "clips", np.array(values, np.float64), (2, 4, 10), "s")
    assert sum(made.counts) == len(values)
    known = [value for value in values if value == value]
    plain = [sum(v < 2 for v in known), sum(2 <= v < 4 for v in known), sum(4 <= v < 10 for v in known)]
    assert list(made.counts[:4]) == [*plain, sum(v >= 10 for v in known)]
    assert (UNKNOWN in made.labels) == (len(known) < len(values))


@given(st.lists(st.one_of(st.none(), st.sampled_from([f"n{i}" for i in range(20)])), max_size=80))
def test_names_are_counted_once_the_commonest_first(values):
    made = named("x", "clips", values)
    assert sum(made.counts) == len(values)
    shown = [c for label, c in zip(made.labels, made.counts, strict=True) if label.startswith("n") and label != UNKNOWN]
    assert shown == sorted(shown, reverse=True)
