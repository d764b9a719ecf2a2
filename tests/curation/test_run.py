"""The local runner: everything is done once, nothing that goes wrong with one video touches another."""

import os
import shutil
from dataclasses import replace

import pyarrow as pa
import pytest

from internvideo.curation import worker
from internvideo.curation.facts import Decoding, Probe
from internvideo.curation.run import CRASHES_TO_QUARANTINE, OUTSIDE_KILLS, Run
from internvideo.curation.scan import scan, whole_roots
from internvideo.curation.worker import Curator, Task, table_from_bytes
from internvideo.records import Preprocess
from internvideo.store.dataset import Dataset
from internvideo.store.results import Result
from internvideo.store.values import CLIP_KEY, OperatorSpec
from internvideo.video import clips
from tests.curation.toys import Brightness, Everything, Glimpse, Halves, Listener, Meddler, Trap, grey_film


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return grey_film(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture
def folder(tmp_path, film):
    (tmp_path / "videos").mkdir()
    shutil.copy(film, tmp_path / "videos" / "a.mp4")
    grey_film(tmp_path / "videos" / "b.mkv", levels=(10, 60), frames=7)
    return tmp_path / "videos"


def run(dataset, folder, *operators, workers=1, later=()):
    with dataset.writer() as writer:
        found = list(scan([folder]))
        specs = {spec.name: spec for spec in later}
        with Run(writer, operators, workers=workers, tell=lambda _: None, later=specs) as run:
            return run.go(found, whole_roots([folder], found))


def states(dataset):
    return {one.name: (one.done, one.failed, one.quarantined) for one in dataset.status().operators}


USUAL = (Probe(), Decoding(), Halves(), Brightness())


def test_a_run_fills_every_operator_and_the_next_one_does_nothing(folder, tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    first = run(dataset, folder, *USUAL, workers=2)
    assert (first.done, first.failed, first.due) == (2, 0, 2)
    assert set(states(dataset).values()) == {(2, 0, 0)}
    means = dataset.rows("brightness")["mean"].to_pylist()
    assert len(means) == 4 and all(0 < mean < 255 for mean in means)
    again = run(dataset, folder, *USUAL)
    assert (again.due, again.frames, again.failed) == (0, 0, 0)


def test_workers_begin_to_start_where_a_run_goes_on_and_not_for_what_failed(folder, tmp_path, monkeypatch):
    (folder / "broken.mp4").write_text("no video")
    dataset, started = Dataset.create(tmp_path / "dataset"), []
    inner = Run._started
    monkeypatch.setattr(Run, "_started", lambda self: started.append(1) or inner(self))

    def begins(*operators):
        started.clear()
        with dataset.writer() as writer, Run(writer, operators, workers=1, tell=lambda _: None) as run:
            run.unread(list(scan([folder])))
        return bool(started)

    assert begins(*USUAL)
    run(dataset, folder, *USUAL[:3])
    assert not begins(*USUAL[:3]) and begins(*USUAL)
    run(dataset, folder, *USUAL)
    assert not begins(*USUAL)


def test_a_changed_parameter_recomputes_that_operator_only(folder, tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL)
    before = dataset.rows("brightness")["mean"].to_pylist()
    again = run(dataset, folder, *USUAL[:3], Brightness(scale=2.0))
    assert again.frames == 0, "shots are known, so there is no dense pass"
    assert dataset.rows("brightness")["mean"].to_pylist() == [2 * mean for mean in before]


def test_networks_look_in_one_pass_see_what_each_sees_alone_and_do_not_share_errors(folder, tmp_path, monkeypatch):
    same = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    one, other = Preprocess(8, frame_count=2, **same), Preprocess(12, frame_count=5, resize="squash", **same)
    looks, lost = (Glimpse("one", one), Glimpse("other", other)), Glimpse("lost", one, fails=True)
    path, decoded = folder / "a.mp4", []
    real = clips._decoded
    monkeypatch.setattr(clips, "_decoded", lambda video, numbers: decoded.append(list(numbers)) or real(video, numbers))
    monkeypatch.setattr(worker, "PICTURE_BYTES", 1)  # one clip at a time

    def rows(*operators):
        place, everyone = next(iter(scan([path]))), (*USUAL[:3], *operators)
        task = Task("v", place.path, place.stat, tuple(operator.name for operator in everyone))
        outcome = Curator(everyone)(task, lambda _: None)
        return {name: table_from_bytes(data).to_pylist() for name, _, data in outcome.rows}, outcome.failures

    alone = [rows(look)[0][look.name] for look in looks]
    assert len(decoded) == 2 and len(alone[0]) == 2
    found, failures = rows(*looks, lost)
    assert [found[look.name] for look in looks] == alone
    assert len(decoded) == 3 and decoded[2] == sorted({*decoded[0], *decoded[1]})
    assert [(name, kind) for name, _, kind, _ in failures] == [("lost", "internal")] and "lost" not in found
    found, failures = rows(lost, *looks)
    assert [found[look.name] for look in looks] == alone and len(decoded) == 4


def test_copies_are_one_video_with_two_places(folder, tmp_path, film):
    shutil.copy(film, folder / "copy of a.mp4")
    dataset = Dataset.create(tmp_path / "dataset")
    done = run(dataset, folder, *USUAL)
    assert (done.files, done.done) == (3, 2)
    assert dataset.status().files == 3 and dataset.status().videos == 2


def test_a_changed_file_is_another_video_and_a_removed_one_is_gone(folder, tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL)
    grey_film(folder / "a.mp4", levels=(33,), frames=9)
    (folder / "b.mkv").unlink()
    again = run(dataset, folder, *USUAL)
    assert again.done == 1
    status = dataset.status()
    assert (status.videos, status.gone, status.files) == (3, 2, 1)


def test_sidecars_that_change_make_their_readers_due_again(folder, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    (folder / "a.txt").write_text("one")
    dataset = Dataset.create(tmp_path / "dataset")
    operators = (*USUAL, Trap(str(log)))
    run(dataset, folder, *operators)
    (folder / "a.txt").write_text("two")
    assert run(dataset, folder, *operators).done == 1
    assert sorted(dataset.rows("trap")["word"].to_pylist()) == ["", "two"]


def test_what_reads_later_rows_is_due_when_they_come_and_when_they_change(folder, tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    operators = (*USUAL, Listener())
    run(dataset, folder, *operators)
    assert dataset.rows("listener")["texts"].to_pylist() == [0, 0]
    spec = OperatorSpec("model_captions", 1, "clip", {"model": "a"}, pa.schema([*CLIP_KEY, ("text", pa.string())]))
    video = dataset.rows("probe")["video"][0].as_py()

    def say(spec, count, source):
        key = dataset.clips("shots").select(CLIP_KEY.names).to_pylist()[0]
        rows = [{**key, "video": video, "item": item, "text": "a"} for item in range(count)]
        with dataset.writer() as writer:
            writer.register(spec)
            writer.commit(video, [Result(spec, source, pa.Table.from_pylist(rows, schema=spec.schema))])

    say(spec, 2, "one")
    again = run(dataset, folder, *operators, later=[spec])
    assert (again.due, again.frames) == (1, 0), "the other video has none, and nothing is decoded"
    assert sorted(dataset.rows("listener")["texts"].to_pylist()) == [0, 2]
    assert set(dataset.rows("listener")["clips"].to_pylist()) == {2}, "it also sees rows of earlier runs"
    assert run(dataset, folder, *operators, later=[spec]).due == 0
    say(spec, 3, "two")
    assert run(dataset, folder, *operators, later=[spec]).due == 1
    other = replace(spec, parameters={"model": "b"})
    say(other, 1, "two")
    assert run(dataset, folder, *operators, later=[other]).due == 1, "another version with the same input"
    assert sorted(dataset.rows("listener")["texts"].to_pylist()) == [0, 1]


def test_a_video_that_crashes_its_worker_twice_is_quarantined_and_the_rest_is_done(folder, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    (folder / "a.txt").write_text("abort")
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL, Trap(str(log)), workers=2)
    assert len(list(log.glob("abort-*"))) == CRASHES_TO_QUARANTINE
    assert [(item.state, item.kind) for item in dataset.failures()] == [("quarantined", "crashed")]
    assert states(dataset)["trap"] == (1, 0, 0)
    assert run(dataset, folder, *USUAL, Trap(str(log))).due == 0, "it stays aside until `retry`"


@pytest.mark.skipif(not hasattr(os, "kill"), reason="needs signals")
def test_a_video_whose_worker_is_killed_from_outside_is_not_quarantined(folder, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    (folder / "a.txt").write_text("kill")
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL, Trap(str(log)))
    assert len(list(log.glob("kill-*"))) == OUTSIDE_KILLS
    assert [(item.state, item.kind) for item in dataset.failures()] == [("failed", "killed")]
    (folder / "a.txt").write_text("fine now")
    assert run(dataset, folder, *USUAL, Trap(str(log))).done == 1
    assert dataset.failures() == []


def test_our_own_bug_in_one_operator_costs_that_operator_only(folder, tmp_path):
    (folder / "a.txt").write_text("bug")
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL, Trap(str(tmp_path)))
    assert [(item.operator, item.kind) for item in dataset.failures()] == [("trap", "internal")]
    assert states(dataset)["brightness"] == (2, 0, 0)


def test_bad_files_are_named_with_their_class_and_nothing_else_is_lost(folder, tmp_path):
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this was a text file")
    (folder / "x.mp4").mkdir()
    half = (folder / "a.mp4").read_bytes()
    (folder / "half.mp4").write_bytes(half[: len(half) // 3])
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL, workers=2)
    kinds = {item.place.rsplit("/", 1)[-1]: item.kind for item in dataset.failures()}
    assert kinds == {
        "empty.mp4": "not-a-video",
        "text.mp4": "not-a-video",
        "x.mp4": "not-a-video",
        "loop.mp4": "unreadable",
        "half.mp4": "truncated",
    }
    assert states(dataset)["brightness"] == (2, 0, 0)
    assert dataset.verify() == []


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv"], ids=["being read", "yet to be read"])
def test_a_file_that_changes_during_the_run_is_read_again_as_what_it_is_now(folder, tmp_path, name):
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL, Meddler(str(folder / name), "append"))
    assert dataset.failures() == [] and dataset.verify() == []
    straight = Dataset.create(tmp_path / "straight")
    run(straight, folder, *USUAL)
    assert dataset.rows("brightness").equals(straight.rows("brightness"))
    assert run(dataset, folder, *USUAL, Meddler(str(folder / name), "append")).due == 0


def test_a_file_that_never_stops_changing_is_named_and_left_for_the_next_run(folder, tmp_path):
    dataset = Dataset.create(tmp_path / "dataset")
    growing = Meddler(str(folder / "a.mp4"), "grow")
    run(dataset, folder, *USUAL, growing)
    assert {(item.place.rsplit("/", 1)[-1], item.kind) for item in dataset.failures()} == {("a.mp4", "changed")}
    assert states(dataset)["brightness"][0] >= 1 and dataset.verify() == []
    run(dataset, folder, *USUAL)
    assert dataset.failures() == [], "it is whole now"


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv"], ids=["being read", "yet to be read"])
def test_a_file_that_disappears_during_the_run_is_named_and_costs_itself_only(folder, tmp_path, name):
    dataset = Dataset.create(tmp_path / "dataset")
    run(dataset, folder, *USUAL, Meddler(str(folder / name), "remove"))
    assert {(item.place.rsplit("/", 1)[-1], item.kind) for item in dataset.failures()} == {(name, "missing")}
    assert states(dataset)["brightness"][0] >= 1 and dataset.verify() == []


def test_a_long_video_in_pieces_gives_the_rows_of_the_whole(tmp_path, monkeypatch):
    import internvideo.curation.worker as worker
    from internvideo.curation.measures import MEASURES

    path = grey_film(tmp_path / "long.mp4", levels=(0, 40, 80, 160, 240), frames=30)
    operators = (Probe(), Decoding(), Halves(), Everything())
    place = next(scan([path]))
    task = worker.Task("ab" * 32, place.path, place.stat, tuple(operator.name for operator in operators))
    curator = worker.Curator(operators)
    whole = curator(task, lambda amount: None)
    monkeypatch.setattr(worker, "PIECE_SECONDS", 2.0)
    split = curator(task, lambda amount: None).split
    assert len(split) > 3
    pieces = tuple(curator(replace(task, piece=bound), lambda amount: None).series for bound in split)
    joined = curator(replace(task, pieces=pieces), lambda amount: None)
    assert joined.rows == whole.rows
    assert len(whole.rows) == len(operators) and MEASURES
