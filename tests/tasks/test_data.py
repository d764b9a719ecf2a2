"""Lists on disk as examples: official files completely, tables, and what is wrong with them."""

import json

import pytest

from internvideo.datasets.lists import BadList
from internvideo.datasets.moving_shapes import VERSION, caption, retrieval_scenes
from internvideo.datasets.sample import Sample
from internvideo.errors import UsageError
from internvideo.tasks.data import Data
from internvideo.tasks.recognition import recognition
from internvideo.tasks.retrieval import retrieval
from internvideo.tasks.task import Example, list_hash


def test_official_retrieval_lists_read_completely(shared):
    lists = shared / "data/annotations"
    found = retrieval(Data(place=f"{lists}/msrvtt/MSRVTT_JSFUSION_test_part.csv", reader="msrvtt", root="/v")).examples
    assert len(found) == 700 and all(len(one.texts) == 1 for one in found)
    msvd = json.loads((lists / "msvd/captions_part.json").read_text())
    found = retrieval(Data(place=f"{lists}/msvd/captions_part.json", reader="msvd", root="/v")).examples
    assert len(found) == len(msvd) == 1014
    assert sum(len(one.texts) for one in found) == sum(len(row["caption"]) for row in msvd)
    test = f"{lists}/msvd/split_lists/test_list.txt"
    part = retrieval(Data(place=f"{lists}/msvd/captions_part.json", reader="msvd", root="/v", split=test)).examples
    assert 0 < len(part) < len(found) and {one.id for one in part} < {one.id for one in found}
    didemo = shared / "data/evaluators/moment_retrieval_didemo/groundtruth/val_part.json"
    found = retrieval(Data(place=str(didemo), reader="didemo", root="/v")).examples
    assert len(found) == len({row["video"] for row in json.loads(didemo.read_text())})


def test_kinetics_is_numbered_by_its_classes(shared):
    lists = shared / "data/annotations"
    names = (lists / "labels/kinetics/label_map_k400.txt").read_text().splitlines()
    data = Data(place=f"{lists}/kinetics/kinetics-400_val_part.csv", reader="kinetics-400", root="/v", classes=names)
    task = recognition(data)
    assert len(task.examples) == 7000 and task.classes == tuple(names)
    assert {one.truth for one in task.examples} == set(range(400))


def test_tables_are_cut_by_their_columns(tmp_path):
    rows = "file,label,fold,split\na.mp4,run,1,train\nb.mp4,walk,1,test\nc.mp4,run,2,test\n"
    (tmp_path / "t.csv").write_text("\ufeff" + rows.replace("\n", "\r\n"), "utf-8")
    place = str(tmp_path / "t.csv")
    assert [one.id for one in recognition(Data(place=place)).examples] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [one.id for one in recognition(Data(place=place, options={"fold": "1"})).examples] == ["a.mp4", "b.mp4"]
    task = recognition(Data(place=place, split="test", options={"fold": "2"}))
    assert [(one.id, one.truth) for one in task.examples] == [("c.mp4", 0)] and task.classes == ("run", "walk")
    with pytest.raises((UsageError, BadList), match="fodl"):
        recognition(Data(place=place, options={"fodl": "1"}))


def test_lists_that_cannot_be_asked_are_told(tmp_path):
    (tmp_path / "empty.csv").write_text("file,caption\na.mp4,a dog\nb.mp4,  \n", "utf-8")
    with pytest.raises(UsageError, match=r"1 of 2 samples .* have no caption"):
        retrieval(Data(place=str(tmp_path / "empty.csv")))
    with pytest.raises(UsageError, match=r"there is no `nowhere\.csv`"):
        retrieval(Data(place="nowhere.csv"))
    with pytest.raises(UsageError, match="unknown format `msrvt`"):
        retrieval(Data(place=str(tmp_path / "empty.csv"), reader="msrvt"))
    (tmp_path / "labels.csv").write_text("file,label\na.mp4,run\n", "utf-8")
    with pytest.raises(BadList, match="jump"):
        recognition(Data(place=str(tmp_path / "labels.csv"), classes=("walk", "jump")))


def test_the_hash_of_a_list_follows_what_is_asked_not_where_it_lies(tmp_path):
    for folder, label in (("one", "run"), ("two", "run"), ("three", "walk")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text(f"file,label\na.mp4,{label}\nb.mp4,walk\n", "utf-8")
    one, two, three = (
        list_hash(recognition(Data(place=str(tmp_path / name / "t.csv"), classes=("run", "walk"))).examples)
        for name in ("one", "two", "three")
    )
    assert one == two != three


def test_the_candidates_of_the_small_world_are_frozen():
    """Numbers on another list are other numbers: whoever changes the world must raise its version."""
    scenes = retrieval_scenes(200)
    captions = [caption(scene) for scene in scenes]
    assert VERSION == 1 and len(set(captions)) == 200
    examples = [Example(one.key, Sample(0, ""), (text,)) for one, text in zip(scenes, captions, strict=True)]
    assert list_hash(examples)[:16] == "cd3723faa69e86e8"
