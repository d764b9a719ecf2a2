"""status, why, find, failures, views, judgements and gc: what a person asks a dataset."""

import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest

from internvideo.errors import StoreError
from internvideo.records import Clip
from internvideo.store import CLIP_KEY, Dataset, OperatorSpec, Result
from tests.store.store_world import ALL, SHOTS, WORDS, Crash, bytes_under, file_record, final, shots, steps, video_id
from tests.store.test_store_laws import VIDEOS, run

TIMED = OperatorSpec(
    "timed", 1, "clip", {}, pa.schema([*CLIP_KEY, ("start_seconds", pa.float64()), ("end_seconds", pa.float64())]), True
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "dataset"
    run(folder, random.Random(0), batch=3)
    return folder


@pytest.fixture
def dataset(sound, tmp_path) -> Dataset:
    shutil.copytree(sound, tmp_path / "dataset")
    return Dataset(tmp_path / "dataset")


def test_status_counts_what_was_done(dataset):
    with dataset.writer() as writer:
        writer.begin("ext:web:1")
    status = dataset.status()
    assert (status.videos, status.files, status.gone, status.withheld) == (VIDEOS + 1, VIDEOS, 0, 0)
    assert status.clip_sets == {"shots": 12}
    assert status.views == {"all": 12}
    by_name = {operator.name: operator for operator in status.operators}
    assert list(by_name) == ["groups", "scores", "shots", "words"]
    words = by_name["words"]
    assert (words.due, words.done, words.failed, words.failures) == (1, 8, 1, {"no-speech-model": 1})
    assert (by_name["groups"].due, by_name["groups"].done, by_name["groups"].rows) == (0, 1, VIDEOS)
    json.dumps(asdict(status))
    with dataset.writer() as writer:
        writer.vanish(b"/films", set())
    assert {operator.due for operator in dataset.status().operators if operator.name != "groups"} == {1}
    assert dataset.status().gone == VIDEOS


def test_failures_are_listed_with_their_place_and_reason(dataset):
    (failure,) = dataset.failures()
    assert (failure.operator, failure.video, failure.kind) == ("words", video_id(4), "no-speech-model")
    assert (failure.place, failure.message, failure.attempts) == ("/films/a\\xff/4.mp4", "nothing to listen with", 1)


@pytest.mark.parametrize(
    "what",
    [
        video_id(3),
        video_id(3)[:6],
        "3.mp4",
        "a\\xff/3.mp4",
        b"a\xff/3.mp4".decode("utf-8", "surrogateescape"),
        b"/films/a\xff/3.mp4".decode("utf-8", "surrogateescape"),
    ],
)
def test_a_video_is_found_by_hash_start_and_path(dataset, what):
    assert dataset.find(what).video == video_id(3)


def test_what_is_unknown_or_could_be_several_things_says_what_is_near(dataset):
    with pytest.raises(StoreError) as unknown:
        dataset.find("33.mp4")
    assert unknown.value.hint == "did you mean `3.mp4`?"
    with dataset.writer() as writer:
        writer.remember(file_record(3, root=b"/other"), video_id(1))
    with pytest.raises(StoreError, match="is the end of 2 paths"):
        dataset.find("3.mp4")
    assert dataset.find("other/a\\xff/3.mp4").video == video_id(1)


def test_why_says_all_that_is_known_of_a_clip(dataset):
    clip = Clip(video_id(3), 0, 5, 15)
    answer = dataset.why(clip.name)
    assert answer == dataset.why(clip)
    assert (answer.clip, answer.clip_sets, answer.views) == (clip, {"shots": 1}, {"all": 1})
    assert answer.places[0]["place"] == "/films/a\\xff/3.mp4"
    by_name = {operator.name: operator for operator in answer.operators}
    assert by_name["scores"].values == [{"item": 0, "motion": pytest.approx(1 / 3), "label": "busy"}]
    assert by_name["groups"].values == [{"item": 0, "group": 1}]
    assert by_name["words"].state.state == "done"
    with pytest.raises(StoreError) as unknown:
        dataset.why(Clip(video_id(3), 0, 5, 16))
    assert clip.name in unknown.value.hint
    json.dumps(asdict(answer))


def test_why_of_a_video_lists_its_clips_in_order_and_its_failures(dataset):
    answer = dataset.why(video_id(7))
    assert answer.clips == [Clip(video_id(7), 0, 10 * i - 5, 10 * i + 5).name for i in range(3)]
    failed = {operator.name: operator.state for operator in dataset.why("4.mp4").operators}["words"]
    assert (failed.state, failed.kind, failed.message) == ("failed", "no-speech-model", "nothing to listen with")


def test_what_has_no_result_is_due_but_not_where_another_operator_gave_up(dataset):
    with dataset.writer() as writer:
        writer.register(TIMED)
    states = [
        {operator.name: operator.state.state for operator in dataset.why(name).operators}[TIMED.name]
        for name in ("3.mp4", "4.mp4")
    ]
    assert states == ["due", "not tried"]


def test_why_finds_the_clip_at_a_moment(dataset):
    rows = [
        {**row, "item": 0, "start_seconds": i * 2.0, "end_seconds": i * 2.0 + 2}
        for i, row in enumerate(shots(3).select(CLIP_KEY.names).to_pylist())
    ]
    with dataset.writer() as writer:
        writer.register(TIMED)
        writer.commit(video_id(3), [Result(TIMED, "x", pa.Table.from_pylist(rows, schema=TIMED.schema))])
    assert dataset.why("3.mp4@2.5").clip == Clip(video_id(3), 0, 5, 15)
    assert dataset.why(f"{video_id(3)[:8]}@0").clip == Clip(video_id(3), 0, -5, 5)
    with pytest.raises(StoreError, match=r"no clip of .* holds second 6") as beyond:
        dataset.why("3.mp4@6")
    assert beyond.value.hint == "its last clip ends at 6.00 s"


def test_views_come_back_sorted_with_their_description(dataset):
    ids = pa.concat_tables([shots(3), shots(2), shots(3)])
    with dataset.writer() as writer:
        writer.save_view("some", ids, {"clip_set": "shots", "rules": ["a >= 1"], "funnel": [{"rule": "a", "in": 5}]})
        for name in ("Some", "../up", ""):
            with pytest.raises(ValueError, match="view name"):
                writer.save_view(name, ids, {})
    assert dataset.views() == ["all", "some"]
    expected = sorted(shots(3).to_pylist() + shots(2).to_pylist(), key=lambda row: (row["video"], row["start"]))
    keys = [(row["video"], row["start"]) for row in expected]
    assert [(row["video"], row["start"]) for row in dataset.view("some").to_pylist()] == keys
    description = dataset.view_description("some")
    assert description["rules"] == ["a >= 1"]
    assert description["made_from"]["operator"] == SHOTS.path
    with pytest.raises(StoreError, match="no view `somme`") as unknown:
        dataset.view("somme")
    assert unknown.value.hint == "did you mean `some`?"


def test_a_view_is_one_thing_even_when_killed_between_its_two_files(dataset):
    with steps() as counter, dataset.writer() as writer:
        writer.save_view("all", shots(3), {"clip_set": "shots", "n": 3})
    for stop_at in range(len(counter.names) + 1):
        number = 2 + stop_at % 2
        try:
            with steps(stop_at), dataset.writer() as writer:
                writer.save_view("all", shots(number), {"clip_set": "shots", "n": number})
        except Crash:
            pass
        assert dataset.view_description("all")["n"] == dataset.view("all").num_rows
        with dataset.writer():
            pass
        assert f"n = {dataset.view('all').num_rows}" in (dataset.path / "views" / "all.toml").read_text()


def test_judgements_are_kept_in_order_and_need_no_writer(dataset):
    with dataset.writer():
        dataset.judge({"clip": "a", "verdict": "keep"})
        dataset.judge({"clip": "a", "verdict": "drop"})
    assert [verdict["verdict"] for verdict in dataset.verdicts()] == ["keep", "drop"]


def test_gc_lists_and_removes_what_nothing_names(dataset):
    newer = OperatorSpec("words", 2, "video", {}, WORDS.schema)
    shots_2 = OperatorSpec("shots", 2, "clip", {}, SHOTS.schema, True)
    assert dataset.gc() == []
    with dataset.writer() as writer:
        writer.register(newer, shots_2)
    (old,) = dataset.gc()  # the old shots are named by the view
    assert old.path == f"values/{WORDS.path}"
    assert old.bytes == sum(map(len, bytes_under(dataset.path / old.path).values()))
    assert dataset.gc(delete=True) == [old]
    assert dataset.gc() == []
    assert not (dataset.path / old.path).exists()
    assert dataset.verify() == []
    assert dataset.rows(SHOTS).num_rows == 12


def test_a_removal_that_was_killed_is_finished_by_the_next_writer(sound, tmp_path):
    newer = OperatorSpec("words", 2, "video", {}, WORDS.schema)
    for stop_at in range(30):
        dataset = Dataset(shutil.copytree(sound, tmp_path / str(stop_at)))
        with dataset.writer() as writer:
            writer.register(newer)
        try:
            with steps(stop_at):
                dataset.gc(delete=True)
            finished = True
        except Crash:
            finished = False
        assert dataset.verify() == []
        dataset.gc(delete=True)
        assert dataset.gc() == []
        with dataset.writer() as writer:
            assert [name for _, name, key in writer.ledger.operators() if name == "words" and key == WORDS.key] == []
            writer.register(WORDS)
            assert writer.due(video_id(1), WORDS, "input 1")
        if finished:
            break
    assert finished


def test_writing_while_reading_shows_the_last_committed_state(dataset):
    before = dataset.clips()
    with dataset.writer() as writer:
        writer.register(*ALL)
        writer.commit(video_id(43), [final(43, SHOTS)])
        assert dataset.clips() == before
        assert dataset.status().pending_bytes > 0
        writer.flush()
        assert dataset.clips().num_rows == before.num_rows + 3
        assert dataset.status().pending_bytes == 0
