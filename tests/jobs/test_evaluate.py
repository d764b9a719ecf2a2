"""`internvideo evaluate` on rendered videos and a small network: metrics, files, broken videos, going on."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from internvideo.datasets.sample import Sample
from internvideo.errors import UsageError
from internvideo.jobs import evaluate as job
from internvideo.jobs.asking import Encoder, Network, views_of, windows_of
from internvideo.records import Span
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Scores, mixed, write_predictions
from internvideo.tasks.retrieval import Retrieval
from internvideo.tasks.task import Views

MODEL = "viclip-b-16-debug"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Where the small world is rendered."""
    return tmp_path_factory.mktemp("world") / "moving_shapes"


def words(task, world, *more):
    return (
        "evaluate",
        task,
        "--data",
        world,
        "--model",
        MODEL,
        "data.clips=6",
        "data.seconds=1",
        "data.size=64",
        *more,
    )


def test_retrieval_prints_both_directions(run, world, tmp_path):
    code, out, _ = run(*words("retrieval", world, "--json", "--out", tmp_path / "run", "--dump"))
    row = json.loads(out)
    assert code == 0 and row["t2v"].keys() == {"R@1", "R@5", "R@10", "MedR", "MeanR"} == row["v2t"].keys()
    assert row["videos"] == row["texts"] == 6 and row["protocol"]["dual_softmax"] == "off" and len(row["list"]) == 64
    assert json.loads((tmp_path / "run/report.json").read_text()) == row
    assert "| t2v R@1 |" in (tmp_path / "run/report.md").read_text()
    assert len((tmp_path / "run/samples.jsonl").read_text().splitlines()) == 6
    saved = tmp_path / "run/predictions.jsonl"
    again = json.loads(run("evaluate", "retrieval", "--data", world, "data.clips=6", "data.seconds=1", "data.size=64",
                           "--predictions", saved, "--json")[1])  # fmt: skip
    assert [again[name] for name in ("t2v", "v2t", "list")] == [row[name] for name in ("t2v", "v2t", "list")]
    paper = run(*words("retrieval", world, "--json", "--protocol", "paper", "ties=against"))[1]
    assert json.loads(paper)["protocol"] == {"dual_softmax": "on", "scale": "100.0", "ties": "against",
                                             "multi_v2t": "reuse-t2v", "sees": "all"}  # fmt: skip


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        ("zero-shot-recognition", "mean of top-1 and top-5"),
        ("multiple-choice", "accuracy"),
        ("question-answering", "accuracy"),
    ],
)
def test_the_small_world_has_every_task(run, world, task, metric):
    model = "internvideo-mm-b-16-answer-debug" if task == "question-answering" else MODEL
    code, out, _ = run(*words(task, world, "--json", "--model", model))
    assert code == 0 and 0 <= json.loads(out)[metric] <= 100


def test_motion_and_order_of_the_small_world_can_be_asked_of_still_and_blank_videos(run, world, tmp_path):
    answers = {}
    for asks, sees in (("motion", "all"), ("motion", "still"), ("order", "blank")):
        out = tmp_path / f"{asks}-{sees}"
        code, _, _ = run(*words("multiple-choice", world, f"data.asks={asks}", f"sees={sees}", "--out", out))
        assert code == 0
        answers[asks, sees] = (out / "predictions.jsonl").read_text("utf-8").split("\n", 1)[1]
    assert answers["motion", "all"] != answers["motion", "still"]
    assert run(*words("multiple-choice", world, "data.asks=colour"))[0] == 2


def test_a_still_is_the_middle_frame_and_a_blank_is_the_same_for_all(network):
    how = network(MODEL).card.preprocess
    assert windows_of(9, how, Views(sampling="still")) == [[4] * how.frame_count]
    blank = next(views_of(Sample(0, "no/such/file.mp4"), how, Views(sampling="blank")))
    assert blank.shape == (3, how.frame_count, how.size, how.size) and not blank.any()


def test_a_class_head_answers_with_several_views_and_text_networks_are_sent_elsewhere(run, clips, tmp_path):
    (tmp_path / "list.csv").write_text("file,label\n00000.mp4,up\n00001.mp4,down\n00002.mp4,up\n", "utf-8")
    given = ("evaluate", "recognition", "--data", tmp_path / "list.csv", "--root", clips)
    code, _, err = run(*given, "--model", MODEL)
    assert code == 2 and "zero-shot-recognition" in err
    code, _, err = run(*given, "--model", "videomae-b-16-debug")
    assert code == 2 and "has 8 classes, the list 2" in err
    (tmp_path / "bare.csv").write_text("00000.mp4,1\n00001.mp4,0\n00002.mp4,3\n", "utf-8")
    (tmp_path / "bare.txt").write_text("00000.mp4 1\n00001.mp4 0\n00002.mp4 3\n", "utf-8")
    numbers = ("evaluate", "recognition", "--data", tmp_path / "bare.txt", "--root", clips, "--json")
    code, out, _ = run(*numbers, "--model", "videomae-b-16-debug", "clips=3", "crops=3", "sampling=dense")
    assert code == 0 and json.loads(out)["examples"] == 3 and json.loads(out)["protocol"]["clips"] == "3"
    code, _, err = run(*numbers, "--model", "videomae-b-16-debug", "clips=3")
    assert code == 2 and "gives one clip, not 3" in err


def test_broken_and_missing_videos_are_told_and_count_as_wrong(run, clips, tmp_path):
    rows = "".join(f"{{file}},a thing that is number {n}\n".format(file=f"0000{n}.mp4") for n in range(3))
    (tmp_path / "list.csv").write_text(
        f"file,caption\n{rows}sub/broken.mp4,nothing\ngone.mp4,nothing either\n", "utf-8"
    )
    given = ("evaluate", "retrieval", "--data", tmp_path / "list.csv", "--root", clips, "--model", MODEL)
    code, out, err = run(*given, "--json", "--out", tmp_path / "run")
    row = json.loads(out)
    assert code == 1 and row["missing"] == 2 and row["videos"] == 5 and row["v2t"]["MeanR"] >= 2 / 5 * 5
    assert row["failed"] == {"not-a-video": 1, "missing": 1}
    assert "failed (not-a-video): sub/broken" in err and "1 of 5 videos of the list are missing" in err
    (tmp_path / "none.csv").write_text("file,caption\ngone.mp4,nothing\n", "utf-8")
    code, _, err = run("evaluate", "retrieval", "--data", tmp_path / "none.csv", "--model", MODEL)
    assert code == 2 and "1 of 1 videos of the list are missing" in err


def test_a_run_that_was_killed_goes_on_and_another_is_not_mixed_in(run, world, tmp_path, monkeypatch):
    out = tmp_path / "run"
    asked = []
    videos = Network.videos

    def dies(self, sample, *views):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(sample.path)
        return videos(self, sample, *views)

    given = words("retrieval", world, "--out", out, "--lanes", "1")
    with monkeypatch.context() as patch:
        patch.setattr(Network, "videos", dies)
        assert run(*given)[0] == 130
    (part,) = out.glob("part-*.jsonl")
    part.write_text(part.read_text()[:-40])  # as if killed within a line
    asked.clear()
    monkeypatch.setattr(Network, "videos", lambda self, *a: (asked.append(1), videos(self, *a))[1])
    code, _, err = run(*given)
    assert code == 0 and 0 < len(asked) < 6 and "videos are answered already" in err
    assert not list(out.glob("part-*.jsonl"))
    fresh = tmp_path / "fresh"
    run(*words("retrieval", world, "--out", fresh))
    assert (fresh / "predictions.jsonl").read_bytes() == (out / "predictions.jsonl").read_bytes()
    code, _, err = run(*words("retrieval", world, "--out", out, "dual_softmax=true"))
    assert code == 2 and "holds answers to another protocol" in err


def test_a_video_is_opened_once_whatever_the_views(clips, network, monkeypatch):
    from internvideo.jobs import asking

    opened = []
    real = asking.open_video
    monkeypatch.setattr(asking, "open_video", lambda path: (opened.append(path), real(path))[1])
    how = network("videomae-b-16-debug").card.preprocess
    sample = Sample(0, str(clips / "00000.mp4"))
    many = list(views_of(sample, how, Views(clips=4, crops=3, sampling="dense", stride=2)))
    assert len(many) == 12 and len(opened) == 1
    assert [one.shape for one in many] == [(3, how.frame_count, how.size, how.size)] * 12
    part = Sample(0, sample.path, Span(1.0, 2.0))
    single = list(views_of(part, how))
    assert len(single) == 1 and not np.array_equal(single[0], many[0])


def test_views_cover_the_video_densely_or_sparsely(network):
    how = network("videomae-b-16-debug").card.preprocess
    dense = windows_of(100, how, Views(clips=3, sampling="dense", stride=4))
    assert dense[0][0] == 0 and dense[-1][-1] == 99 and len(dense) == 3
    sparse = windows_of(100, how, Views(clips=3, sampling="sparse"))
    together = replace(how, frame_count=3 * how.frame_count)
    assert sorted(chain(*sparse)) == windows_of(100, together, Views(sampling="sparse"))[0]


def test_usage_errors_name_what_to_type():
    with pytest.raises(UsageError, match="unknown task `retreival`"):
        job.make_task("retreival", Data(place="x"))
    with pytest.raises(UsageError, match=r"data\.clips=0 is no whole number over 0"):
        job.make_task("retrieval", Data(place="moving_shapes", options={"clips": "0"}))
    with pytest.raises(UsageError, match="no `dual_sotfmax` in Ranking"):
        job.make_task("retrieval", Data(place="moving_shapes"), ["dual_sotfmax=true"])
    with pytest.raises(UsageError, match="either a model answers"):
        job.evaluate(Retrieval(examples=()))


def test_a_suite_is_a_table_and_tells_what_is_not_there(run, world, tmp_path):
    given = ("--data", world, "--model", MODEL, "data.clips=6", "data.seconds=1", "data.size=64")
    code, out, _ = run("evaluate", "--suite", "zero-shot", *given, "--out", tmp_path, "--json")
    row = json.loads(out)
    assert code == 0 and len(row["tasks"]) == 3 and (tmp_path / "suite.md").read_text().count("\n| ") == 6
    suite = Path(job.__file__).parents[3] / "configs/evaluate/zero_shot.py"
    code, out, _ = run("evaluate", "--suite", suite, "--data", tmp_path, "--model", MODEL)
    assert code == 3 and "LSMDC-MC" in out and "there is no" in out
    assert run("evaluate", "--suite", "zero-shot", "--data", tmp_path, "--model", MODEL)[0] == 2
    assert run("evaluate", "--data", world, "--model", MODEL)[0] == 2


def test_an_ensemble_is_the_weighted_mean_of_probabilities(run, tmp_path):
    (tmp_path / "list.txt").write_text("a.mp4 0\nb.mp4 1\n", "utf-8")
    for name, rows in {"one": [[0.6, 0.4], [0.6, 0.4]], "two": [[0.8, 0.2], [0.1, 0.9]]}.items():
        records = [Scores(id, np.log(row)) for id, row in zip(("a.mp4", "b.mp4"), rows, strict=True)]
        write_predictions(tmp_path / f"{name}.jsonl", {"family": "scores"}, records)
    given = ("evaluate", "recognition", "--data", tmp_path / "list.txt", "--json", "--predictions")
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    assert json.loads(run(*given, files[0])[1])["top-1"] == 50
    assert json.loads(run(*given, f"{files[0]},{files[1]}")[1])["top-1"] == 100
    assert json.loads(run(*given, f"{files[0]}:0.9,{files[1]}:0.1")[1])["top-1"] == 50
    (found,) = mixed([[Scores("a", np.log([0.6, 0.4]))], [Scores("a", np.log([0.8, 0.2]))]], [1, 3])
    np.testing.assert_allclose(np.exp(found.scores), [0.75, 0.25])
    write_predictions(files[1], {"family": "scores"}, [Scores("a.mp4", np.ones(2))])
    code, _, err = run(*given, f"{files[0]},{files[1]}")
    assert code == 3 and "1 ids are not in all files: b.mp4" in err


def test_predictions_that_do_not_fit_are_told(run, tmp_path):
    (tmp_path / "list.txt").write_text("a.mp4 0\nb.mp4 1\n", "utf-8")
    given = (
        "evaluate",
        "recognition",
        "--data",
        tmp_path / "list.txt",
        "--json",
        "--predictions",
        tmp_path / "p.jsonl",
    )
    write_predictions(tmp_path / "p.jsonl", {}, [Scores("a.mp4", np.eye(2)[0]), Scores("x", np.eye(2)[0])])
    code, out, err = run(*given)
    assert code == 1 and json.loads(out)["top-1"] == 50
    assert "1 examples have no prediction: b.mp4" in err and "1 predictions are in no list: x" in err
    for records, told in {
        (Scores("a.mp4", np.array([np.nan, 0])),): "hold NaN",
        (Scores("a.mp4", np.eye(2)[0]), Scores("a.mp4", np.eye(2)[1])): "predicted twice, differently",
        (Scores("x", np.eye(2)[0]),): "none of the 2 examples",
    }.items():
        write_predictions(tmp_path / "p.jsonl", {}, records)
        code, out, err = run(*given)
        assert (code, out) == (3, "") and told in err
    (tmp_path / "list.txt").write_text("a.mp4 0\na.mp4 1\n", "utf-8")
    code, _, err = run(*given)
    assert code == 2 and "1 ids come twice" in err and "a" in err


def test_an_outside_harness_asks_by_name(clips):
    encoder = Encoder(MODEL, device="cpu")
    videos = encoder.encode_video([str(clips / "00000.mp4"), str(clips / "00001.mp4")])
    texts = encoder.encode_text(["a red circle", "a blue star", "nothing"])
    assert videos.shape[0] == 2 and texts.shape[0] == 3 and videos.shape[1] == texts.shape[1]
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([videos, texts]), axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_two_processes_find_what_one_finds(world, tmp_path):
    given = ["-m", "internvideo", *map(str, words("multiple-choice", world, "--json"))]
    launched = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *given]
    found = []
    for name, command in {"one": given, "two": launched}.items():
        done = subprocess.run([sys.executable, *command, "--out", str(tmp_path / name)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append({**json.loads(done.stdout), "out": ""})
    assert found[0] == found[1]
    assert (tmp_path / "one/predictions.jsonl").read_bytes() == (tmp_path / "two/predictions.jsonl").read_bytes()
