"""Open-set marking on predictions written by hand."""

import numpy as np
import pytest

from internvideo.errors import UsageError
from internvideo.tasks.data import Data
from internvideo.tasks.open_set import PAPER, Doubting, OpenSet, doubt, open_set
from internvideo.tasks.predictions import BadPredictions, Scores
from tests.tasks.marking import example

TRAINING, KNOWN, UNKNOWN = np.linspace(0, 0.5, 20), [0.1, 0.2, 0.3, 0.6], [0.25, 0.7, 0.8, 0.9]


def made(**how):
    parts = {"training": TRAINING, "known": KNOWN, "unknown": UNKNOWN}
    examples = [example(f"{part}{n}", n % 2, group=part) for part, values in parts.items() for n in range(len(values))]
    rows = {
        f"{part}{n}": Scores(f"{part}{n}", np.r_[np.eye(2)[n % 2], u])
        for part, us in parts.items()
        for n, u in enumerate(us)
    }
    return OpenSet(examples=examples, classes=2, protocol=Doubting(**how)), rows


def test_closed_forms_with_both_rules():
    task, rows = made(threshold=0.5)
    metrics = task.score(rows).metrics
    assert metrics["AUROC"] == metrics["AUROC continuous"] == 87.5 and metrics["AUROC thresholded"] == 75
    assert metrics["closed-set accuracy"] == 100
    task, rows = made(threshold=0.5, auc="thresholded")
    assert task.score(rows).metrics["AUROC"] == 75
    assert PAPER.auc == "thresholded" and PAPER.fuse == "logits"


def test_the_threshold_comes_from_the_training_samples():
    task, rows = made()
    assert task.score(rows).metrics["threshold"] == pytest.approx(np.sort(TRAINING)[18])
    with pytest.raises(BadPredictions, match="no predictions of training samples"):
        task.score({id: row for id, row in rows.items() if not id.startswith("training")})


def test_missing_samples_get_the_worst_answer():
    task, rows = made(threshold=0.5)
    del rows["known0"], rows["unknown3"]
    metrics = task.score(rows).metrics
    assert metrics["closed-set accuracy"] == 75 and metrics["known samples"] == metrics["unknown samples"] == 4
    assert metrics["AUROC thresholded"] == 50


def test_views_are_joined_by_two_rules():
    logits = np.array([[3.0, -1.0], [-2.0, 4.0]])
    alpha = np.exp(logits) + 1
    expected = (alpha / alpha.sum(1, keepdims=True)).mean(0), (2 / alpha.sum(1)).mean()
    found = doubt(logits, Doubting())
    np.testing.assert_allclose(found, [*expected[0], expected[1]])
    alpha = np.exp(logits.mean(0)) + 1
    np.testing.assert_allclose(doubt(logits, Doubting(fuse="logits")), [*(alpha / alpha.sum()), 2 / alpha.sum()])
    assert doubt(np.zeros((1, 101)), Doubting())[-1] == pytest.approx(0.5)
    assert doubt(np.zeros((1, 4)), Doubting(head="softmax"))[-1] == pytest.approx(0.75)


def test_lists_on_disk_and_classes_that_are_left_out(tmp_path):
    for name, rows in {
        "known.txt": ["a/1.avi 0", "b/2.avi 1"],
        "training.txt": ["a/3.avi 0"],
        "unknown.txt": ["golf/4.avi 0", "dive/5.avi 1", "sit/6.avi 2"],
    }.items():
        (tmp_path / name).write_text("\n".join(rows), "utf-8")
    (tmp_path / "both.txt").write_text("golf\n", "utf-8")
    given = {"unknown": f"{tmp_path}/unknown.txt", "training": f"{tmp_path}/training.txt"}
    task = open_set(Data(place=f"{tmp_path}/known.txt", options=given))
    assert [one.id for one in task.examples] == [
        "training/a/3.avi", "known/a/1.avi", "known/b/2.avi",
        "unknown/golf/4.avi", "unknown/dive/5.avi", "unknown/sit/6.avi",
    ]  # fmt: skip
    task = open_set(Data(place=f"{tmp_path}/known.txt", options=given | {"exclude": f"{tmp_path}/both.txt"}))
    assert [(one.id, one.truth) for one in task.examples[3:]] == [("unknown/dive/5.avi", 0), ("unknown/sit/6.avi", 1)]
    (tmp_path / "both.txt").write_text("gofl\n", "utf-8")
    with pytest.raises(UsageError, match="no unknown class is called gofl"):
        open_set(Data(place=f"{tmp_path}/known.txt", options=given | {"exclude": f"{tmp_path}/both.txt"}))
    with pytest.raises(UsageError, match="needs lists of unknown and of training"):
        open_set(Data(place=f"{tmp_path}/known.txt"))
