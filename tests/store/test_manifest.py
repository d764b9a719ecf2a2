import tomllib

import pytest

from internvideo.errors import DamagedDataset, StoreError
from internvideo.store import Dataset, manifest
from internvideo.store.manifest import Manifest

MOUNTS = r"""
sysfs /sys sysfs rw 0 0
/dev/sda1 / ext4 rw 0 0
server:/export /data nfs4 rw 0 0
/dev/sdb1 /data/local xfs rw 0 0
//nas/films /mnt/my\040films cifs rw 0 0
me@host: /home/me/remote fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "mode"),
    [
        ("/home/me/set", "wal"),
        ("/data", "rollback"),
        ("/data/set", "rollback"),
        ("/data/local/set", "wal"),
        ("/database/set", "wal"),
        ("/mnt/my films/set", "rollback"),
        ("/home/me/remote/deep/set", "rollback"),
    ],
)
def test_the_deepest_mount_above_the_folder_decides_the_journal(folder, mode):
    from pathlib import Path

    assert manifest.journal_mode(Path(folder), "auto", MOUNTS) == mode
    assert manifest.journal_mode(Path(folder), "wal", MOUNTS) == "wal"
    assert manifest.journal_mode(Path(folder), "rollback", MOUNTS) == "rollback"


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"is not a dataset: it has no dataset\.toml"):
        Dataset.open(tmp_path)
    assert not Dataset.exists(tmp_path)


@pytest.mark.parametrize(
    ("found", "problem", "hint"),
    [
        ("format = 2", "format 2; this internvideo knows formats up to 1", "pip install --upgrade internvideo"),
        ("format = 0", "format 0; this internvideo writes format 1", "curate into a new folder"),
    ],
)
def test_another_format_is_refused_with_the_command_that_helps(tmp_path, found, problem, hint):
    dataset = Dataset.create(tmp_path / "d")
    path = tmp_path / "d" / "dataset.toml"
    path.write_text(path.read_text().replace("format = 1", found))
    for use in (lambda: Dataset(tmp_path / "d"), dataset.writer, dataset.verify):
        with pytest.raises(StoreError) as refusal:
            use()
        assert problem in refusal.value.problem
        assert hint in refusal.value.hint


@pytest.mark.parametrize("text", ["", "format = 1", "format = 'x'", "\x00", "format = 1\nshards = 0\njournal = 'auto'"])
def test_a_manifest_that_does_not_read_is_damage(tmp_path, text):
    Dataset.create(tmp_path / "d")
    (tmp_path / "d" / "dataset.toml").write_text(text)
    with pytest.raises(DamagedDataset, match="does not read"):
        Dataset(tmp_path / "d")


def test_what_is_written_reads_back(tmp_path):
    recipe = "\"\"\"Shots.\n\nRun x\n\"\"\"\nprint('''a''')\\\n"
    known = Manifest(7, "rollback", recipe, {"shots": "1-0123abcd", "a-b": "2-00000000"})
    manifest.write(tmp_path, known)
    assert manifest.read(tmp_path) == known
    text = tomllib.loads((tmp_path / "dataset.toml").read_text())
    assert text["format"] == 1
    assert len(text["recipe"]["fingerprint"]) == 64


@pytest.mark.parametrize("changes", [{"shards": 0}, {"shards": 10_001}, {"journal": "memory"}])
def test_impossible_settings_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match=r"shards|journal"):
        Dataset.create(tmp_path / "d", **changes)
    assert not Dataset.exists(tmp_path / "d")


def test_a_dataset_is_made_in_a_new_or_empty_folder_only(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "film.mp4").write_bytes(b"")
    with pytest.raises(StoreError, match=r"holds `film\.mp4`"):
        Dataset.create(tmp_path / "full")
    with pytest.raises(StoreError, match="is a file"):
        Dataset.create(tmp_path / "full" / "film.mp4")
    (tmp_path / "empty").mkdir()
    dataset = Dataset.create(tmp_path / "empty", recipe="a = 1")
    assert dataset.manifest.recipe == "a = 1"
    with pytest.raises(StoreError, match="is a dataset already"):
        Dataset.create(tmp_path / "empty")
    with dataset.writer() as writer:
        writer.set_recipe("a = 2")
    assert dataset.manifest.recipe == "a = 2"


def test_the_rollback_journal_works_the_same(tmp_path):
    import random

    from tests.store.store_world import bytes_under
    from tests.store.test_store_laws import run

    Dataset.create(tmp_path / "rollback", shards=3, journal="rollback")
    run(tmp_path / "rollback", random.Random(0))
    run(tmp_path / "wal", random.Random(0))
    assert bytes_under(tmp_path / "rollback" / "values") == bytes_under(tmp_path / "wal" / "values")
    assert not list((tmp_path / "rollback").glob("ledger.sqlite-*"))
    assert Dataset(tmp_path / "rollback").verify() == []
