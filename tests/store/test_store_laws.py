"""Same in, same out: whatever the order, the flushes, the kills and the runs before, the files are the same bytes."""

import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.store import WHOLE, Dataset
from tests.store.store_world import (
    ALL,
    GROUPS,
    OPERATORS,
    SHARDS,
    SHOTS,
    Crash,
    bytes_under,
    earlier,
    file_record,
    final,
    groups,
    shots,
    steps,
    video_id,
)

VIDEOS = 9


def run(folder: Path, order: random.Random, *, videos: int = VIDEOS, batch: int = 1, flush_every: int = 1000) -> None:
    """One run of a recipe, as the runner does it: take what is due in some order, flush now and then."""
    dataset = Dataset.open(folder) if Dataset.exists(folder) else Dataset.create(folder, shards=SHARDS)
    numbers = order.sample(range(videos), videos)
    with dataset.writer() as writer:
        writer.register(*ALL)
        for count, number in enumerate(numbers):
            video = writer.place(file_record(number)) or video_id(number)
            writer.remember(file_record(number), video, source=f"channel {number % 2}")
            todo = [spec for spec in OPERATORS if writer.due(video, spec, f"input {number}")]
            order.shuffle(todo)
            for start in range(0, len(todo), batch):
                writer.keep_piece(video, "first half", b"...")
                writer.commit(video, [final(number, spec) for spec in todo[start : start + batch]])
            if count % flush_every == flush_every - 1:
                writer.flush()
        if writer.due(WHOLE, GROUPS, "all"):
            writer.replace_all(GROUPS, groups(range(videos)), "all")
        writer.flush()
        ids = pa.concat_tables([shots(number) for number in numbers])
        writer.save_view("all", ids, {"clip_set": "shots", "rules": ["frames >= 0"], "seed": 0})


def results(folder: Path) -> dict[str, bytes]:
    assert Dataset(folder).verify() == []
    return bytes_under(folder / "values") | bytes_under(folder / "views")


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, bytes]:
    """What one run without flushes and without accidents writes."""
    folder = tmp_path_factory.mktemp("straight") / "dataset"
    run(folder, random.Random(0), batch=3)
    return results(folder)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 3), flush_every=st.integers(1, 5), before=st.booleans())
def test_any_order_of_commits_and_flushes_gives_the_bytes_of_a_straight_run(seed, batch, flush_every, before, expected):
    order = random.Random(seed)
    with TemporaryDirectory() as root:
        folder = Path(root) / "dataset"
        if before:
            with Dataset.create(folder, shards=SHARDS).writer() as writer:
                writer.register(*ALL)
                for number in order.sample(range(VIDEOS), 5):
                    writer.commit(video_id(number), [earlier(number, spec) for spec in OPERATORS])
                writer.replace_all(GROUPS, groups(range(3)), "an earlier set")
        run(folder, order, batch=batch, flush_every=flush_every)
        assert results(folder) == expected


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.integers(1, 3), flush_every=st.integers(1, 5))
def test_kills_at_any_step_leave_a_clean_dataset_and_the_same_bytes_in_the_end(seed, batch, flush_every, expected):
    order = random.Random(seed)
    with TemporaryDirectory() as root:
        folder = Path(root) / "dataset"
        for _ in range(3):
            try:
                with steps(stop_at=int(order.triangular(0, 200, 20))):
                    run(folder, order, batch=batch, flush_every=flush_every)
            except Crash:
                if Dataset.exists(folder):
                    assert Dataset(folder).verify() == []
        run(folder, order, batch=batch, flush_every=flush_every)
        assert results(folder) == expected


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_every_single_step_of_a_run_may_be_the_last_one(tmp_path, stride):
    """Every fourth step in the quick tests, each of them in the slow ones."""
    small = {"videos": 3, "batch": 3, "flush_every": 2}
    run(tmp_path / "straight", random.Random(0), **small)
    expected = results(tmp_path / "straight")
    with steps() as counter:
        run(tmp_path / "counted", random.Random(0), **small)
    assert len(counter.names) > 80
    for stop_at in range(0, len(counter.names), stride):
        folder = tmp_path / str(stop_at)
        with pytest.raises(Crash), steps(stop_at):
            run(folder, random.Random(0), **small)
        if Dataset.exists(folder):
            assert Dataset(folder).verify() == [], counter.names[stop_at]
        run(folder, random.Random(1), **small)
        assert bytes_under(folder / "values") | bytes_under(folder / "views") == expected, counter.names[stop_at]
        shutil.rmtree(folder)


def test_running_again_writes_nothing(tmp_path):
    run(tmp_path / "d", random.Random(0))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*.parquet")}
    with steps() as counter:
        run(tmp_path / "d", random.Random(1))
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "d" / "values").rglob("*.parquet")
    }.items() <= before.items()
    assert not [name for name in counter.names if "shard-" in name or "empty-" in name]


def test_rows_of_a_writer_are_those_that_readers_see_after_the_flush(tmp_path):
    dataset = Dataset.create(tmp_path / "d", shards=SHARDS)
    with dataset.writer() as writer:
        writer.register(*ALL)
        for number in range(VIDEOS):
            writer.commit(video_id(number), [earlier(number, spec) for spec in OPERATORS])
        writer.flush()
        writer.commit(video_id(3), [final(3, SHOTS)])
        unflushed = writer.rows(SHOTS)
        assert dataset.rows("shots") != unflushed
        assert dataset.rows("shots", [video_id(2), video_id(3)]).num_rows == 5
        one = writer.rows(SHOTS, [video_id(3), video_id(2)])
        writer.flush()
        assert dataset.rows("shots") == unflushed
        assert dataset.rows("shots", [video_id(2), video_id(3)]) == one
