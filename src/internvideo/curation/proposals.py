"""Thresholds that follow from people's verdicts: on which scores, where, how sure, and which clips to judge next.

A threshold is chosen on the verdicts so that as many good clips as possible stay at the precision that is asked for.
How precise it is cannot be told by the verdicts that chose it: so it is also chosen five times on four fifths of them
and marked on the last fifth, and what these say together is what is promised.
"""

from dataclasses import dataclass

import numpy as np

from internvideo.metrics.open_set import auroc
from internvideo.metrics.proportions import wilson_interval

FOLDS = 5
LEAST = 10  # verdicts, and at least two of each kind


@dataclass(frozen=True)
class Proposal:
    """Keep values of at least (`>=`) or at most (`<=`) a threshold.

    separation: how often a good clip is on the better side of a bad one, [0.5, 1]. precision: the share of good ones
    among judged clips that stay, on verdicts that did not choose it, with its interval of 95 %; recall: share of the
    good ones that stay, likewise. enough: whether the lower end of the interval reaches what was asked for.
    """

    column: str
    relation: str
    threshold: float
    separation: float
    good: int
    bad: int
    kept: int  # of the judged ones in the folds
    precision: float
    interval: tuple[float, float]
    recall: float
    enough: bool

    @property
    def rule(self) -> str:
        return f"{self.column} {self.relation} {self.threshold:.6g}"


def propose(column: str, values: np.ndarray, good: np.ndarray, precision: float) -> Proposal | None:
    """values: (J,) float64 of judged clips; good: (J,) bool, in an order that says nothing. NaN is left out.

    None where there are fewer than 10 verdicts or not two of each kind.
    """
    known = np.isfinite(values)
    values, good = values[known], good[known]
    if len(values) < LEAST or min(good.sum(), (~good).sum()) < 2:
        return None
    separation = auroc(values[~good], values[good])
    sign = 1.0 if separation >= 0.5 else -1.0
    fold = np.empty(len(values), np.int64)
    for kind in (good, ~good):  # each fold has its share of both
        fold[kind] = np.arange(kind.sum()) % FOLDS
    stays = np.zeros(len(values), bool)
    for number in range(FOLDS):
        seen = fold != number
        stays[~seen] = sign * values[~seen] >= best_threshold(sign * values[seen], good[seen], precision)
    hits, kept = int((stays & good).sum()), int(stays.sum())
    interval = wilson_interval(hits, kept)
    return Proposal(
        column=column,
        relation=">=" if sign > 0 else "<=",
        threshold=sign * best_threshold(sign * values, good, precision),
        separation=max(separation, 1 - separation),
        good=int(good.sum()),
        bad=int((~good).sum()),
        kept=kept,
        precision=hits / kept if kept else 0.0,
        interval=interval,
        recall=hits / int(good.sum()),
        enough=interval[0] >= precision,
    )


def best_threshold(values: np.ndarray, good: np.ndarray, precision: float) -> float:
    """The least threshold (so: most clips stay) at which at least `precision` of what stays is good.

    If there is none, that of the greatest precision. It lies in the middle between two values, or is the least one.
    """
    levels = np.unique(values)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(good[order])[np.searchsorted(-values[order], -levels, side="right") - 1]
    kept = np.searchsorted(-values[order], -levels, side="right")
    shares = hits / kept
    enough = np.flatnonzero(shares >= precision)
    place = int(enough[0]) if len(enough) else int(np.argmax(shares))
    return float(levels[place] if place == 0 else (levels[place - 1] + levels[place]) / 2)


def nearest_unjudged(values: np.ndarray, judged: np.ndarray, threshold: float, count: int) -> list[int]:
    """Rows without a verdict that lie nearest to a threshold: what a person says of them tells most about it."""
    distance = np.where(judged | ~np.isfinite(values), np.inf, np.abs(values - threshold))
    order = np.argsort(distance, kind="stable")[:count]
    return [int(row) for row in order if np.isfinite(distance[row])]
