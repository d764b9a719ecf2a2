"""A full disk, a read-only folder, a missing permission: said in words, nothing lost, nothing half-written."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from internvideo.errors import DamagedDataset, StoreError
from internvideo.store import Dataset, durable, lock
from internvideo.store.faults import DiskFull, ReadOnlyDataset, shown, told
from internvideo.store.ledger import LEDGER
from tests.store.store_world import ALL, OPERATORS, SHARDS, SHOTS, bytes_under, final, video_id


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    dataset = Dataset.create(tmp_path / "dataset", shards=SHARDS)
    with dataset.writer() as writer:
        writer.register(*ALL)
        for number in range(5):
            writer.commit(video_id(number), [final(number, spec) for spec in OPERATORS])
    return dataset


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, DiskFull, "no space left to write"),
        (errno.EFBIG, DiskFull, "no space left to write"),
        (errno.EROFS, ReadOnlyDataset, "no permission to write"),
        (errno.EACCES, ReadOnlyDataset, "no permission to write"),
        (errno.ENOENT, StoreError, "it is not there"),
        (errno.ENAMETOOLONG, StoreError, "the path is too long"),
        (errno.EIO, StoreError, "Input/output error"),
    ],
)
def test_every_system_error_names_the_place_and_a_way_out(number, kind, words):
    with pytest.raises(kind) as raised, told("write", Path(os.fsdecode(b"a\xff/b"))):
        raise OSError(number, os.strerror(number))
    assert words in raised.value.problem
    assert "`a\\xff/b`" in raised.value.problem
    assert raised.value.hint


def test_odd_paths_always_print():
    assert shown(b"a\xffb") == "a\\xffb"
    shown(os.fsdecode(b"\xff" * 5000)).encode("utf-8")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_disk_that_fills_up_during_a_flush_loses_nothing(dataset, tmp_path, monkeypatch, number, after):
    calls = []

    def full(file):
        calls.append(file)
        if len(calls) > after:
            raise OSError(number, os.strerror(number))

    writer = dataset.writer()
    writer.register(*ALL)
    for video in range(5, 12):
        writer.commit(video_id(video), [final(video, spec) for spec in OPERATORS])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError) as raised:
            writer.flush()
    assert raised.value.kind in ("disk-full", "read-only")
    assert not list(durable.leftovers(dataset.path))
    writer.close()
    assert dataset.verify() == []
    with dataset.writer() as writer:
        writer.flush()
    other = Dataset.create(tmp_path / "other", shards=SHARDS)
    with other.writer() as writer:
        writer.register(*ALL)
        for video in range(12):
            writer.commit(video_id(video), [final(video, spec) for spec in OPERATORS])
    assert bytes_under(dataset.path / "values") == bytes_under(other.path / "values")


def test_a_disk_that_fills_up_during_a_commit_keeps_what_was_committed_before(dataset):
    with dataset.writer() as writer:
        writer.register(*ALL)
        pages = writer.ledger.number("PRAGMA page_count")
        writer.ledger.ask(f"PRAGMA max_page_count = {pages + 3}")
        done = []
        with pytest.raises(DiskFull, match="no space left to write") as raised:
            for number in range(5, 5000):
                writer.commit(video_id(number), [final(number, spec) for spec in OPERATORS])
                done.append(number)
        assert str(dataset.path) in raised.value.problem
        writer.ledger.ask("PRAGMA max_page_count = 1000000")
        assert all(writer.state(video_id(number), SHOTS).state == "done" for number in done)
        assert writer.state(video_id(done[-1] + 1), SHOTS) is None
        writer.commit(video_id(done[-1] + 1), [final(done[-1] + 1, SHOTS)])
    assert dataset.verify() == []


def test_a_sign_of_life_that_cannot_be_written_stops_nothing(dataset, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock, "HEARTBEAT", 0.0)
    with dataset.writer() as writer, monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        writer.register(*ALL)
        writer.commit(video_id(7), [final(7, SHOTS)])
    assert dataset.clips().num_rows == 9


def test_a_ledger_that_is_no_database_is_damage_with_the_command_that_mends_it(dataset):
    (dataset.path / LEDGER).write_bytes(b"no database " * 1000)
    for use in (dataset.status, dataset.writer):
        with pytest.raises(DamagedDataset, match="no readable SQLite file") as raised:
            use()
        assert "--repair" in raised.value.hint
    assert dataset.clips().num_rows == 6  # rows need no ledger


def test_a_newer_ledger_is_refused(dataset):
    import sqlite3

    with sqlite3.connect(dataset.path / LEDGER) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="ledger version 99; this internvideo knows 1"):
        dataset.writer()


READER = """
import sys
from internvideo.store import Dataset
from internvideo.store.faults import ReadOnlyDataset
dataset = Dataset(sys.argv[1])
print(dataset.clips().num_rows, dataset.table().num_rows, dataset.status().videos, len(dataset.verify()))
try:
    dataset.writer()
except ReadOnlyDataset as error:
    print(error.problem)
"""


def test_a_folder_that_may_only_be_read_is_read_and_a_writer_is_refused(dataset):
    command = [sys.executable, "-c", READER, str(dataset.path)]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # root may write anywhere, unless it lays that power down
        if shutil.which("setpriv") is None:
            pytest.skip("root needs `setpriv` to try what others may do")
        command = ["setpriv", "--bounding-set=-dac_override", *command]
    for path in [*dataset.path.rglob("*"), dataset.path]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        for path in [dataset.path, *dataset.path.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    counts, refusal = done.stdout.splitlines()
    assert counts == "6 6 5 0"
    assert refusal.startswith("no permission to lock")
