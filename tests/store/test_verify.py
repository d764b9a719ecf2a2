"""Real damage is found and mended; what a kill may leave is no damage (see also `test_store_laws`)."""

import random
import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.store import Dataset, shards
from internvideo.store.ledger import LEDGER
from tests.store.store_world import (
    ALL,
    GROUPS,
    OPERATORS,
    SCORES,
    SHARDS,
    SHOTS,
    WORDS,
    bytes_under,
    file_record,
    final,
    shots,
    video_id,
)
from tests.store.test_store_laws import VIDEOS, run


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "dataset"
    run(folder, random.Random(0), batch=3)
    return folder


@pytest.fixture
def dataset(sound, tmp_path) -> Dataset:
    shutil.copytree(sound, tmp_path / "dataset")
    return Dataset(tmp_path / "dataset")


def files_of(dataset, spec, pattern="shard-*.parquet"):
    return sorted((dataset.path / "values" / spec.name / spec.key).glob(pattern))


def rewrite(path, spec, change):
    """Put other rows into a shard, as valid Parquet."""
    table = change(shards.read(path, spec.file_schema))
    path.write_bytes(shards.encode(table, spec.file_schema))


def ledger_rows(folder) -> dict[str, list[tuple]]:
    """What a ledger says, apart from attempts, times, inodes, failures and its own numbering."""
    with sqlite3.connect(folder / LEDGER) as connection:
        ask = lambda sql: sorted(connection.execute(sql).fetchall())  # noqa: E731
        found = {
            "videos": ask("SELECT video FROM videos"),
            "places": ask(
                "SELECT root, path, video, present, size, source, licence, evidence, commercial FROM places"
                " WHERE video != ''"
            ),
            "done": ask(
                "SELECT name, key, video, input, rows FROM status JOIN operators ON id = operator WHERE state = 'done'"
            ),
            "files": ask(
                "SELECT operators.name, key, files.name, size, sha256 FROM files JOIN operators ON id = operator"
            ),
            "fragments": ask("SELECT * FROM fragments"),
        }
    connection.close()
    return found


def finished(dataset, expected) -> None:
    """After the mending: clean, and a run brings back the bytes of the sound dataset."""
    assert dataset.verify() == []
    run(dataset.path, random.Random(3))
    assert dataset.verify() == []
    assert bytes_under(dataset.path / "values") == bytes_under(expected / "values")


def torn(path):
    path.write_bytes(path.read_bytes()[:-30])


def other_frames(rows):
    return rows.set_column(5, rows.schema.field("frames"), pa.array([99] * rows.num_rows, pa.int32()))


def backwards(rows):
    return rows.take(list(range(rows.num_rows))[::-1])


def doubled(rows):
    return pa.concat_tables([rows.slice(0, 1), rows])


DAMAGES = {
    "missing-shard": lambda path: path.unlink(),
    "damaged-shard": torn,
    "changed-shard": lambda path: rewrite(path, SHOTS, other_frames),
    "unsorted": lambda path: rewrite(path, SHOTS, backwards),
    "duplicate-key": lambda path: rewrite(path, SHOTS, doubled),
    "wrong-schema": lambda path: path.write_bytes(shards.encode(pa.table({"a": [1]}), pa.schema([("a", pa.int64())]))),
}


@pytest.mark.parametrize("kind", sorted(DAMAGES))
def test_a_shard_that_cannot_be_trusted_is_named_set_aside_and_made_again(kind, dataset, sound):
    path = max(files_of(dataset, SHOTS), key=lambda path: path.stat().st_size)
    DAMAGES[kind](path)
    before = bytes_under(dataset.path)
    (problem,) = dataset.verify()
    assert problem.kind == kind
    assert problem.where == f"values/{SHOTS.path}/{path.name}"
    assert str(problem).startswith(kind)
    assert bytes_under(dataset.path).keys() - {"writer.lock.sqlite"} == before.keys() - {"writer.lock.sqlite"}
    assert "due again" in dataset.verify(repair=True)[0].repaired
    assert dataset.status().operators[2].due > 0
    finished(dataset, sound)


def test_a_shard_of_another_number_is_found_by_its_rows(dataset, sound):
    first, second = files_of(dataset, SHOTS)[:2]
    first.write_bytes(second.read_bytes())
    (problem,) = dataset.verify()
    assert problem.kind == "outside-shard"
    dataset.verify(repair=True)
    finished(dataset, sound)


def test_foreign_files_are_named_and_moved_away(dataset, sound):
    folder = dataset.path / "values" / SHOTS.path
    for name in (f"shard-{SHARDS:04d}.parquet", "notes.txt", "copy of shard-0000.parquet"):
        (folder / name).write_bytes(b"?")
    (dataset.path / "values" / "README").write_bytes(b"?")
    (dataset.path / "values" / "shots" / "1-old").mkdir()
    (folder / ".DS_Store").write_bytes(b"?")  # file managers leave these anywhere
    (folder / "shard-0000.parquet.tmp").write_bytes(b"half a shard")  # a killed writer's
    assert [problem.kind for problem in dataset.verify()] == ["foreign-file"] * 5
    dataset.verify(repair=True)
    assert dataset.verify() == []
    assert (dataset.path / "runs" / "damaged" / SHOTS.path / "notes.txt").read_bytes() == b"?"
    (folder / ".DS_Store").unlink()
    finished(dataset, sound)
    assert not (folder / "shard-0000.parquet.tmp").exists()


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DELETE FROM status WHERE operator = {n} AND rows > 0", "rows-without-status"),
        ("DELETE FROM status WHERE operator = {n} AND rows = 0", "rows-without-status"),
        ("UPDATE status SET rows = rows + 1 WHERE operator = {n}", "row-count"),
        ("UPDATE status SET input = 'else' WHERE operator = {n}", "row-count"),
        ("INSERT INTO status VALUES ({n}, '" + video_id(99) + "', 'done', 'x', 1, '', '', 0)", "done-without-rows"),
        ("UPDATE status SET state = 'failed' WHERE operator = {n}", "rows-without-status"),
    ],
)
@pytest.mark.parametrize("spec", [SHOTS, WORDS], ids=["shots", "words"])
def test_a_ledger_that_does_not_match_the_rows_is_found_and_mended(sql, kind, spec, dataset, sound):
    with sqlite3.connect(dataset.path / LEDGER) as connection:
        (number,) = connection.execute("SELECT id FROM operators WHERE name = ?", (spec.name,)).fetchone()
        connection.execute(sql.format(n=number))
    connection.close()
    problems = dataset.verify()
    assert {problem.kind for problem in problems} == {kind}
    assert all(spec.path in problem.where for problem in problems)
    assert all(problem.repaired for problem in dataset.verify(repair=True))
    assert dataset.verify() == []
    dataset.retry()
    if "INSERT" not in sql:  # that video is known by nobody else
        finished(dataset, sound)


def test_sums_that_are_not_those_of_the_rows_are_found_and_counted_again(dataset):
    expected = dataset.status()
    with sqlite3.connect(dataset.path / LEDGER) as connection:
        connection.execute("UPDATE totals SET videos = videos + 1")
    connection.close()
    (problem,) = dataset.verify(repair=True)
    assert (problem.kind, problem.repaired) == ("totals", "counted again")
    assert dataset.verify() == []
    assert dataset.status() == expected


@pytest.mark.parametrize("sql", ["DELETE FROM status", "UPDATE status SET rows = 3", "UPDATE status SET input = ''"])
def test_a_dataset_result_that_does_not_match_the_ledger_is_found_and_mended(sql, dataset, sound):
    with sqlite3.connect(dataset.path / LEDGER) as connection:
        connection.execute(f"{sql} WHERE video = ''")
    connection.close()
    (problem,) = dataset.verify()
    assert problem.where == f"values/{GROUPS.path}"
    dataset.verify(repair=True)
    finished(dataset, sound)


def test_a_lost_shard_of_a_dataset_result_makes_all_of_it_due(dataset, sound):
    files_of(dataset, GROUPS)[0].unlink()
    assert [problem.kind for problem in dataset.verify()] == ["missing-shard"]
    dataset.verify(repair=True)
    finished(dataset, sound)


@pytest.mark.parametrize("damage", ["missing", "text", "torn", "flipped", "old"])
def test_the_ledger_is_rebuilt_from_the_values(damage, dataset, sound):
    expected = ledger_rows(sound)
    path = dataset.path / LEDGER
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "text":
        path.write_bytes(b"this is no database at all, but it is long enough to look like one" * 100)
    elif damage == "torn":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 0")
        connection.close()
    (problem,) = dataset.verify()
    assert problem.kind == "ledger"
    assert dataset.verify(repair=True)[0].repaired.startswith("rebuilt from the values")
    assert ledger_rows(dataset.path) == expected
    finished(dataset, sound)


def test_lost_values_of_places_are_written_again_from_the_ledger(dataset, sound):
    shutil.rmtree(dataset.path / "values" / "places")
    assert [problem.kind for problem in dataset.verify()] == ["missing-operator"]
    dataset.verify(repair=True)
    assert dataset.verify() == []
    dataset.writer().close()
    finished(dataset, sound)


def test_one_lost_shard_of_places_is_written_again_from_the_ledger(dataset, sound):
    places = dataset.operator("places")
    files_of(dataset, places)[0].unlink()
    assert [problem.kind for problem in dataset.verify()] == ["missing-shard"]
    dataset.verify(repair=True)
    finished(dataset, sound)


def test_a_changed_operator_text_sets_its_values_aside(dataset, sound):
    path = dataset.path / "values" / SCORES.path / "operator.toml"
    path.write_text(path.read_text().replace("224", "225"))
    (problem,) = dataset.verify()
    assert problem.kind == "operator-text"
    assert "moved to runs/damaged/scores" in dataset.verify(repair=True)[0].repaired
    finished(dataset, sound)
    assert (dataset.path / "runs" / "damaged" / SCORES.path / "shard-0000.parquet").is_file()


def test_a_view_that_names_unknown_clips_is_found(dataset):
    unknown = shots(3, shift=0).set_column(2, "start", pa.array([-7, 5, 15], pa.int64()))
    with dataset.writer() as writer:
        writer.save_view("odd", unknown, {"clip_set": "shots"})
        writer.save_view("none", shots(0), {"clip_set": "shots"})
    (problem,) = dataset.verify()
    assert (problem.kind, problem.where) == ("stale-view", "views/odd.parquet")
    assert problem.message.startswith("1 of 3 clips are unknown, such as")
    dataset.verify(repair=True)
    assert dataset.verify() == []
    assert dataset.views() == ["all", "none"]


def test_a_view_may_name_clips_that_are_not_yet_in_shards(dataset):
    with dataset.writer() as writer:
        writer.register(*ALL)
        writer.commit(video_id(23), [final(23, SHOTS)])
        writer.save_view("new", shots(23), {"clip_set": "shots"})
        writer.close()  # as if killed before the flush
    assert dataset.verify() == []


def test_a_damaged_view_is_named_and_set_aside(dataset):
    torn(dataset.path / "views" / "all.parquet")
    (problem,) = dataset.verify()
    assert problem.kind == "damaged-view"
    dataset.verify(repair=True)
    assert dataset.verify() == []
    assert dataset.views() == []


def test_lines_that_do_not_read_are_named_and_left_to_a_person(dataset):
    dataset.judge({"clip": "a", "verdict": "keep"})
    path = dataset.path / "verdicts.jsonl"
    path.write_bytes(path.read_bytes() + b"not JSON\n" + b'{"clip": "b", "verd')
    (problem,) = dataset.verify(repair=True)
    assert (problem.kind, problem.repaired) == ("bad-line", "")
    assert "line 2" in problem.message
    dataset.judge({"clip": "c", "verdict": "drop"})
    assert [record["clip"] for record in dataset.verdicts()] == ["a", "c"]


def test_repair_keeps_what_is_pending(dataset, sound):
    with dataset.writer() as writer:
        writer.register(*ALL)
        writer.remember(file_record(20), video_id(20))
        writer.commit(video_id(20), [final(20, spec) for spec in OPERATORS])
        writer.close()
    for path in files_of(dataset, SHOTS):
        path.unlink()
    dataset.verify(repair=True)
    with dataset.writer() as writer:
        writer.register(*ALL)
        assert not writer.due(video_id(20), SHOTS, "input 20")
        assert writer.due(video_id(3), SHOTS, "input 3")


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_flipped_bit_in_any_shard_is_found_and_mended(sound, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip") / "dataset"
    shutil.copytree(sound, folder)
    path = data.draw(st.sampled_from(sorted(folder.glob("values/*/*/*.parquet"))))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    dataset = Dataset(folder)
    (problem,) = dataset.verify()
    assert problem.where.endswith(path.name)
    dataset.verify(repair=True)
    assert dataset.verify() == []


def test_a_sound_dataset_has_no_problems_and_repair_changes_nothing(dataset):
    before = bytes_under(dataset.path)
    assert dataset.verify() == dataset.verify(repair=True) == []
    after = bytes_under(dataset.path)
    assert {name: data for name, data in after.items() if "sqlite" not in name} == {
        name: data for name, data in before.items() if "sqlite" not in name
    }
    assert ledger_rows(dataset.path)["done"]
    assert VIDEOS == 9
