"""Moments that sentences and classes ask for: hand-made cases and the public evaluator."""

import json

import numpy as np
import pytest

from internvideo.metrics.moments import moment_recall, moments_retrieved, ranked_moments
from tests.metrics.test_detection import regions


def test_recall_of_windows_counts_queries():
    truths = {"q1": np.array([0, 10]), "q2": np.array([5, 15]), "q3": np.array([0, 1])}
    windows = {"q1": np.array([[0, 10.0]]), "q2": np.array([[100, 110.0], [5, 15]])}
    found = moment_recall(windows, truths)
    assert found["R@1,IoU=0.5"] == pytest.approx(1 / 3)
    assert found["R@5,IoU=0.3"] == pytest.approx(2 / 3)
    assert found["mean R@1"] == pytest.approx(1 / 3)


def test_moments_are_retrieved_with_as_many_guesses_as_there_are_truths():
    truths = regions([("c", 0, (0, 10)), ("c", 0, (20, 30)), ("c", 1, (0, 10))])
    rows = [("c", 0, (50, 60)), ("c", 0, (0, 10)), ("c", 0, (20, 30)), ("c", 1, (0, 10))]
    found = regions(rows, [0.9, 0.8, 0.7, 0.6])
    assert moments_retrieved(found, truths) == pytest.approx(2 / 3)
    assert moments_retrieved(found, truths, k=2) == 1.0


def test_ranked_moments_are_marked_as_by_the_public_evaluator(shared):
    here = shared / "data" / "evaluators" / "moment_retrieval_didemo"
    truth = json.loads((here / "groundtruth" / "val_part.json").read_text())
    expected = json.loads((here / "expected" / "expected.json").read_text())["disturbed_annotations.json"]
    found = ranked_moments(
        json.loads((here / "predictions" / "disturbed_annotations.json").read_text()), [row["times"] for row in truth]
    )
    for name, want in (("rank@1", "rank@1"), ("rank@5", "rank@5"), ("mIoU", "miou")):
        assert found[name] == pytest.approx(expected[want], abs=1e-9)


def test_the_three_best_of_four_people_count():
    found = ranked_moments([[(0, 0), (1, 1), (2, 2)]], [[(0, 0), (0, 0), (0, 0), (2, 2)]])
    assert found == {"rank@1": 1.0, "rank@5": 1.0, "mIoU": 1.0}
