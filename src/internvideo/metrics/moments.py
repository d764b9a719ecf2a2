"""How well the moment is found that a sentence or a class asks for.

numpy only.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from internvideo.metrics.detection import (
    Regions,
    assign,
    candidate_pairs,
    keys_of,
    overlaps,
    place_in_group,
    unique_truths,
)


def moment_recall(
    predictions: Mapping[object, np.ndarray],
    truths: Mapping[object, np.ndarray],
    ks: Sequence[int] = (1, 5),
    thresholds: Sequence[float] = (0.3, 0.5),
) -> Mapping[str, float]:
    """`R@k,IoU=t`: share of queries with a window among their first k that overlaps the right one by at least t.

    predictions: query -> (N, 2), best first; truths: query -> (2,). A query without windows is not found. Source:
    Ego4D's natural-language queries. `mean R@1` is over the thresholds.
    """
    if not truths:
        raise ValueError("there are no queries to mark")
    empty = np.zeros((0, 2))
    found: dict[str, float] = {}
    for k in ks:
        best = np.array(
            [
                overlaps(np.asarray(predictions.get(query, empty), np.float64)[:k], np.asarray(truth)).max(initial=0)
                for query, truth in truths.items()
            ]
        )
        found |= {f"R@{k},IoU={threshold:g}": float((best >= threshold).mean()) for threshold in thresholds}
    return {**found, "mean R@1": float(np.mean([found[f"R@1,IoU={threshold:g}"] for threshold in thresholds]))}


def moments_retrieved(predictions: Regions, truths: Regions, *, k: int = 1, threshold: float = 0.5) -> float:
    """Ego4D's `R@kx`: share of truths found by the best k times n predictions of their class, n: truths of the class.

    Counts per group and class; predictions and truths match one to one.
    """
    truths = truths[unique_truths(truths)]
    ranked = predictions[np.argsort(-predictions.scores, kind="stable")]
    rows, owners = candidate_pairs(ranked, truths)
    keys = keys_of(ranked, truths)
    counts = np.bincount(keys_of(truths, ranked), minlength=int(keys.max(initial=-1)) + 1)
    kept = place_in_group(keys) < k * counts[keys]
    likeness = overlaps(ranked.bounds[rows], truths.bounds[owners])
    near = kept[rows] & (likeness >= threshold)
    return float(assign(rows[near], owners[near], likeness[near]).sum() / max(len(truths), 1))


def ranked_moments(
    predicted: Sequence[Sequence[tuple[int, int]]], truths: Sequence[Sequence[tuple[int, int]]]
) -> Mapping[str, float]:
    """DiDeMo, in [0, 1]: `rank@1`, `rank@5` and `mIoU` of all moments of a video ranked for each sentence.

    A moment is (first, last) piece of five seconds, both inside. Several people said where a sentence is: of each
    sentence the mean of the three best ranks, and of the three best overlaps of the first moment, counts.
    """
    ranks, likeness = [], []
    for moments, given in zip(predicted, truths, strict=True):
        order = [tuple(moment) for moment in moments]
        placed = sorted(order.index(tuple(truth)) + 1 if tuple(truth) in order else len(order) + 1 for truth in given)
        ranks.append(float(np.mean(placed[:3])))
        best = overlaps(np.array(order[0], np.float64), np.array(given, np.float64), unit=1.0)
        likeness.append(float(np.sort(best)[-3:].mean()))
    places = np.array(ranks)
    return {
        "rank@1": float((places <= 1).mean()),
        "rank@5": float((places <= 5).mean()),
        "mIoU": float(np.mean(likeness)),
    }
