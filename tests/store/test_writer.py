"""What is due, what is kept, what is refused; one writer at a time, whatever happened to the one before."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from internvideo.errors import DatasetBusy, StoreError, UnreadableVideo
from internvideo.records import Clip, Licence
from internvideo.store import WHOLE, Dataset, Failure, OperatorSpec, Result
from tests.store.store_world import (
    ALL,
    GROUPS,
    OPERATORS,
    SCORES,
    SHARDS,
    SHOTS,
    WORDS,
    bytes_under,
    earlier,
    file_record,
    final,
    groups,
    scores,
    shots,
    video_id,
    words,
)


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return Dataset.create(tmp_path / "dataset", shards=SHARDS)


@pytest.fixture
def writer(dataset):
    with dataset.writer() as writer:
        writer.register(*ALL)
        yield writer


def test_only_what_was_never_done_or_has_another_input_is_due(writer):
    video = video_id(3)
    assert writer.state(video, SHOTS) is None
    assert writer.due(video, SHOTS, "a")
    writer.commit(video, [Result(SHOTS, "a", shots(3))])
    assert not writer.due(video, SHOTS, "a")
    assert writer.due(video, SHOTS, "b")
    assert writer.state(video, SHOTS).rows == 3
    assert writer.states(SHOTS) == {video: writer.state(video, SHOTS)}
    assert writer.due(video, SCORES, "a")


@pytest.mark.parametrize(("kind", "again"), [("timeout", True), ("killed", True), ("truncated", False)])
def test_a_passing_failure_is_tried_again_by_the_next_run_and_only_then(dataset, kind, again):
    with dataset.writer() as writer:
        writer.register(WORDS)
        writer.commit(video_id(1), [Failure(WORDS, "a", kind, "no \udcff luck")])
        assert not writer.due(video_id(1), WORDS, "a")
        assert writer.due(video_id(1), WORDS, "b")
    with dataset.writer() as writer:
        writer.register(WORDS)
        assert writer.due(video_id(1), WORDS, "a") is again


def test_quarantined_stays_until_it_is_asked_for(dataset):
    with dataset.writer() as writer:
        writer.register(WORDS)
        writer.commit(video_id(1), [Failure(WORDS, "a", "killed", "twice", quarantined=True)])
    with dataset.writer() as writer:
        writer.register(WORDS)
        assert writer.state(video_id(1), WORDS).state == "quarantined"
        assert not writer.due(video_id(1), WORDS, "a")
    assert dataset.retry(kind="timeout") == 0
    assert dataset.retry(kind="killed") == 1
    with dataset.writer() as writer:
        writer.register(WORDS)
        assert writer.due(video_id(1), WORDS, "a")
        writer.commit(video_id(1), [Failure(WORDS, "a", "killed", "again")])
        assert writer.state(video_id(1), WORDS).attempts == 2
        writer.commit(video_id(1), [Result(WORDS, "a", words(1))])
        assert writer.state(video_id(1), WORDS).attempts == 0


def test_a_failure_takes_the_rows_of_an_earlier_success_with_it(dataset, writer):
    for flushed in (True, False):
        writer.commit(video_id(2), [Result(WORDS, "a", words(2))])
        if flushed:
            writer.flush()
            assert dataset.rows("words").num_rows == 2
        writer.commit(video_id(2), [Failure(WORDS, "b", "truncated", "it ends early")])
        assert writer.rows(WORDS).num_rows == 0
        writer.flush()
        assert dataset.rows("words").num_rows == 0
        assert not list((dataset.path / "values" / "words").rglob("*.parquet"))


def test_no_rows_are_a_result(dataset, writer):
    writer.commit(video_id(0), [Result(SHOTS, "a", shots(0))])
    writer.flush()
    assert not writer.due(video_id(0), SHOTS, "a")
    assert dataset.rows("shots").num_rows == 0
    assert not list((dataset.path / "values" / "shots").rglob("shard-*"))


def test_a_dataset_result_replaces_all_of_the_one_before(dataset, writer):
    for numbers in (range(9), range(4), range(0), range(9)):
        writer.replace_all(GROUPS, groups(numbers), f"input {numbers}")
        expected = sorted(groups(numbers).to_pylist(), key=lambda row: row["video"])
        assert writer.rows(GROUPS).drop_columns("input").to_pylist() == expected
        assert writer.rows(GROUPS, [video_id(2)]).num_rows == (2 in numbers)
        writer.flush()
        assert dataset.rows("groups").drop_columns("input").to_pylist() == expected
        assert not writer.due(WHOLE, GROUPS, f"input {numbers}")
    writer.fail_all(Failure(GROUPS, "new", "no-memory", "too many"))
    writer.flush()
    assert dataset.rows("groups").num_rows == 0
    assert writer.state(WHOLE, GROUPS).kind == "no-memory"


@pytest.mark.parametrize(
    ("rows", "words_of_error"),
    [
        (scores(3), "other columns|but the operator's columns"),
        (shots(2), "rows of other videos"),
        (pa.concat_tables([shots(3), shots(3)]), "two rows with one key"),
        (shots(3).set_column(2, "start", pa.array([1, None, 2])), "an empty key"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_of_the_commit_is_kept(writer, rows, words_of_error):
    with pytest.raises(ValueError, match=words_of_error):
        writer.commit(video_id(3), [Result(WORDS, "a", words(3)), Result(SHOTS, "a", rows)])
    assert writer.state(video_id(3), WORDS) is None
    assert writer.rows(WORDS).num_rows == 0


def test_rows_come_in_any_order(writer):
    backwards = shots(3).take([2, 0, 1])
    writer.commit(video_id(3), [Result(SHOTS, "a", backwards)])
    assert writer.rows(SHOTS).drop_columns("input") == shots(3)


def test_an_operator_that_was_not_registered_is_refused(dataset):
    with dataset.writer() as writer, pytest.raises(ValueError, match="is not registered"):
        writer.commit(video_id(1), [final(1, SHOTS)])


def test_several_calls_together_are_all_or_nothing(writer):
    with pytest.raises(KeyError), writer.together():
        writer.commit(video_id(1), [final(1, SHOTS)])
        writer.begin(video_id(2))
        raise KeyError
    assert writer.state(video_id(1), SHOTS) is None
    with pytest.raises(RuntimeError), writer.together():
        writer.register(OperatorSpec("late", 1, "video", {}, WORDS.schema))


def test_pieces_survive_until_their_video_is_committed(dataset):
    with dataset.writer() as writer:
        writer.register(*ALL)
        writer.keep_piece(video_id(1), "10-20", b"second")
        writer.keep_piece(video_id(1), "0-10", b"first")
        writer.keep_piece(video_id(2), "0-10", b"other")
    with dataset.writer() as writer:
        writer.register(*ALL)
        assert list(writer.pieces(video_id(1)).items()) == [("0-10", b"first"), ("10-20", b"second")]
        writer.commit(video_id(1), [final(1, SHOTS)], keep_pieces=True)
        assert writer.pieces(video_id(1))
        writer.commit(video_id(1), [final(1, SCORES)])
        assert writer.pieces(video_id(1)) == {}
        assert writer.pieces(video_id(2)) == {"0-10": b"other"}


def test_a_new_version_of_an_operator_lies_beside_the_old_one(dataset):
    newer = OperatorSpec("shots", 2, "clip", {"threshold": 30.0}, SHOTS.schema, segmenter=True)
    with dataset.writer() as writer:
        writer.register(SHOTS)
        writer.commit(video_id(3), [final(3, SHOTS)])
    with dataset.writer() as writer:
        writer.register(newer)
        assert writer.due(video_id(3), newer, "input 3")
    assert dataset.operator("shots") == newer
    assert dataset.clips("shots").num_rows == 0
    assert dataset.rows(SHOTS).num_rows == dataset.rows(SHOTS.path).num_rows == 3
    with dataset.writer() as writer:
        writer.retire("shots")
    with pytest.raises(StoreError, match="no operator `shots`"):
        dataset.operator("shots")


def test_a_withheld_video_is_not_seen_and_not_taken(dataset, writer):
    for number in (2, 3):
        writer.begin(video_id(number))
        writer.commit(video_id(number), [final(number, spec) for spec in OPERATORS])
    writer.flush()
    ids = pa.concat_tables([shots(2), shots(3)])
    writer.save_view("all", ids, {"clip_set": "shots"})
    writer.withhold(video_id(2), date="2026-11-21", reason="asked for by the maker")
    assert writer.state(video_id(2), SHOTS).state == "withheld"
    assert not writer.due(video_id(2), SHOTS, "another input")
    with pytest.raises(StoreError, match="withheld: asked for by the maker"):
        writer.commit(video_id(2), [final(2, SHOTS)])
    for rows in (dataset.clips(), dataset.table(), dataset.view("all"), dataset.rows("words"), writer.rows(SHOTS)):
        assert set(rows["video"].to_pylist()) <= {video_id(3)}
    assert dataset.clips().num_rows == dataset.table().num_rows == dataset.view("all").num_rows == 3
    assert dataset.rows("shots", [video_id(2), video_id(3)]).num_rows == 3
    writer.close()
    assert Dataset(dataset.path).withheld() == {video_id(2): "asked for by the maker"}
    with dataset.writer() as again:
        again.register(SHOTS)
        assert not again.due(video_id(2), SHOTS, "x")


# Places


def place_rows(writer, number):
    rows = writer.rows(Dataset(writer.folder).operator("places"), [video_id(number)]).to_pylist()
    return [(row["place"], row["present"]) for row in rows]


def test_an_unchanged_file_is_never_read_again(writer):
    writer.remember(file_record(1), video_id(1))
    assert writer.place(file_record(1)) == video_id(1)
    record = file_record(1)
    for changed in ("size", "mtime_ns", "inode"):
        other = {name: getattr(record, name) for name in record.__slots__} | {changed: 5}
        assert writer.place(type(record)(**other)) is None
    other = {name: getattr(record, name) for name in record.__slots__} | {"device": 5}
    assert writer.place(type(record)(**other)) == video_id(1)


def test_names_that_are_no_text_come_back_as_they_were(dataset, writer):
    writer.remember(file_record(1), video_id(1))
    writer.flush()
    assert os.fsencode(dataset.locate(video_id(1))) == b"/films/a\xff/1.mp4"
    assert dataset.rows("places").to_pylist()[0]["place"] == "/films/a\\xff/1.mp4"
    assert dataset.places() == {(b"/films", b"a\xff/1.mp4"): (1001, 10**18 + 1, 1)}


def test_copies_moves_and_changes_are_followed(dataset, writer):
    root = b"/films"
    writer.remember(file_record(1), video_id(1), source="a channel", licence=Licence("CC-BY-4.0", "info.json", True))
    copy = file_record(1, name=b"copy.mp4")
    writer.remember(copy, video_id(1))
    assert place_rows(writer, 1) == [("/films/a\\xff/1.mp4", True), ("/films/copy.mp4", True)]
    assert writer.vanish(root, {b"copy.mp4"}) == []
    assert place_rows(writer, 1) == [("/films/copy.mp4", True)]
    assert writer.vanish(root, set()) == [video_id(1)]
    assert place_rows(writer, 1) == [("/films/copy.mp4", False)]
    writer.flush()
    assert dataset.locate(video_id(1)) is None
    assert writer.state(video_id(1), SHOTS).state == "gone"
    assert not writer.due(video_id(1), SHOTS, "x")
    assert dataset.status().gone == 1
    assert writer.place(copy) == video_id(1)  # the disk is mounted again: not read again
    assert place_rows(writer, 1) == [("/films/copy.mp4", True)]
    writer.remember(copy, video_id(2))  # other bytes under the same name
    assert place_rows(writer, 1) == [("/films/copy.mp4", False)]
    assert place_rows(writer, 2) == [("/films/copy.mp4", True)]
    assert writer.place(copy) == video_id(2)


def test_source_and_licence_are_kept_when_a_scan_does_not_repeat_them(dataset, writer):
    writer.begin(video_id(1), source="a channel")
    writer.remember(file_record(1), video_id(1))
    writer.remember(file_record(1), video_id(1), licence=Licence("CC0-1.0"))
    writer.vanish(b"/films", set())
    writer.remember(file_record(1, name=b"moved.mp4"), video_id(1))
    writer.begin(video_id(1), source="another channel")
    writer.flush()
    (row,) = dataset.rows("places").to_pylist()
    assert (row["place"], row["source"], row["licence"]) == ("/films/moved.mp4", "a channel", "CC0-1.0")


def test_a_record_without_a_file_is_a_video_too(dataset, writer):
    writer.begin("ext:web:abc", source="a list", licence=Licence("unknown", "list.csv", None))
    writer.flush()
    (row,) = dataset.rows("places").to_pylist()
    assert (row["video"], row["path"], row["present"], row["source"]) == ("ext:web:abc", None, None, "a list")
    assert dataset.status().videos == 1
    assert writer.state("ext:web:abc", SHOTS) is None
    assert dataset.locate("ext:web:abc") is None


def test_a_file_that_cannot_be_read_is_remembered_with_the_reason(dataset, writer):
    writer.remember(file_record(1), UnreadableVideo("no permission for \udcff"))
    assert writer.place(file_record(1)) is None
    (failure,) = dataset.failures()
    assert (failure.kind, failure.place, failure.video) == ("unreadable", "/films/a\\xff/1.mp4", "")
    assert dataset.status().unidentified == {"unreadable": 1}
    assert dataset.why("1.mp4").failure == ("unreadable", "no permission for \\udcff")
    writer.remember(file_record(1), video_id(1))
    assert dataset.failures() == []


# One writer


SCRIPT = """
import os, random, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tests.store import test_store_laws
folder = Path(sys.argv[1])
order = random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    test_store_laws.run(folder, order, videos=40, batch=1, flush_every=5)
    if len(sys.argv) > 3:
        break
    time.sleep(60)
"""


def script() -> str:
    return SCRIPT.format(tests=str(Path(__file__).parents[2]))


def test_a_second_writer_is_refused_by_name_and_the_next_one_is_welcome(dataset, tmp_path):
    code = "import sys, time\nfrom internvideo.store import Dataset\n"
    code += "w = Dataset(sys.argv[1]).writer()\nprint('held', flush=True)\ntime.sleep(60)\n"
    holder = subprocess.Popen([sys.executable, "-c", code, str(dataset.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DatasetBusy) as refusal:
            dataset.writer()
        note = json.loads((dataset.path / "writer.json").read_bytes())
        for word in (str(holder.pid), note["host"], note["started"], note["heartbeat"]):
            assert word in refusal.value.problem
        assert refusal.value.hint
        assert dataset.status().videos == 0  # reading is always possible
        with pytest.raises(DatasetBusy):
            dataset.verify()
    finally:
        holder.kill()
        holder.wait()
    with dataset.writer() as writer:
        writer.begin(video_id(1))
    assert not (dataset.path / "writer.json").exists()


def test_two_writers_in_one_process_are_one_too_many(dataset):
    with dataset.writer():
        for _ in range(2):
            with pytest.raises(DatasetBusy, match=f"process {os.getpid()} on"):
                dataset.writer()
    dataset.writer().close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_writers_lose_nothing_and_the_last_run_has_the_bytes_of_a_straight_one(tmp_path, kills):
    """Real kills. The seeds are fixed, the instants are not: whatever they are, the law holds."""
    from tests.store import test_store_laws

    test_store_laws.run(tmp_path / "straight", random.Random(0), videos=40, batch=3)
    order = random.Random(7)
    folder = tmp_path / "killed"
    for attempt in range(kills):
        if attempt % 10 == 0:  # by then all is done: begin anew
            folder = tmp_path / f"killed {attempt}"
        command = [sys.executable, "-c", script(), str(folder), str(attempt)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "ready\n"
        time.sleep(order.uniform(0.02, 0.5))
        child.kill()
        child.wait()
        if Dataset.exists(folder):
            assert Dataset(folder).verify() == []
    for folder in sorted(tmp_path.glob("killed *")):
        test_store_laws.run(folder, random.Random(1), videos=40)
        assert Dataset(folder).verify() == []
        assert bytes_under(folder / "values") == bytes_under(tmp_path / "straight" / "values")


def test_names_and_reprs_are_friendly(dataset, writer):
    writer.commit(video_id(3), [earlier(3, spec) for spec in OPERATORS])
    assert "bytes not yet in shards" in repr(writer)
    assert repr(dataset).startswith("<Dataset ") and "scores, shots, words" in repr(dataset)
    writer.flush()
    with pytest.raises(StoreError, match="did you mean `shots`"):
        dataset.clips("shot")
    with pytest.raises(StoreError, match="did you mean `scores`"):
        dataset.value("score")
    with pytest.raises(StoreError, match="no clip set `scores`"):
        dataset.clips("scores")
    assert dataset.why(Clip(video_id(3), 0, 5, 15)).clip_sets == {"shots": 1}
