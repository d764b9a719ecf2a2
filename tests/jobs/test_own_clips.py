"""The two commands for one's own clips: train on a list with labels, then name the classes of other clips."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from internvideo.datasets.moving_shapes import scene, write_clips
from internvideo.jobs.confusion_picture import draw_confusion
from internvideo.models import load_model

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = ("batch=2", "steps=2", "workers=0")
VIEWS = ("clips=3", "sampling=dense", "stride=2")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Six rendered clips of three classes in one folder."""
    folder = tmp_path_factory.mktemp("own") / "clips"
    write_clips(folder, [scene("train", number, plot="single", seconds=1.0) for number in range(6)], size=64)
    return folder


def files(clips):
    return sorted(path.relative_to(clips.parent).as_posix() for path in clips.rglob("*.mp4"))


@pytest.fixture(scope="module")
def table(clips):
    rows = [
        f"{name},{label},{place % 2}" for place, (name, label) in enumerate(zip(files(clips), "cabcab", strict=True))
    ]
    path = clips.parent / "annotations.csv"
    path.write_text("\ufeff" + "\r\n".join(["file,label,person", *rows]) + "\r\n", "utf-8")
    return path


@pytest.fixture(scope="module", params=["scratch", "pretrained"])
def trained(table, tmp_path_factory, request):
    from internvideo.jobs.train import run_train

    out = tmp_path_factory.mktemp("runs")
    shared = [f"corpora.clips.list={table}", *SMALL, "corpora.clips.options.unless.person=9"]
    if request.param == "scratch":
        run_train(str(CONFIGS / "finetune/own_clips.py"), out / "run", overrides=[*shared, "model=viclip-nano-debug"])
        return out / "run"
    before = [*shared, "model=videomae-nano-8-pretrain-debug", "objective.hidden=0.5"]
    run_train(str(CONFIGS / "pretrain/own_clips.py"), out / "pretrained", overrides=before)
    tuned = [*shared, "model=videomae-nano-8-debug", f"weights={out / 'pretrained'}"]
    run_train(str(CONFIGS / "finetune/own_clips_pretrained.py"), out / "run", overrides=tuned)
    return out / "run"


def answers(out):
    with (out / "answers.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_is_loaded_in_one_line_with_all_that_belongs_to_it(trained):
    model = load_model(str(trained))
    assert model.card.classes == ("a", "b", "c")
    how = model.card.preprocess
    assert (how.centre, how.channels, how.frames) == ("follow", "motion", "dense-2")
    assert load_model(str(trained / "model")).card == model.card


def test_clips_without_labels_get_answers(run, trained, clips, tmp_path):
    code, _, err = run("evaluate", "recognition", *VIEWS, "--data", clips, "--model", trained, "--out", tmp_path / "a")
    assert code == 0 and "nothing to mark" in err
    rows = answers(tmp_path / "a")
    assert sorted(row["clip"] for row in rows) == sorted(
        path.relative_to(clips).as_posix() for path in clips.rglob("*.mp4")
    )
    for row in rows:
        shares = {name: float(row[name]) for name in "abc"}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert row["predicted"] == max(shares, key=shares.get)
        assert float(row["probability"]) == pytest.approx(max(shares.values()), abs=1e-5)
    plain = clips.parent / "plain.csv"
    plain.write_text("file\n" + "\n".join(files(clips)) + "\n", "utf-8")
    assert run("evaluate", "recognition", *VIEWS, "--data", plain, "--model", trained, "--out", tmp_path / "b")[0] == 0
    again = answers(tmp_path / "b")
    assert [row["clip"] for row in again] == files(clips)  # below the table
    assert [row["predicted"] for row in again] == [row["predicted"] for row in rows]


def test_labels_of_another_list_are_numbered_as_the_network_was_taught(run, trained, clips, tmp_path):
    names = files(clips)
    other = clips.parent / "other.csv"
    other.write_text(f"file,label\n{names[0]},c\n{names[1]},B\n", "utf-8")
    code, out, _ = run(
        "evaluate", "recognition", *VIEWS, "--data", other, "--model", trained, "--out", tmp_path / "a", "--json"
    )
    found = json.loads(out)
    rows = answers(tmp_path / "a")
    right = sum(row["predicted"] == label for row, label in zip(rows, "cb", strict=True))
    assert code == 0 and found["top-1"] == pytest.approx(50 * right)
    assert Image.open(tmp_path / "a" / "confusion.png").size[0] > 100
    assert "confusion.png" in (tmp_path / "a" / "report.md").read_text("utf-8")
    other.write_text(f"file,label\n{names[0]},c\n{names[1]},d\n", "utf-8")
    code, _, err = run("evaluate", "recognition", *VIEWS, "--data", other, "--model", trained)
    assert code != 0 and "1 rows of" in err and "unknown class `d`" in err
    code, out, _ = run("classify", clips, "--model", trained, "--json")
    assert code == 0 and json.loads(out.splitlines()[0])["top"][0]["label"] in "abc"


def test_a_list_left_open_is_asked_for(run, tmp_path):
    code, _, err = run("train", CONFIGS / "finetune/own_clips.py", "--out", tmp_path / "run")
    assert code == 2 and "corpora.clips.list=FILE" in err


def test_a_picture_of_many_classes_or_none_is_not_drawn(tmp_path):
    assert not draw_confusion(np.zeros((61, 62), int), ["x"] * 61, tmp_path / "a.png")
    assert draw_confusion(np.eye(30, 31, dtype=int), ["a name that is much longer than fits"] * 30, tmp_path / "b.png")
    assert not (tmp_path / "a.png").exists()
