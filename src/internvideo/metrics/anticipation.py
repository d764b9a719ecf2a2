"""How well is foretold what a person does next: objects and contacts, hands, and sequences of actions (Ego4D).

numpy only.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from internvideo.metrics.detection import Regions, assign, average_precision, candidate_pairs, overlaps, place_in_group


def anticipation_map(
    predictions: Regions,
    truths: Regions,
    agrees: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    top: int = 5,
    by_class: bool = True,
    empty_frames: Literal["count", "skip"] = "count",
) -> float:
    """Ego4D's top-k mean average precision of boxes that also have to agree otherwise, in [0, 1].

    agrees(rows, truths) -> (M,) bool: whether verb or time to contact fit. Nouns are the classes; by_class=False
    matches boxes of any noun, as one class. Boxes are pixels, both ends inside; overlap must be above 0.5. Of each
    frame the first (top - 1) times its truths wrong predictions do not count at all. empty_frames: truths of a frame
    without predictions are missed ("count"), or not looked at ("skip": what the published evaluator does).
    """
    if empty_frames == "skip":
        truths = truths[np.isin(truths.groups, predictions.groups)]
    order = np.argsort(-predictions.scores, kind="stable")
    ranked = predictions[order]
    mine, theirs = (
        each if by_class else Regions(each.groups, np.zeros(len(each), np.int64), each.bounds, each.scores)
        for each in (ranked, truths)
    )
    rows, owners = candidate_pairs(mine, theirs)
    likeness = overlaps(mine.bounds[rows], theirs.bounds[owners], unit=1.0)
    fits = (likeness > 0.5) & agrees(order[rows], owners)
    rows, owners, likeness = rows[fits], owners[fits], likeness[fits]
    right = np.zeros(len(ranked), bool)
    right[rows[assign(rows, owners, likeness)]] = True
    counts = dict(zip(*(column.tolist() for column in np.unique(truths.groups, return_counts=True)), strict=True))
    allowed = np.array([(top - 1) * counts.get(group, 0) for group in ranked.groups.tolist()], np.int64)
    wrong = np.flatnonzero(~right)
    counted = right.copy()
    counted[wrong] = place_in_group(ranked.groups[wrong]) >= allowed[wrong]
    values = [
        average_precision(right[counted & (mine.labels == label)], int((theirs.labels == label).sum()))
        for label in np.unique(theirs.labels).tolist()
    ]
    return float(np.mean(values)) if values else float("nan")


def hand_displacement(predicted: np.ndarray, truth: np.ndarray) -> Mapping[str, float]:
    """Ego4D future hands, pixels: mean distance over all steps (`M.Disp`) and at the last one (`C.Disp`), per hand.

    predicted, truth: (N, 5, 2, 2): frame, hand (left, right), (x, y). A hand at (0, 0) is not there and not counted; a
    hand that is never there has no number.
    """
    if predicted.shape != truth.shape or truth.shape[1:] != (5, 2, 2):
        raise ValueError(f"expected two (N, 5, 2, 2), got {predicted.shape} and {truth.shape}")
    away = np.linalg.norm(predicted - truth, axis=-1)
    there = (truth != 0).any(-1)
    found = {}
    for hand, name in enumerate(("left", "right")):
        for short, steps in (("M", slice(None)), ("C", slice(-1, None))):
            counted = there[:, steps, hand]
            values = away[:, steps, hand][counted]
            found[f"{short}.Disp {name}"] = float(values.mean()) if counted.any() else float("nan")
    return found


def change_errors(scores: np.ndarray, moments: np.ndarray, seconds: np.ndarray) -> Mapping[str, float]:
    """Ego4D's point of no return: `keyframe error` in seconds, and `state change`, the share told rightly, in [0, 1].

    scores: (N, T + 1), of the middles of T equal parts of each clip, the last one: nothing changes; moments: (N,)
    seconds from the start, not a number where nothing changes; seconds: (N,) of the clips. The error is a mean over
    the clips in which something changes, of the best part also where "nothing" is better.
    """
    changes = ~np.isnan(moments)
    parts = scores.shape[1] - 1
    told = (scores[:, :-1].argmax(1) + 0.5) / parts * seconds
    right = (scores.argmax(1) < parts) == changes
    late = np.abs(told - moments)[changes]
    return {"keyframe error": float(late.mean()) if len(late) else float("nan"), "state change": float(right.mean())}


def edit_distances(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, float]:
    """Ego4D long-term anticipation: ED of the first 1 ... Z actions, (Z,) in [0, 1], and the area under it.

    predicted: (N, Z, K) K guesses each, of which the nearest counts; truth: (N, Z). Fewest insertions, deletions and
    substitutions over the length; one table of prefixes has all lengths on its diagonal.
    """
    count, length, guesses = predicted.shape
    if truth.shape != (count, length):
        raise ValueError(f"{predicted.shape} guesses do not fit truths of {truth.shape}")
    steps = np.arange(length + 1)
    above = np.broadcast_to(steps[:, None, None], (length + 1, count, guesses)).astype(np.int64)
    diagonal = []
    for row in range(length):
        here = np.empty_like(above)
        here[0] = row + 1
        for column in range(length):
            wrong = predicted[:, row] != truth[:, column, None]
            here[column + 1] = np.minimum(np.minimum(above[column + 1], here[column]) + 1, above[column] + wrong)
        diagonal.append(here[row + 1].min(-1).mean() / (row + 1))
        above = here
    errors = np.array(diagonal)
    area = float(((errors[1:] + errors[:-1]) / 2).sum() / max(length - 1, 1))
    return errors, area
