"""Files that the published code leaves behind are marked like our own: VideoMAE's views, DEAR's open-set results."""

import numpy as np
import pytest

from internvideo.jobs.evaluate import evaluate
from internvideo.metrics.classification import View, merge_views, top_k
from internvideo.tasks.open_set import Doubting, OpenSet
from internvideo.tasks.predictions import BadPredictions, match
from internvideo.tasks.recognition import Looking, Recognition
from tests.tasks.marking import example

RNG = np.random.default_rng(0)


def views(folder, names):
    """Two clips times three crops of each, in two files as two processes write them."""
    found = [
        View(name, k % 7, chunk, crop, RNG.normal(size=7).round(4))
        for k, name in enumerate(names)
        for chunk in range(2)
        for crop in range(3)
    ]
    for rank in range(2):
        rows = [f"{v.video} {v.logits.tolist()} {v.label} {v.chunk} {v.split}" for v in found[rank::2]]
        (folder / f"{rank}.txt").write_text("\n".join(["12.5, 80.0", *rows]) + "\n", "utf-8")
    return found


@pytest.mark.parametrize("merge", ["probability", "score"])
def test_views_of_several_processes_are_merged_by_video(tmp_path, merge):
    names = [f"clip [{k}] of many" for k in range(30)]
    found = views(tmp_path, names)
    asked = [example(f"val/{name}.mp4", k % 7) for k, name in enumerate(names)]
    task = Recognition(examples=asked, classes=tuple("abcdefg"), protocol=Looking(merge=merge))
    marks = task.score(match(task.read_official(tmp_path), [one.id for one in asked]).found)
    scores, labels = merge_views(found, merge)
    assert marks.metrics["top-1"] == pytest.approx(top_k(scores, labels)[1])
    assert marks.metrics["top-5"] == pytest.approx(top_k(scores, labels)[5])


def test_views_of_another_list_or_broken_ones_are_told(tmp_path):
    views(tmp_path, ["a", "b"])
    with pytest.raises(BadPredictions, match="1 videos have another class there: a"):
        Recognition(examples=[example("x/a.mp4", 3), example("x/b.mp4", 1)]).read_official(tmp_path)
    (tmp_path / "0.txt").write_text("1, 2\na [0.1,zwei] 0 0 0\n", "utf-8")
    with pytest.raises(BadPredictions, match=r"line 2 of .*0\.txt"):
        Recognition(examples=[example("a.mp4", 0)]).read_official(tmp_path / "0.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadPredictions, match=r"no \.txt"):
        Recognition(examples=[example("a.mp4", 0)]).read_official(tmp_path / "empty")


def results(path, **changed):
    kept = {"ind_pred": [0, 1, 2, 1], "ind_label": [0, 1, 2, 2], "ind_unctt": [0.1, 0.2, 0.3, 0.6]}
    kept |= {"ood_pred": [0, 1, 1, 2], "ood_label": [0, 0, 1, 1], "ood_unctt": [0.25, 0.7, 0.8, 0.9]}
    np.savez(path, **{**{key: np.array(value) for key, value in kept.items()}, **changed})
    return path


def lists():
    known = [example(f"known/{k}", truth, group="known") for k, truth in enumerate([0, 1, 2, 2])]
    return [*known, *(example(f"unknown/{k}", truth, group="unknown") for k, truth in enumerate([0, 0, 1, 1]))]


def test_results_of_open_set_scripts_are_marked_in_the_order_of_the_lists(tmp_path):
    task = OpenSet(examples=lists(), protocol=Doubting(threshold=0.5))
    records = task.read_official(results(tmp_path / "a.npz"))
    metrics = task.score(match(records, [one.id for one in task.examples]).found).metrics
    assert metrics["AUROC continuous"] == pytest.approx(87.5) and metrics["AUROC thresholded"] == pytest.approx(75)
    assert metrics["closed-set accuracy"] == 75


def test_results_of_another_list_are_told(tmp_path):
    task = OpenSet(examples=lists(), protocol=Doubting(threshold=0.5))
    with pytest.raises(BadPredictions, match="2 known samples have another class"):
        task.read_official(results(tmp_path / "a.npz", ind_label=np.array([0, 2, 1, 2])))
    with pytest.raises(BadPredictions, match="has 3 unknown samples, the list 4"):
        task.read_official(
            results(tmp_path / "a.npz", **{f"ood_{n}": np.zeros(3, int) for n in ("pred", "label", "unctt")})
        )
    (tmp_path / "b.npz").write_bytes(b"no")
    with pytest.raises(BadPredictions, match="holds no results"):
        task.read_official(tmp_path / "b.npz")


def test_a_report_of_an_open_set_has_pictures_and_no_table_of_answers(tmp_path):
    task = OpenSet(examples=lists(), classes=3, protocol=Doubting(threshold=0.5))
    found = evaluate(task, predictions=str(results(tmp_path / "a.npz")), out=str(tmp_path / "report"))
    assert found is not None and found.metrics["closed-set accuracy"] == 75
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["curves.png", "report.json", "report.md"]
