"""COCO's average precision: a plain twin, closed forms, laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.metrics.coco import THRESHOLDS, coco_map
from internvideo.metrics.detection import Regions
from tests.metrics.test_detection import regions


def plain_iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_ap(found, truths, threshold, most):
    """Picture by picture, box by box, as the published evaluation describes it; one class."""
    marked = []
    for group in dict.fromkeys(found.groups.tolist()):
        mine = [row for row in np.argsort(-found.scores, kind="stable") if found.groups[row] == group][:most]
        theirs = [row for row in range(len(truths)) if truths.groups[row] == group]
        taken = set()
        for row in mine:
            best, chosen = threshold, None
            for other in theirs:
                alike = plain_iou(found.bounds[row], truths.bounds[other])
                if other not in taken and alike >= best:
                    best, chosen = alike, other
            taken.add(chosen)
            marked.append((float(found.scores[row]), chosen is not None))
    marked.sort(key=lambda each: -each[0])
    points, right = [], 0
    for count, (_, true) in enumerate(marked, start=1):
        right += true
        points.append((right / len(truths), right / count))
    levels = [max((p for r, p in points if r >= level - 1e-12), default=0.0) for level in np.linspace(0, 1, 101)]
    return sum(levels) / 101


@given(st.integers(0, 10**6))
def test_the_average_precision_is_that_of_the_plain_loop(seed):
    rng = np.random.default_rng(seed)

    def table(count, scored):
        low = rng.uniform(0, 60, (count, 2))
        bounds = np.concatenate([low, low + rng.uniform(20, 40, (count, 2))], 1)
        scores = rng.permutation(count) / count if scored else np.zeros(0)
        return Regions(rng.integers(0, 3, count), np.zeros(count, np.int64), bounds, scores)

    truths, found = table(8, False), table(30, True)
    near = truths.bounds[rng.integers(0, 8, 30)] + rng.normal(0, 3, (30, 4))
    bounds = np.where(rng.random((30, 1)) < 0.6, near, found.bounds)
    found = Regions(found.groups, found.labels, bounds, found.scores)
    most = int(rng.integers(2, 12))
    expected = [plain_ap(found, truths, threshold, most) for threshold in THRESHOLDS]
    got = coco_map(found, truths, most=most)
    assert got["AP"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert (got["AP50"], got["AP75"]) == pytest.approx((expected[0], expected[5]), abs=1e-12)


def test_closed_forms():
    truths = regions([("a", 0, (0, 0, 10, 10)), ("b", 0, (0, 0, 10, 10)), ("b", 1, (5, 5, 9, 9))])
    perfect = Regions(truths.groups, truths.labels, truths.bounds, np.array([0.9, 0.8, 0.7]))
    assert coco_map(perfect, truths) == {"AP": 1.0, "AP50": 1.0, "AP75": 1.0}
    assert coco_map(perfect[:0], truths)["AP"] == 0.0
    half = coco_map(perfect[:1], truths)  # of class 0 one of two: recalls 0 to 0.5 are 51 of 101
    assert half["AP"] == pytest.approx(51 / 101 / 2)
    near = Regions(np.array(["a"]), np.array([0]), np.array([[0, 0, 10, 6.0]]), np.ones(1))
    one = truths[:1]
    assert coco_map(near, one)["AP"] == pytest.approx(0.3) and coco_map(near, one)["AP75"] == 0.0
    assert np.isnan(coco_map(near, one[:0])["AP"])
