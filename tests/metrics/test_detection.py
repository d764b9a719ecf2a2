"""Detection metrics: hand-made vectors, laws, slow twins that match one after the other, and the public evaluators."""

import csv
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.metrics.detection import (
    ACTIVITYNET_THRESHOLDS,
    Regions,
    average_precision,
    detection_ap,
    frame_map,
    fuse_class_scores,
    overlaps,
    temporal_map,
    unique_truths,
    video_map,
)


def regions(rows, scores=()):
    groups, labels, bounds = zip(*rows, strict=True)
    return Regions(np.array(groups), np.array(labels), np.array(bounds, np.float64), np.array(scores, np.float64))


def drawn(seed, size=60, truths=25, dims=1, groups=4, classes=3, unit=0.05):
    """Predictions and truths on a coarse lattice, so that equal overlaps and shared truths are frequent."""
    rng = np.random.default_rng(seed)

    def table(count, scored):
        low = rng.integers(0, 12, (count, dims))
        bounds = unit * np.concatenate([low, low + rng.integers(1, 7, (count, dims))], 1)
        scores = rng.permutation(count) / count if scored else np.zeros(0)
        return Regions(rng.integers(0, groups, count), rng.integers(0, classes, count), bounds, scores)

    return table(size, True), table(truths, False)


def in_turn(predictions, truths, threshold, second):
    """The evaluators' loops: each prediction of a class, best first, looks through the truths of its group."""
    found = {}
    for label in np.unique(truths.labels):
        rows = [row for row in np.argsort(-predictions.scores) if predictions.labels[row] == label]
        taken, right = set(), []
        for row in rows:
            own = [
                t
                for t in range(len(truths))
                if (truths.groups[t], truths.labels[t]) == (predictions.groups[row], label)
            ]
            likeness = {t: float(overlaps(predictions.bounds[row], truths.bounds[t])) for t in own}
            order = sorted(own, key=lambda t: (-likeness[t], t))
            order = order[:1] if second == "wrong" else order
            hit = next((t for t in order if likeness[t] >= threshold and t not in taken), None)
            right.append(hit is not None)
            taken.add(hit)
        found[int(label)] = plain_ap(right, int((truths.labels == label).sum()))
    return found


def plain_ap(right, positives):
    """The area under the staircase, point by point."""
    precision = [0.0, *(sum(right[: i + 1]) / (i + 1) for i in range(len(right))), 0.0]
    recall = [0.0, *(sum(right[: i + 1]) / positives for i in range(len(right))), 1.0]
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    return sum((recall[i + 1] - recall[i]) * precision[i + 1] for i in range(len(recall) - 1))


@pytest.mark.parametrize(("right", "positives", "expected"), [([1, 0, 1], 3, 0.55556), ([0, 1, 1], 2, 0.66667)])
def test_average_precision_of_hand_made_lists(right, positives, expected):
    assert average_precision(np.array(right, bool), positives) == pytest.approx(expected, abs=1e-5)


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 5))
def test_average_precision_equals_the_staircase(right, missed):
    positives = sum(right) + missed
    value = average_precision(np.array(right, bool), positives)
    assert np.isnan(value) if positives == 0 else value == pytest.approx(plain_ap(right, positives), abs=1e-12)


@pytest.mark.parametrize("second", ["next-best", "wrong"])
@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_the_matcher_equals_choosing_one_after_the_other(seed, dims, second):
    predictions, truths = drawn(seed, dims=dims)
    for threshold in (0.2, 0.5, 0.75):
        labels, table = detection_ap(predictions, truths, [threshold], second=second)
        expected = in_turn(predictions, truths, threshold, second)
        assert dict(zip(labels.tolist(), table[:, 0], strict=True)) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10**6))
def test_the_order_of_rows_and_of_groups_does_not_matter(seed):
    predictions, truths = drawn(seed, size=20, truths=8)
    rng = np.random.default_rng(seed)
    names = np.array(["d", "a", "c", "b"])
    mixed = predictions[rng.permutation(len(predictions))]
    renamed = (Regions(names[each.groups], each.labels, each.bounds, each.scores) for each in (mixed, truths))
    np.testing.assert_allclose(
        detection_ap(*renamed, (0.3, 0.5))[1], detection_ap(predictions, truths, (0.3, 0.5))[1], atol=1e-12
    )


def test_a_perfect_copy_has_precision_one_and_nothing_has_zero():
    _, truths = drawn(3)
    perfect = Regions(truths.groups, truths.labels, truths.bounds, np.ones(len(truths)))
    assert temporal_map(perfect, truths, ACTIVITYNET_THRESHOLDS)["mAP"] == 1.0
    assert temporal_map(perfect[:0], truths, ACTIVITYNET_THRESHOLDS)["mAP"] == 0.0


def test_predictions_of_unknown_classes_and_in_empty_videos_count_as_they_should():
    truths = regions([("a", 0, (0, 1))])
    rows = [("a", 7, (0, 1)), ("b", 0, (0, 1)), ("a", 0, (0, 1))]
    labels, table = detection_ap(regions(rows, [0.9, 0.8, 0.7]), truths, [0.5])
    assert labels.tolist() == [0]
    assert table[0, 0] == 0.5  # the one in the empty video is wrong, the unknown class is not looked at


def test_truths_that_are_given_twice_count_once_if_asked():
    rows = [("a", 0, (0, 10)), ("a", 0, (0.0005, 10)), ("a", 1, (0, 10)), ("b", 0, (0, 10))]
    assert unique_truths(regions(rows)).tolist() == [0, 2, 3]
    found = regions([rows[0]], [1.0])
    truths = regions(rows[:2])
    assert temporal_map(found, truths, [0.5])["mAP"] == 0.5
    assert temporal_map(found, truths, [0.5], repeated="once")["mAP"] == 1.0


def test_regions_without_an_inside_overlap_only_at_the_same_place():
    empty = np.array([[3.0, 3.0], [4.0, 4.0], [2.0, 5.0]])
    assert overlaps(empty, np.array([3.0, 3.0])).tolist() == [1.0, 0.0, 0.0]


def test_columns_that_do_not_fit_and_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="one length"):
        Regions(np.zeros(2), np.zeros(3), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="2 regions but 1 scores"):
        Regions(np.zeros(2), np.zeros(2), np.zeros((2, 2)), np.zeros(1))
    with pytest.raises(ValueError, match="finite"):
        Regions(np.zeros(1), np.zeros(1), np.zeros((1, 2)), np.array([np.nan]))


def test_only_the_best_rows_of_a_frame_count_and_excluded_frames_do_not():
    truths = regions([("f", 1, (0, 0, 1, 1)), ("g", 1, (0, 0, 1, 1))])
    rows = [("f", 2, (0, 0, 1, 1)), ("f", 1, (0, 0, 1, 1)), ("g", 1, (0, 0, 0.1, 0.1))]
    found = regions(rows, [0.9, 0.8, 0.7])
    names = {1: "walk", 2: "run", 3: "sit"}
    assert frame_map(found, truths, names, excluded=["g"])[0] == 1.0
    assert frame_map(found, truths, names, most=1, excluded=["g"])[0] == 0.0
    value, by_name = frame_map(found, truths, names)
    assert value == by_name["walk"] == 0.5
    assert np.isnan(by_name["run"]) and np.isnan(by_name["sit"])


def test_a_second_box_on_the_same_person_is_wrong_even_if_another_is_free():
    truths = regions([("f", 1, (0, 0, 1, 1)), ("f", 1, (0, 0, 1, 0.9))])
    found = regions([("f", 1, (0, 0, 1, 1)), ("f", 1, (0, 0, 1, 0.99))], [0.9, 0.8])
    assert frame_map(found, truths, {1: "walk"})[0] == 0.5
    assert detection_ap(found, truths, [0.5])[1][0, 0] == 1.0


def test_segments_take_the_classes_of_their_video():
    segments = regions([("a", 0, (0, 1)), ("a", 0, (1, 2)), ("b", 0, (0, 1))], [0.25, 0.81, 1.0])
    fused = fuse_class_scores(segments, {"a": np.array([0.0, 1.0, 0.36])}, most=1, classes=2)
    assert fused.groups.tolist() == ["a", "a"]
    assert fused.labels.tolist() == [1, 2]
    assert fused.bounds.tolist() == [[1, 2], [1, 2]]
    assert fused.scores == pytest.approx([0.9, 0.54])


def segments_of(database, numbers, prefix=""):
    return regions(
        [
            (video.removeprefix(prefix), numbers.get(each["label"], -1), each["segment"])
            for video, entry in database.items()
            for each in (entry["annotations"] if isinstance(entry, dict) else entry)
        ],
        [each["score"] for entry in database.values() if isinstance(entry, list) for each in entry],
    )


@pytest.mark.parametrize(
    ("folder", "truth", "prefix"),
    [
        ("temporal_localization_activitynet", "activitynet_v1-3_validation_part.json", ""),
        ("temporal_localization_thumos14", "thumos14_valid.json", ""),
        ("temporal_localization_mmaction2_sample", "gt_original.json", "v_"),
    ],
)
def test_segments_are_marked_as_by_the_public_evaluator(shared, folder, truth, prefix):
    here = shared / "data" / "evaluators" / folder
    database = json.loads((here / "groundtruth" / truth).read_text())
    database = database.get("database", database)
    numbers = {
        name: i for i, name in enumerate(sorted({a["label"] for e in database.values() for a in e["annotations"]}))
    }
    expected = json.loads((here / "expected" / "expected.json").read_text())
    single = "mAP_per_tiou" in expected
    for file in sorted((here / "predictions").iterdir()):
        want = expected if single else expected[file.name]
        thresholds = want.get("tiou_thresholds", ACTIVITYNET_THRESHOLDS)
        found = segments_of(json.loads(file.read_text())["results"], numbers)
        scores = temporal_map(found, segments_of(database, numbers, prefix), thresholds)
        np.testing.assert_allclose(list(scores.values())[:-1], want["mAP_per_tiou"], atol=0.002)
        assert scores["mAP"] == pytest.approx(want["average_mAP"], abs=0.002)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("drawn_boxes", "ava_action_list_v2.1_for_activitynet_2018.pbtxt.txt"),
        ("mmaction2", "mmaction2_action_list.txt"),
    ],
)
def test_boxes_are_marked_as_by_the_public_evaluator(shared, name, labels):
    here = shared / "data" / "evaluators" / "spatiotemporal_ava"

    def boxes(path):
        rows = list(csv.reader(path.open()))
        keys = [(f"{row[0]},{int(row[1]):04d}", int(row[6]), [float(x) for x in row[2:6]]) for row in rows]
        return regions(keys, [float(row[7]) for row in rows])

    names = re.findall(r'name: "(.*)"\s+id: (\d+)', (here / "groundtruth" / labels).read_text())
    classes = {int(number): text for text, number in names}
    found, truths = boxes(here / "predictions" / f"{name}_pred.csv"), boxes(here / "groundtruth" / f"{name}_gt.csv")
    value, by_name = frame_map(found, truths, classes)
    expected = json.loads((here / "expected" / "expected.json").read_text())[f"{name}_pred.csv"]
    assert value == pytest.approx(expected.pop("PascalBoxes_Precision/mAP@0.5IOU"), abs=1e-9)
    for key, want in expected.items():
        got = by_name[key.partition("IOU/")[2]]
        assert np.isnan(got) if want is None else got == pytest.approx(want, abs=1e-9)


def test_untrimmed_videos_are_classified_as_by_the_public_evaluator(shared):
    here = shared / "data" / "evaluators"
    truth = here / "temporal_localization_activitynet" / "groundtruth" / "activitynet_v1-3_validation_part.json"
    database = json.loads(truth.read_text())["database"]
    names = sorted({a["label"] for e in database.values() for a in e["annotations"]})
    numbers = {name: i for i, name in enumerate(names)}
    folder = here / "untrimmed_classification_activitynet"
    expected = json.loads((folder / "expected" / "expected.json").read_text())
    for file, by_top in expected.items():
        results = json.loads((folder / "predictions" / file).read_text())["results"]
        rows = [(v, numbers.get(a["label"], -1), (0, 1), a["score"]) for v, e in results.items() for a in e]
        found = regions([row[:3] for row in rows], [row[3] for row in rows])
        for top, want in by_top.items():
            got = video_map(found, segments_of(database, numbers), int(top[4:]))
            assert got["mAP"] == pytest.approx(want["mAP"], abs=0.002)
            assert got["hit"] == pytest.approx(want["hit_at_k"], abs=1e-4)
            assert got["average hit"] == pytest.approx(want["avg_hit_at_k"], abs=1e-4)
