"""Of many regions that mean the same, keep one: hard and soft suppression, and voting, in one or more dimensions.

numpy, no model. A region is a row of lows and highs: (start, end) of a segment, (x1, y1, x2, y2) of a box. Results come
in descending order of their scores.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Method = Literal["soft", "hard", "none"]
SMALL = 1e-6  # added to every size in suppression (published), so that empty regions have one


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """How to thin out predictions. The defaults are those of THUMOS14."""

    method: Method = "soft"
    overlap: float = 0.1  # hard: regions that overlap a better one at least so much go
    sigma: float = 0.5  # soft: scores are multiplied by exp(-overlap^2 / sigma)
    lowest: float = 0.001  # scores below it go
    most: int = 200  # regions that stay
    per_class: bool = True
    voting: float = (
        0.0  # class-agnostic only: bounds become a mean over the inputs that overlap so much; 0: as they are
    )

    def __post_init__(self) -> None:
        if self.sigma <= 0 or self.most < 1 or not 0 <= self.overlap <= 1 or not 0 <= self.voting <= 1:
            raise ValueError(
                f"suppression needs sigma > 0, most >= 1, overlap and voting in [0, 1], got {self.sigma}, {self.most}, "
                f"{self.overlap} and {self.voting}"
            )


def iou(one: np.ndarray, many: np.ndarray, sizes: np.ndarray, size: float) -> np.ndarray:
    """Overlap of one region with many, given their sizes: (2d,), (N, 2d), (N,), () -> (N,)."""
    half = len(one) // 2
    shared = np.minimum(one[half:], many[:, half:])
    shared -= np.maximum(one[:half], many[:, :half])
    inside = np.maximum(shared, 0, out=shared).prod(1)
    return np.asarray(inside / (size + sizes - inside))


def hard_suppression(regions: np.ndarray, scores: np.ndarray, overlap: float, most: int | None = None) -> np.ndarray:
    """Row numbers that stay, best first: a region goes if it overlaps a better one that stays at least `overlap`.

    regions: (N, 2d), scores: (N,). Of equal scores the first row is better.
    """
    alive = np.argsort(-scores, kind="stable")
    sizes = _sizes(regions)
    kept: list[int] = []
    while len(alive) and (most is None or len(kept) < most):
        best, alive = alive[0], alive[1:]
        kept.append(int(best))
        alive = alive[iou(regions[best], regions[alive], sizes[alive], sizes[best]) < overlap]
    return np.array(kept, np.int64)


def soft_suppression(
    regions: np.ndarray, scores: np.ndarray, sigma: float, lowest: float = 0.0, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and new scores, best first: the best stays, and lowers the scores of those it overlaps; and so on.

    regions: (N, 2d), scores: (N,) -> two (M,). A score is multiplied by exp(-overlap^2 / sigma) for each better region
    (Bodla et al. 2017, Gaussian). Regions whose score falls below `lowest` go; the first is not asked (published).
    """
    alive, left = np.arange(len(scores)), scores.copy()
    inside, sizes = np.ascontiguousarray(regions), _sizes(regions)
    kept: list[int] = []
    final: list[float] = []
    while len(alive) and (most is None or len(kept) < most):
        best = int(left.argmax())
        if left[best] == -np.inf:
            break
        kept.append(int(alive[best]))
        final.append(float(left[best]))
        near = iou(inside[best], inside, sizes, sizes[best])
        touched = np.flatnonzero(near)
        left[touched] *= np.exp(-np.square(near[touched]) / sigma).astype(left.dtype)
        left[left < lowest] = -np.inf
        left[best] = -np.inf
        if len(kept) % 64 == 1:  # what is gone costs as much as what is alive
            there = left > -np.inf
            alive, left, inside, sizes = alive[there], left[there], inside[there], sizes[there]
    return np.array(kept, np.int64), np.array(final, scores.dtype)


def vote(kept: np.ndarray, regions: np.ndarray, scores: np.ndarray, overlap: float) -> np.ndarray:
    """Each kept region as the mean, weighted by scores, of all regions that overlap it at least `overlap`.

    kept: (K, 2d), regions: (N, 2d), scores: (N,) -> (K, 2d).
    """
    half = regions.shape[1] // 2
    sizes = (regions[:, half:] - regions[:, :half]).prod(1)
    weights = np.stack(
        [(iou(one, regions, sizes, (one[half:] - one[:half]).prod()) >= overlap) * scores for one in kept]
    )
    return np.asarray((weights / weights.sum(1, keepdims=True)) @ regions)


def suppress(
    regions: np.ndarray, scores: np.ndarray, labels: np.ndarray, how: Suppression
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regions (M, 2d), scores (M,) and labels (M,) that stay, in descending order of scores.

    With method "none" everything stays as it is, in its order.
    """
    if how.method == "none" or not len(scores):
        return regions, scores, labels
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)] if how.per_class else [slice(None)]
    found = [_thin(regions[rows], scores[rows], labels[rows], how) for rows in groups]
    regions_left, scores_left, labels_left = (np.concatenate(column) for column in zip(*found, strict=True))
    if how.voting > 0 and not how.per_class and len(regions_left):
        regions_left = vote(regions_left, regions, scores, how.voting)
    best = np.argsort(-scores_left, kind="stable")[: how.most]
    return regions_left[best], scores_left[best], labels_left[best]


def _thin(
    regions: np.ndarray, scores: np.ndarray, labels: np.ndarray, how: Suppression
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if how.method == "soft":
        rows, left = soft_suppression(regions, scores, how.sigma, how.lowest, how.most)
        return regions[rows], left, labels[rows]
    enough = np.flatnonzero(scores > how.lowest) if how.lowest > 0 else np.arange(len(scores))
    rows = enough[hard_suppression(regions[enough], scores[enough], how.overlap, how.most)]
    return regions[rows], scores[rows], labels[rows]


def _sizes(regions: np.ndarray) -> np.ndarray:
    half = regions.shape[1] // 2
    return np.asarray((regions[:, half:] - regions[:, :half]).prod(1) + np.asarray(SMALL, regions.dtype))
