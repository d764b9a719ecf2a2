"""Real annotation files read completely, with the counts that their README and manifest state."""

import csv
import json

import pytest

from internvideo.datasets.kinetics import merge_classes
from internvideo.datasets.lists import BadList, class_numbers, lines
from internvideo.datasets.readers import READERS
from internvideo.records import Span


@pytest.fixture(scope="module")
def lists(shared):
    return shared / "data" / "annotations"


def stated(lists, name):
    manifest = json.loads((lists / "MANIFEST.json").read_text())
    return next(entry["rows"] for entry in manifest if entry["file"] == name)


def test_kinetics_400(lists):
    name = "kinetics/kinetics-400_val_part.csv"
    classes = lists / "labels/kinetics/label_map_k400.txt"
    samples = READERS["kinetics-400"](lists / name, "/k400", classes=classes)
    assert len(samples) == stated(lists, name) == 7000 == len({each.uid for each in samples})
    assert samples.labelled == 7000 and {each.label for each in samples} == set(range(400))
    names = list(lines(classes))
    assert names[samples[0].label] == "playing violin" and samples[0].path.endswith("VefhBPzw-SY_000058_000068.mp4")
    merged = READERS["kinetics-710"](lists / name, "/k", classes=lists / "labels/kinetics710/label_map_k710.txt")
    assert [each.label for each in merged] == [each.label for each in samples]  # K710 begins with Kinetics 400
    by_name = READERS["kinetics-400"](lists / name, "/k400")
    assert [each.label for each in by_name] == [each.label for each in samples]


def test_k710_is_built_from_the_class_names_of_its_parts(lists):
    parts = [list(lines(lists / f"labels/kinetics/label_map_k{count}.txt")) for count in (400, 600, 700)]
    published = list(lines(lists / "labels/kinetics710/label_map_k710.txt"))
    merged = merge_classes(parts)
    assert len(merged.names) == 710 and merged.names[:400] == tuple(parts[0])
    assert [len(set(numbers)) for numbers in merged.numbers] == [400, 600, 700]
    named = merge_classes(parts, names=published)
    assert named.names == tuple(published) and [len(set(numbers)) for numbers in named.numbers] == [400, 600, 700]
    for ours, theirs in zip(merged.numbers, named.numbers, strict=True):  # the same classes fall together
        assert len(set(zip(ours, theirs, strict=True))) == len(ours)


def test_k710_has_the_overlaps_of_the_published_mapping(lists):
    """The published mapping numbers the merged classes otherwise; which sets share how many does not depend on that."""
    parts = [list(lines(lists / f"labels/kinetics/label_map_k{count}.txt")) for count in (400, 600, 700)]
    _, ours_600, ours_700 = (set(numbers) for numbers in merge_classes(parts).numbers)
    theirs_600, theirs_700 = (
        set(json.loads((lists / f"labels/k710/label_mixto{n}.json").read_text())) for n in (600, 700)
    )
    first = set(range(400))
    for ours, theirs in (
        (ours_600, theirs_600),
        (ours_700, theirs_700),
        (ours_600 & ours_700, theirs_600 & theirs_700),
    ):
        assert (len(ours & first), len(ours - first)) == (len(theirs & first), len(theirs - first))


def test_msrvtt(lists):
    name = "msrvtt/MSRVTT_JSFUSION_test_part.csv"
    samples = READERS["msrvtt"](lists / name, "/msrvtt")
    assert len(samples) == stated(lists, name) == 700 == samples.captioned
    assert samples[0].path.endswith("video8044.mp4") and samples[0].captions == (
        "a goat attacks a man and the man fights back",
    )
    in_train = READERS["msrvtt"](lists / name, "/msrvtt", split=lists / "msrvtt/MSRVTT_train.9k.csv")
    assert len(in_train) == 0  # the 1k-A test set and its training list do not meet


def test_msvd(lists):
    name = "msvd/captions_part.json"
    samples = READERS["msvd"](lists / name, "/msvd")
    assert len(samples) == stated(lists, name) == 1014  # the README says 1015
    assert samples.captioned == len(samples) == len({each.uid for each in samples})
    splits = [
        READERS["msvd"](lists / name, "", split=lists / f"msvd/split_lists/{part}_list.txt")
        for part in ("train", "val", "test")
    ]
    assert sum(map(len, splits)) <= len(samples)
    sizes = [len(list(lines(lists / f"msvd/split_lists/{part}_list.txt"))) for part in ("train", "val", "test")]
    assert sizes == [1200, 100, 670]


def test_activitynet_segments(lists):
    name = "activitynet/activitynet_v1-3_train_groundtruth_part.csv"
    classes = lists / "activitynet/activitynet_v1-3_action_label_mapping.json"
    with (lists / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == stated(lists, name) == 6249
    samples = READERS["activitynet"](lists / name, "/anet", classes=classes)
    actions = [row for row in rows if row["temporal-region-label"] == "Action" and row["t-start"] != row["t-end"]]
    assert sum(row["t-start"] == row["t-end"] for row in rows) == 1
    assert len(samples) == len(actions) and len({row["video-name"] for row in rows}) == 2000
    assert samples.labelled == len(samples) and min(each.label for each in samples) >= 0
    names = json.loads(classes.read_text())
    for sample, row in list(zip(samples, actions, strict=True))[:50]:
        assert (
            sample.span == Span(float(row["t-start"]), float(row["t-end"]))
            and names[sample.label] == row["action-label"]
        )


def test_didemo(shared):
    path = shared / "data/evaluators/moment_retrieval_didemo/groundtruth/val_part.json"
    rows = json.loads(path.read_text())
    moments = READERS["didemo"](path, "/didemo", moments=True)
    assert len(moments) == len(rows) and all(5 <= each.span.seconds <= 30 for each in moments)
    assert len(READERS["didemo"](path, "/didemo")) == len({row["video"] for row in rows})
    split = shared / "data/annotations/didemo/split_lists/val_list.txt"
    assert READERS["didemo"](path, "/didemo", split=split).captioned == len(READERS["didemo"](path, "/didemo"))


@pytest.mark.parametrize("name", ["video_test_list", "rawframe_test_list", "rawvideo_test_anno"])
def test_plain_lists(lists, name):
    path = lists / f"mmaction2_formats/annotations/{name}.txt"
    samples = READERS["labelled-list"](path, "/x")
    assert len(samples) == len(path.read_text().split("\n")) - path.read_text().endswith("\n")


@pytest.mark.parametrize("name", ["surveillance_fights", "weizmann_silhouettes"])
def test_tables_of_labelled_clips(shared, name):
    folder = shared / "data/actions" / name
    samples = READERS["table"](folder / "annotations.csv", folder)
    with (folder / "annotations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [each.label for each in samples] == [int(row["label_id"]) for row in rows]
    first = READERS["table"](folder / "annotations.csv", folder, where={"fold": rows[0]["fold"]})
    assert len(first) == sum(row["fold"] == rows[0]["fold"] for row in rows)


def test_every_public_list_of_class_names_reads(lists):
    paths = {path.parent.name + "/" + path.stem: path for path in sorted(lists.glob("labels/*/label_map*.txt"))}
    with pytest.raises(BadList, match=r"`\(BB\) salto backward tucked` comes twice"):  # so does the published file
        class_numbers(paths.pop("gym/label_map"))
    found = {name: class_numbers(path) for name, path in paths.items()}
    counts = {"kinetics/label_map_k600": 600, "sthv1/label_map": 174, "sthv2/label_map": 174, "ucf101/label_map": 101}
    assert {name: len(found[name]) for name in counts} == counts
