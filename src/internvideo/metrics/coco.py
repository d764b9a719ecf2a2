"""COCO's average precision of boxes: ten overlaps, 101 recalls, the best 100 boxes of each picture and class.

numpy only. Source: the evaluation of Lin et al. 2014 (Microsoft COCO), which Ego4D's state-change objects use.
"""

from collections.abc import Mapping

import numpy as np

from internvideo.metrics.detection import Regions, assign, candidate_pairs, keys_of, overlaps, place_in_group

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


def coco_map(predictions: Regions, truths: Regions, *, most: int = 100) -> Mapping[str, float]:
    """`AP`, `AP50` and `AP75` in [0, 1], means over the classes that have truths; not a number without truths.

    Groups are pictures; bounds (x1, y1, x2, y2), ends outside, of any unit. Of equally near truths that are free the
    last is taken, of equal scores the first row comes first. No truth is a crowd, none is left out for its size.
    """
    ranked = predictions[np.argsort(-predictions.scores, kind="stable")]
    kept = ranked[np.flatnonzero(place_in_group(keys_of(ranked, truths)) < most)]
    rows, owners = candidate_pairs(kept, truths)
    likeness = overlaps(kept.bounds[rows], truths.bounds[owners])
    right = np.zeros((len(THRESHOLDS), len(kept)), bool)
    for found, threshold in zip(right, THRESHOLDS, strict=True):
        near = likeness >= threshold
        matched = assign(rows[near], len(truths) - 1 - owners[near], likeness[near])
        found[rows[near][matched]] = True
    table = np.array(
        [
            [
                interpolated_precision(each, int((truths.labels == label).sum()))
                for each in right[:, kept.labels == label]
            ]
            for label in np.unique(truths.labels).tolist()
        ]
    ).reshape(-1, len(THRESHOLDS))
    if not len(table):
        return dict.fromkeys(("AP", "AP50", "AP75"), float("nan"))
    return {"AP": float(table.mean()), "AP50": float(table[:, 0].mean()), "AP75": float(table[:, 5].mean())}


def interpolated_precision(right: np.ndarray, positives: int) -> float:
    """The mean over 101 recalls of the best precision at such a recall or a higher one; (N,) bool, best score first."""
    found = np.cumsum(right)
    precision = found / (np.arange(1, len(right) + 1) + np.spacing(1))
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(found / positives, RECALLS, side="left")
    return float(np.append(highest, 0.0)[places].mean())
