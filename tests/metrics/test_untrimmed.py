"""Untrimmed classification: closed forms, and the numbers of ActivityNet's own evaluation."""

import json

import pytest

from internvideo.metrics.untrimmed import untrimmed_scores


def test_closed_forms():
    truths = {"a": ["run", "run", "swim"], "b": ["run"]}
    perfect = {"a": [("run", 0.9), ("swim", 0.8)], "b": [("run", 0.7)]}
    assert untrimmed_scores(perfect, truths) == {"mAP": 1, "hit": 1, "average hit": 0.75}
    assert untrimmed_scores(perfect, truths, 2)["average hit"] == 1
    late = {"a": [("swim", 0.1)], "b": [("swim", 0.9), ("run", 0.5)]}  # swim: wrong, right; run: one of two found
    assert untrimmed_scores(late, truths) == {"mAP": 0.5, "hit": 0.5, "average hit": 0.25}
    assert untrimmed_scores({}, truths) == {"mAP": 0, "hit": 0, "average hit": 0}


@pytest.mark.parametrize("name", ["sample_classification_prediction_part", "five_guesses_per_video"])
def test_activitynet_numbers(shared, name):
    folder = shared / "data/evaluators/untrimmed_classification_activitynet"
    (truth,) = (shared / "data/evaluators/temporal_localization_activitynet/groundtruth").glob("*.json")
    videos = json.loads(truth.read_text())["database"]
    truths = {video: [one["label"] for one in row["annotations"]] for video, row in videos.items()}
    results = json.loads((folder / "predictions" / f"{name}.json").read_text())["results"]
    guesses = {video: [(one["label"], one["score"]) for one in rows] for video, rows in results.items()}
    expected = json.loads((folder / "expected/expected.json").read_text())[f"{name}.json"]
    for k in (1, 3):
        found, wanted = untrimmed_scores(guesses, truths, k), expected[f"top_{k}"]
        assert found["mAP"] == pytest.approx(wanted["mAP"], abs=0.002)
        assert found["hit"] == pytest.approx(wanted["hit_at_k"], abs=1e-4)
        assert found["average hit"] == pytest.approx(wanted["avg_hit_at_k"], abs=1e-4)
