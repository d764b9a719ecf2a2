"""How well one thing finds another: ranks and recall from similarity matrices.

numpy only. A query's own items are those that answer it; ranks count from 0.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

Ties = Literal["against", "for", "reversed-argsort"]
TieRule = Literal["against", "for", "middle", "every"]


def ranks_of(similarity: np.ndarray, own: np.ndarray | None = None, ties: TieRule = "against") -> np.ndarray:
    """How many items come before each query's one own item: (Q, N), (Q,) column numbers -> (Q,) float64.

    own: None for the diagonal. ties: an equal item counts as before ("against"), as behind ("for"), or as half
    ("middle"). "every" is the published rule of CLIP4Clip: a rank for each place at which the own value stands, so
    that there are more ranks than queries.
    """
    rows = np.arange(len(similarity))
    mine = similarity[rows, rows if own is None else own][:, None]
    before = np.count_nonzero(similarity > mine, axis=1)
    if ties == "for":
        return np.asarray(before, np.float64)
    equal = np.count_nonzero(similarity == mine, axis=1)
    if ties == "every":
        return np.concatenate([np.arange(b, b + e, dtype=np.float64) for b, e in zip(before, equal, strict=True)])
    return np.asarray(before + (equal - 1) * (1.0 if ties == "against" else 0.5))


def rank_summary(ranks: np.ndarray, ks: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """R@k in percent; median and mean rank from 1.

    >>> rank_summary(np.array([0.0, 1.0]))
    {'R@1': 50.0, 'R@5': 100.0, 'R@10': 100.0, 'MedR': 1.5, 'MeanR': 1.5}
    """
    recalls = {f"R@{k}": recall_at(ranks, k) for k in ks}
    return {**recalls, "MedR": float(np.median(ranks)) + 1, "MeanR": float(ranks.mean()) + 1}


def best_of_groups(similarity: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """The largest score of each column among the rows of each group: (Q, N), (Q,) group numbers -> (groups, N).

    Texts about the same video are a group: so videos are ranked by their best text. An empty group has -inf.
    """
    best = np.full((groups, similarity.shape[1]), -np.inf, similarity.dtype)
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    best[present] = np.maximum.reduceat(similarity[order], starts, axis=0)
    return best


def best_ranks(similarity: np.ndarray, own: Sequence[Sequence[int]], ties: Ties = "against") -> np.ndarray:
    """How many other items come before the best own item of each query: (Q, N) -> (Q,) int64.

    ties: "against" counts an equal item as before, so that a constant matrix finds nothing, "for" as behind.
    "reversed-argsort" is what the published evaluations do: numpy's order of an ascending sort, read backwards.
    """
    if len(own) != len(similarity):
        raise ValueError(f"{len(similarity)} queries but own items of {len(own)}")
    ranks = np.empty(len(similarity), np.int64)
    for query, (scores, items) in enumerate(zip(similarity, own, strict=True)):
        mine = np.zeros(len(scores), bool)
        mine[list(items)] = True
        if not mine.any():
            raise ValueError(f"query {query} has no own item")
        if ties == "reversed-argsort":
            ranks[query] = np.argmax(mine[np.argsort(scores)[::-1]])
        else:
            best = scores[mine].max()
            ranks[query] = np.count_nonzero(scores[~mine] > best if ties == "for" else scores[~mine] >= best)
    return ranks


def recall_at(ranks: np.ndarray, k: int) -> float:
    """Share of queries, in percent, whose best own item is among the first k: (Q,) -> [0, 100]."""
    return 100.0 * float(np.count_nonzero(ranks < k)) / len(ranks)


def dual_softmax(similarity: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Each score times its softmax over the queries: (Q, N) -> (Q, N). An item wanted by one query only gains.

    Uses all queries together, so it is a re-ranking and is reported as such. Published with raw cosines and
    temperature 1, which changes little; a scale of 100 means temperature 0.01.
    """
    logits = similarity / temperature
    weights = np.exp(logits - logits.max(axis=0, keepdims=True))
    return np.asarray(similarity * weights / weights.sum(axis=0, keepdims=True))


def viclip_retrieval(
    videos_to_texts: np.ndarray,
    texts_to_videos: np.ndarray,
    texts_of_video: Sequence[Sequence[int]],
    video_of_text: Sequence[int],
) -> Mapping[str, float]:
    """The numbers that ViCLIP's evaluation prints, in percent with two decimals.

    (V, T) and (T, V) similarities. `txt_*` finds texts for videos, `img_*` videos for texts (published names).
    """
    found: dict[str, float] = {}
    both = {
        "txt": best_ranks(videos_to_texts, texts_of_video, "reversed-argsort"),
        "img": best_ranks(texts_to_videos, [[video] for video in video_of_text], "reversed-argsort"),
    }
    means = {}
    for name, ranks in both.items():
        recalls = {k: recall_at(ranks, k) for k in (1, 5, 10)}
        means[name] = sum(recalls.values()) / len(recalls)
        found |= {f"{name}_r{k}": value for k, value in recalls.items()} | {f"{name}_r_mean": means[name]}
    found["r_mean"] = (means["txt"] + means["img"]) / 2
    return {name: round(value, 2) for name, value in found.items()}
