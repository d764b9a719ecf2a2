"""A video that was forgotten is nowhere: not in a file of the dataset, not in an export, not after the next scan."""

import json
import shutil

import pytest

from internvideo.curation.facts import Decoding, Probe
from internvideo.errors import StoreError
from internvideo.jobs.dataset import report
from internvideo.jobs.export import export
from internvideo.jobs.upkeep import alive, diff, forget
from internvideo.store.dataset import Dataset
from internvideo.store.forget import REMOVALS
from tests.curation.toys import Brightness, Halves, grey_film
from tests.e2e.conftest import value_files
from tests.store.test_merge import curate

OPERATORS = (Probe(), Decoding(), Halves(), Brightness())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    for number, name in enumerate(("first", "second-secret", "third")):
        grey_film(tmp_path / "films" / f"{name}.mp4", levels=(10 + 40 * number, 150), frames=6 + number)
    return tmp_path


def everything(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def video_of(dataset, name):
    return dataset.find(name).video


def made(folder, name="dataset"):
    dataset = Dataset.create(folder / name)
    curate(dataset, folder / "films", operators=OPERATORS)
    with dataset.writer() as writer:
        writer.save_view("all", dataset.clips(), {"clip_set": "shots"})
    return dataset


def test_nothing_of_it_is_left_but_the_hash_the_date_and_the_reason(folder):
    dataset = made(folder)
    secret = video_of(dataset, "second-secret.mp4")
    export(dataset.path, "internvid", folder / "list", view="all")
    export(dataset.path, "clips", folder / "cuts", view="all")
    (dataset.path / "runs").mkdir(exist_ok=True)
    (dataset.path / "runs" / "log.json").write_text(json.dumps({"failed": "second-secret.mp4"}))
    (dataset.path / "runs" / "other.json").write_text("{}")
    report(dataset.path)
    found = forget(dataset.path, ["second-secret.mp4"], reason="asked for", date="2026-01-02", quiet=True)
    assert found["videos"] == (secret,) and found["clips"] == 2 and found["rows"] >= 5
    assert sorted(found["exports"]) == sorted(str((folder / name).resolve()) for name in ("list", "cuts"))
    left = {name for name, data in everything(dataset.path).items() if b"second-secret" in data}
    assert not left
    named = {name for name, data in everything(dataset.path).items() if secret[:12].encode() in data}
    assert named == {"withheld.jsonl", REMOVALS}
    for out in ("list", "cuts"):
        assert not [name for name, data in everything(folder / out).items() if secret[:12].encode() in data]
        assert not [name for name in everything(folder / out) if secret[:12] in name or "secret" in name]
    line = json.loads((dataset.path / REMOVALS).read_text())
    assert (line["video"], line["date"], line["reason"], len(line["clips"])) == (secret, "2026-01-02", "asked for", 2)
    assert dataset.verify() == []
    assert (dataset.path / "runs" / "other.json").exists()


def test_the_next_scan_does_not_bring_it_back_and_the_rest_is_as_if_it_had_never_been_there(folder):
    dataset = made(folder)
    forget(dataset.path, ["second-secret.mp4"], quiet=True)
    assert curate(dataset, folder / "films", operators=OPERATORS).done == 0
    assert not [name for name, data in everything(dataset.path / "values").items() if b"secret" in data]
    (folder / "films" / "second-secret.mp4").unlink()
    never = made(folder, "never")
    assert value_files(dataset.path) == value_files(never.path)
    assert dataset.view("all").equals(never.view("all"))


def test_a_copy_under_another_name_stays_away_too(folder):
    dataset = made(folder)
    forget(dataset.path, ["second-secret.mp4"], quiet=True)
    shutil.copy(folder / "films" / "second-secret.mp4", folder / "films" / "renamed.mp4")
    curate(dataset, folder / "films", operators=OPERATORS)
    assert dataset.status().videos == 2
    with pytest.raises(StoreError):
        dataset.find("renamed.mp4")


def test_parts_forget_too_and_forgetting_twice_is_once(folder):
    dataset = made(folder)
    part = Dataset.create(dataset.path / "parts" / "1-of-1")
    curate(part, folder / "films", share=(1, 1), operators=OPERATORS)
    secret = video_of(dataset, "second-secret.mp4")
    forget(dataset.path, [secret], quiet=True)
    assert not [name for name, data in everything(dataset.path).items() if b"secret" in data]
    before = everything(dataset.path)
    assert forget(dataset.path, [secret], quiet=True)["rows"] == 0
    assert {n: d for n, d in everything(dataset.path).items() if "ledger" not in n and "lock" not in n} == {
        n: d for n, d in before.items() if "ledger" not in n and "lock" not in n
    }


def test_two_datasets_are_compared_video_by_video(folder):
    one = made(folder)
    two = made(folder, "two")
    assert diff(one.path, two.path)["same"]
    forget(two.path, ["first.mp4"], quiet=True)
    found = diff(one.path, two.path)
    first = video_of(one, "first.mp4")
    assert not found["same"] and found["only_first"] == [first] and not found["only_second"]
    assert [view["only_first"] for view in found["views"]] == [2]
    assert all(o["videos"] == [first] for o in found["operators"] if o["name"] != "places")


def test_files_that_left_are_marked_and_come_back(folder):
    dataset = made(folder)
    film = folder / "films" / "third.mp4"
    film.rename(folder / "away.mp4")
    found = alive(dataset.path)
    assert (len(found["gone"]), found["there"], found["videos"]) == (1, 2, 3)
    assert alive(dataset.path)["gone"] == []
    (folder / "away.mp4").rename(film)
    assert len(alive(dataset.path)["there_again"]) == 1
    with film.open("ab") as file:
        file.write(b"x")
    assert len(alive(dataset.path)["changed"]) == 1
    assert dataset.verify() == []
