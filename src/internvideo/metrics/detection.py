"""How well regions are found: one matcher for segments of time, boxes of a frame and boxes with attributes.

numpy only. A region is a row of lows and highs: (start, end) of a segment, (x1, y1, x2, y2) of a box. Every region
belongs to a group (a video, a frame) and has a class; only regions of one group and class meet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

# What a prediction does whose best truth is taken: try the next best (ActivityNet), or be wrong (PASCAL, AVA).
Second = Literal["next-best", "wrong"]
Repeated = Literal["count", "once"]
THUMOS_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
ACTIVITYNET_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
MOMENT_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class Regions:
    """Columns of N regions. groups: (N,) names or numbers; labels: (N,) integers; bounds: (N, 2) or (N, 4) float.

    scores: (N,), of predictions only.
    """

    groups: np.ndarray
    labels: np.ndarray
    bounds: np.ndarray
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if self.bounds.ndim != 2 or len({len(self.groups), len(self.labels), len(self.bounds)}) > 1:
            raise ValueError(
                f"columns of one length are needed, got {len(self.groups)} groups, {len(self.labels)} labels, "
                f"bounds {self.bounds.shape}"
            )
        if len(self.scores) not in (0, len(self.groups)):
            raise ValueError(f"{len(self.groups)} regions but {len(self.scores)} scores")
        if not (np.isfinite(self.bounds).all() and np.isfinite(self.scores).all()):
            raise ValueError("bounds and scores must be finite numbers")

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, rows: np.ndarray | slice) -> "Regions":
        scores = self.scores[rows] if len(self.scores) else self.scores
        return Regions(self.groups[rows], self.labels[rows], self.bounds[rows], scores)


def overlaps(ours: np.ndarray, theirs: np.ndarray, unit: float = 0.0) -> np.ndarray:
    """Intersection over union, row by row or broadcast: (..., 2d) with (..., 2d) -> (...).

    Regions without an inside overlap 1 with one at the same place, else 0: the published lists have a few.
    unit: added to every length, 1 where bounds are the numbers of the first and the last pixel.
    """
    half = ours.shape[-1] // 2
    lows = np.maximum(ours[..., :half], theirs[..., :half])
    highs = np.minimum(ours[..., half:], theirs[..., half:])
    shared = np.clip(highs - lows + unit, 0, None).prod(-1)
    sizes = (np.clip(each[..., half:] - each[..., :half] + unit, 0, None).prod(-1) for each in (ours, theirs))
    union = sum(sizes) - shared
    some = union > 0
    return np.asarray(np.where(some, shared / np.where(some, union, 1.0), np.isclose(ours, theirs).all(-1)))


def candidate_pairs(predictions: Regions, truths: Regions) -> tuple[np.ndarray, np.ndarray]:
    """All (prediction, truth) of the same group and class: two (M,) arrays of row numbers, ascending predictions."""
    keys = np.concatenate([keys_of(predictions, truths), keys_of(truths, predictions)])
    _, numbers = np.unique(keys, return_inverse=True)
    mine, other = np.split(numbers.reshape(-1), [len(predictions)])
    order = np.argsort(other, kind="stable")
    first, past = (np.searchsorted(other[order], mine, side) for side in ("left", "right"))
    counts = past - first
    rows = np.repeat(np.arange(len(mine)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(first, counts) + within]


def keys_of(regions: Regions, others: Regions) -> np.ndarray:
    """One number per (group, class), the same for both tables."""
    _, groups = np.unique(np.concatenate([regions.groups, others.groups]), return_inverse=True)
    names, _ = np.unique(np.concatenate([regions.labels, others.labels]), return_inverse=True)
    labels = np.searchsorted(names, regions.labels)
    return np.asarray(groups.reshape(-1)[: len(regions)] * max(len(names), 1) + labels)


def assign(rows: np.ndarray, truths: np.ndarray, likeness: np.ndarray, second: Second = "next-best") -> np.ndarray:
    """Which candidate pairs become matches, when predictions choose one after the other: (M,) bool.

    rows, truths: (M,) numbers of each pair; a smaller row chooses earlier. likeness: (M,); a row takes the most alike
    of the truths that are still free (of equals the first). second="wrong": it takes its most alike one, or none.

    Computed for all rows at once: each asks for its best, every truth keeps the earliest that asked, the others ask
    on. All truths prefer alike, so there is one stable outcome, which is that of choosing in turn.
    """
    order = np.lexsort((truths, -likeness, rows))
    asked = order[_first_of_each(rows[order])] if second == "wrong" else order
    holder = np.full(truths.max(initial=-1) + 1, np.iinfo(np.int64).max)
    while True:
        best = asked[_first_of_each(rows[asked])]
        np.minimum.at(holder, truths[best], rows[best])
        kept = asked[rows[asked] <= holder[truths[asked]]]
        if len(kept) == len(asked):
            break
        asked = kept
    matched = np.zeros(len(rows), bool)
    matched[asked[_first_of_each(rows[asked])]] = True
    return matched


def _first_of_each(sorted_rows: np.ndarray) -> np.ndarray:
    return np.append(True, sorted_rows[1:] != sorted_rows[:-1])[: len(sorted_rows)]


def average_precision(right: np.ndarray, positives: int) -> np.ndarray:
    """Area under the interpolated curve of precision over recall, all points: (..., N) bool -> (...).

    right: predictions in descending order of score, true where right. positives: how many there are to be found; none:
    not a number. Precision at a recall is the best at this or a higher one (PASCAL VOC 2010 and later).
    """
    right = np.asarray(right, np.float64)
    if positives == 0:
        return np.full(right.shape[:-1], np.nan)
    precision = np.cumsum(right, -1) / np.arange(1, right.shape[-1] + 1)
    highest = np.maximum.accumulate(precision[..., ::-1], -1)[..., ::-1]
    return np.asarray((highest * right).sum(-1) / positives)


def detection_ap(
    predictions: Regions,
    truths: Regions,
    thresholds: Sequence[float],
    *,
    second: Second = "next-best",
    classes: Iterable[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Average precision of each class at each threshold: (K,) labels ascending, (K, thresholds) in [0, 1].

    A prediction is right if its overlap with a truth of its group and class that no better scored one took is at least
    the threshold. All others are wrong, also in groups without truths. Of equal scores the first row comes first.
    classes: default those of the truths; a class without truths has no average precision (not a number). Predictions
    of other classes do not count.
    """
    labels = np.unique(np.asarray(sorted(classes) if classes is not None else truths.labels, np.int64))
    kept = predictions[np.isin(predictions.labels, labels)]
    kept = kept[np.argsort(-kept.scores, kind="stable")]
    rows, owners = candidate_pairs(kept, truths)
    likeness = overlaps(kept.bounds[rows], truths.bounds[owners])
    right = np.zeros((len(thresholds), len(kept)), bool)
    for found, threshold in zip(right, thresholds, strict=True):
        near = likeness >= threshold
        matched = assign(rows[near], owners[near], likeness[near], second)
        found[rows[near][matched]] = True
    counts = {label: int((truths.labels == label).sum()) for label in labels.tolist()}
    table = [average_precision(right[:, kept.labels == label], count) for label, count in counts.items()]
    return labels, np.array(table).reshape(len(labels), len(thresholds))


def temporal_map(
    predictions: Regions, truths: Regions, thresholds: Sequence[float], *, repeated: Repeated = "count"
) -> Mapping[str, float]:
    """Mean average precision of segments, in [0, 1]: `mAP@<tIoU>` of each threshold, and `mAP`, the mean of these.

    The mean is over the classes that the truths have. repeated: a truth that is given twice (`unique_truths`) must be
    found twice ("count": ActivityNet's own evaluation) or once ("once": ActionFormer's, whose numbers the papers give).
    THUMOS14, ActivityNet, HACS, FineAction and Ego4D's moment queries differ in their thresholds only.
    """
    expected = truths[unique_truths(truths)] if repeated == "once" else truths
    _, table = detection_ap(predictions, expected, thresholds)
    means = table.mean(0) if len(table) else np.zeros(len(thresholds))
    found = {f"mAP@{threshold:g}": float(mean) for threshold, mean in zip(thresholds, means, strict=True)}
    return {**found, "mAP": float(means.mean())}


def unique_truths(truths: Regions, within: float = 1e-3) -> np.ndarray:
    """Row numbers of the truths that repeat no earlier one: same group and class, all bounds at most `within` away."""
    rows, others = candidate_pairs(truths, truths)
    near = (np.abs(truths.bounds[rows] - truths.bounds[others]) <= within).all(-1) & (others < rows)
    kept = np.ones(len(truths), bool)
    for row, other in zip(rows[near].tolist(), others[near].tolist(), strict=True):
        kept[row] &= not kept[other]
    return np.flatnonzero(kept)


def frame_map(
    predictions: Regions,
    truths: Regions,
    classes: Mapping[int, str],
    *,
    threshold: float = 0.5,
    most: int = 50,
    excluded: Iterable[object] = (),
) -> tuple[float, dict[str, float]]:
    """AVA's frame-mAP: the mean over the classes that have truths, and the average precision of all classes by name.

    Groups are keyframes. classes: the numbers that count (60 of AVA's 80) and their names. most: of each frame only so
    many rows with the best scores count (0: all); truths are not limited. excluded: groups that do not count. Boxes
    without an inside are left out of the predictions. Source: ActivityNet's AVA evaluation, after TensorFlow's PASCAL.
    """
    gone = set(excluded)
    counted, expected = (
        each[
            np.isin(each.labels, list(classes)) & np.array([group not in gone for group in each.groups.tolist()], bool)
        ]
        for each in (predictions, truths)
    )
    order = np.argsort(-counted.scores, kind="stable")
    if most:
        order = order[place_in_group(counted.groups[order]) < most]
    counted = counted[order]
    counted = counted[np.flatnonzero((counted.bounds[:, 2:] > counted.bounds[:, :2]).all(-1))]
    labels, table = detection_ap(counted, expected, (threshold,), second="wrong", classes=classes)
    by_name = {classes[label]: float(value) for label, value in zip(labels.tolist(), table[:, 0], strict=True)}
    known = [value for value in by_name.values() if not np.isnan(value)]
    return (float(np.mean(known)) if known else float("nan")), by_name


def place_in_group(groups: np.ndarray) -> np.ndarray:
    """How many rows of the same group come before each: (N,) -> (N,)."""
    order = np.argsort(groups, kind="stable")
    first = _first_of_each(groups[order])
    starts = np.maximum.accumulate(np.where(first, np.arange(len(groups)), 0))
    places = np.empty(len(groups), np.int64)
    places[order] = np.arange(len(groups)) - starts
    return places


def fuse_class_scores(
    predictions: Regions, class_scores: Mapping[str, np.ndarray], *, most: int = 200, classes: int = 2
) -> Regions:
    """Segments without classes take those of their video: the best `most` of each video, once per likely class.

    class_scores: per group (K,) of the whole video; values outside [0, 1] are logits and become probabilities. The new
    score is sqrt(class score times segment score). Rows come by group in ascending order, class by class. Groups
    without class scores lose their segments.
    """
    fused: list[Regions] = []
    names, numbers = np.unique(predictions.groups, return_inverse=True)
    for number, group in enumerate(names.tolist()):
        if group not in class_scores:
            continue
        scores = np.asarray(class_scores[group], np.float64).reshape(-1)
        if scores.max() > 1 or scores.min() < 0:
            scores = np.exp(scores - scores.max())
            scores = scores / scores.sum()
        own = predictions[np.flatnonzero(numbers.reshape(-1) == number)]
        own = own[np.argsort(-own.scores, kind="stable")[:most]]
        best = np.argsort(-scores, kind="stable")[:classes]
        fused += [
            Regions(own.groups, np.full(len(own), label), own.bounds, np.sqrt(own.scores * scores[label]))
            for label in best.tolist()
        ]
    if not fused:
        return predictions[:0]
    columns = zip(*((each.groups, each.labels, each.bounds, each.scores) for each in fused), strict=True)
    return Regions(*(np.concatenate(column) for column in columns))


def video_map(predictions: Regions, truths: Regions, top: int = 3) -> Mapping[str, float]:
    """ActivityNet's classification of untrimmed videos, in [0, 1]: `mAP`, and of the best `top` classes of a video
    `hit` (one of them is right) and `average hit` (share of the right ones among them). Bounds play no part.

    A class of a video counts once. Videos without predictions are not hit.
    """
    known, said = (replace(each, bounds=np.tile([0.0, 1.0], (len(each), 1))) for each in (truths, predictions))
    known = known[unique_truths(known)]
    labels, table = detection_ap(said, known, (0.5,))
    ranked = said[np.argsort(-said.scores, kind="stable")]
    ranked = ranked[np.flatnonzero(place_in_group(ranked.groups) < top)]
    best = set(zip(ranked.groups.tolist(), ranked.labels.tolist(), strict=True))
    hits: dict[object, list[bool]] = {}
    for group, label in zip(known.groups.tolist(), known.labels.tolist(), strict=True):
        hits.setdefault(group, []).append((group, label) in best)
    return {
        "mAP": float(table.mean()) if len(labels) else float("nan"),
        "hit": float(np.mean([any(each) for each in hits.values()])),
        "average hit": float(np.mean([np.mean(each) for each in hits.values()])),
    }
