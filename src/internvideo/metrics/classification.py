"""How often the right class comes first: top-k accuracy, and the merging of several views of one video.

numpy only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Merge = Literal["probability", "score"]
SameView = Literal["pair", "joined-digits"]
BLOCK = 2048  # rows at once: what is made of them stays in the cache


@dataclass(frozen=True)
class View:
    """What a network said about one view of a video: clip number `chunk`, crop number `split`, (K,) logits."""

    video: str
    label: int
    chunk: int
    split: int
    logits: np.ndarray


def softmax(logits: np.ndarray) -> np.ndarray:
    """(..., K) -> (..., K), rows sum to 1."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def merge_views(
    views: Iterable[View], merge: Merge = "probability", same_view: SameView = "pair"
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the views of each video, in order of first appearance: (V, K) scores, (V,) labels.

    merge: mean of the probabilities, or of the logits. A view that was already seen is left out; same_view
    "joined-digits" is the published rule, by which chunk 1 split 11 is the same as chunk 11 split 1.
    """
    scores: dict[str, dict[object, np.ndarray]] = {}
    labels: dict[str, int] = {}
    for view in views:
        key = (view.chunk, view.split) if same_view == "pair" else f"{view.chunk}{view.split}"
        logits = np.asarray(view.logits, np.float64)
        scores.setdefault(view.video, {}).setdefault(key, softmax(logits) if merge == "probability" else logits)
        labels.setdefault(view.video, view.label)
    means = [np.mean(list(seen.values()), axis=0) for seen in scores.values()]
    return np.stack(means), np.array([labels[video] for video in scores])


def top_k(scores: np.ndarray, labels: np.ndarray, ks: tuple[int, ...] = (1, 5)) -> Mapping[int, float]:
    """Share of rows, in percent, whose label is among the k best scores: (V, K), (V,) -> {k: percent}.

    Ties count against the label: constant scores are right for no k below the number of classes.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    ones = np.ones(scores.shape[1], np.float32)  # sums of a product with ones: exact, and faster than counting
    ahead = np.empty(len(scores), np.float32)
    for start in range(0, len(scores), BLOCK):
        rows = slice(start, start + BLOCK)
        ahead[rows] = (scores[rows] >= own[rows]).astype(np.float32) @ ones - 1
    return {k: 100.0 * float(np.count_nonzero(ahead < k)) / len(ahead) for k in ks}


def confusion(answers: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often class `row` was called class `column`: (V,), (V,) -> (classes, classes + 1) int64.

    An answer of -1 (none was given) counts in the last column.
    """
    columns = np.where(answers < 0, classes, answers)
    return np.bincount(labels * (classes + 1) + columns, minlength=classes * (classes + 1)).reshape(classes, -1)


def mean_per_class(counts: np.ndarray) -> float:
    """Mean over the classes that occur of their share of right answers, in percent: `confusion` -> [0, 100]."""
    totals = counts.sum(axis=1)
    rights = counts[np.arange(len(counts)), np.arange(len(counts))]
    return 100.0 * float((rights[totals > 0] / totals[totals > 0]).mean())
