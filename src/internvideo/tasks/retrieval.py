"""Video-text retrieval: which video a text means, and which text a video.

Source: InternVideo (Wang et al., 2022) and the conventions of CLIP4Clip (Luo et al., 2021). With several texts per
video every text is a query; the other way round, a video is compared with each video's best text, and its own must come
first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np

from internvideo.config import override
from internvideo.datasets.moving_shapes.retrieval import retrieval_scenes
from internvideo.datasets.moving_shapes.world import Split
from internvideo.datasets.sample import Samples
from internvideo.errors import UsageError
from internvideo.metrics.ranking import TieRule, best_of_groups, dual_softmax, rank_summary, ranks_of
from internvideo.tasks.data import Data, name_of, read_list, world
from internvideo.tasks.predictions import BadPredictions, Embedding, Record, shown
from internvideo.tasks.recognition import unique
from internvideo.tasks.task import SEES, Asked, Example, Marks, Sees
from internvideo.text.cleaning import clean_caption


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How candidates are ranked.

    dual_softmax: re-rank with a softmax over all queries of scale x cosine; needs all queries at once, so it is no
    search for one query. ties: see `metrics.ranking.ranks_of`; "every" is the published rule. multi_v2t: with dual
    softmax and several texts per video, the way back takes its own re-ranking ("own"), or that of the way there, as
    published ("reuse-t2v"). sees: "still" shows the middle frame of a video in place of all, "shuffled"
    all in another order, "blank" nothing.
    """

    dual_softmax: bool = False
    sees: Sees = "all"
    scale: float = 100.0
    ties: TieRule = "against"
    multi_v2t: Literal["own", "reuse-t2v"] = "own"


PAPER = Ranking(dual_softmax=True, ties="every", multi_v2t="reuse-t2v")


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Rank all videos by a text and all texts by a video. Predictions: an embedding of each video, named like its
    example, and of each text, `<example>#<number>`."""

    examples: Sequence[Example]  # texts: the captions
    protocol: Ranking = field(default_factory=Ranking)
    name: str = "retrieval"
    family: str = "embeddings"

    def ids_of(self, example: Example) -> Sequence[str]:
        return (example.id, *(f"{example.id}#{number}" for number in range(len(example.texts))))

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        for example in examples:  # texts first: they are candidates also where the video is broken
            texts = list(map(clean_caption, example.texts)) if asked.card.family.cleaning == "viclip" else example.texts
            for id, vector in zip(self.ids_of(example)[1:], asked.texts(texts), strict=True):
                yield Embedding(id, vector)
        video = asked.videos(examples[0].sample, SEES[self.protocol.sees])[0]
        for example in examples:
            yield Embedding(example.id, video)

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        videos = _stacked([predictions.get(example.id) for example in self.examples])
        texts = _stacked([predictions.get(id) for example in self.examples for id in self.ids_of(example)[1:]])
        if videos.shape[1] != texts.shape[1]:
            raise BadPredictions(f"videos have {videos.shape[1]} numbers, texts {texts.shape[1]}", "one model for both")
        own = np.repeat(np.arange(len(self.examples)), [len(example.texts) for example in self.examples])
        way_there, way_back = rank_both(texts @ videos.T, own, self.protocol)
        notes = []
        tied = [_tied(similarity, mine) for similarity, mine in (way_there, way_back)]
        if any(tied):
            notes.append(f"ties: {tied[0]} texts and {tied[1]} videos have an equal candidate beside their own; "
                         f"rule `{self.protocol.ties}`")  # fmt: skip
        ranks = [_ranks(similarity, mine, self.protocol.ties) for similarity, mine in (way_there, way_back)]
        metrics: dict[str, Any] = {"t2v": rank_summary(ranks[0]), "v2t": rank_summary(ranks[1])}
        metrics |= {"videos": len(videos), "texts": len(texts)}
        return Marks(metrics=metrics, notes=notes, tables={"ranks": {"t2v": ranks[0], "v2t": ranks[1]}})


Direction = tuple[np.ndarray, np.ndarray]  # (Q, N) scores, (Q,) the own column of each row


def rank_both(similarity: np.ndarray, own: np.ndarray, how: Ranking) -> tuple[Direction, Direction]:
    """Scores of both directions: (T, V) cosines, NaN where one is missing; (T,) the video of each text.

    -> ((T, V), own), ((V, V), 0 to V-1). What is missing stands behind everything else, so that it is never found.
    """
    there = ~np.isnan(similarity)
    rows, columns = there.any(axis=1), there.any(axis=0)
    inner = similarity[np.ix_(rows, columns)]
    several = len(similarity) != similarity.shape[1]
    forward, backward = inner, inner.T
    if how.dual_softmax:
        forward, backward = dual_softmax(inner * how.scale), dual_softmax(inner.T * how.scale)
        if several and how.multi_v2t == "reuse-t2v":
            backward = forward.T
    shape = similarity.shape
    way_there, way_back = (np.full(s, -np.inf, similarity.dtype) for s in (shape, shape[::-1]))
    way_there[np.ix_(rows, columns)], way_back[np.ix_(columns, rows)] = forward, backward
    groups = best_of_groups(way_back.T, own, shape[1]).T if several else way_back
    return (way_there, own), (groups, np.arange(shape[1]) if several else np.argsort(own))


def _stacked(records: Sequence[Record | None]) -> np.ndarray:
    """(n, D) float64 unit vectors; NaN where there is none."""
    vectors = [one.vector for one in records if isinstance(one, Embedding)]
    sizes = {len(vector) for vector in vectors}
    if len(sizes) != 1:
        raise BadPredictions(f"embeddings of {sorted(sizes) or 'no'} numbers", "they must all be of one model")
    rows = np.full((len(records), *sizes), np.nan)
    for row, record in zip(rows, records, strict=True):
        if isinstance(record, Embedding):
            row[:] = record.vector / max(float(np.linalg.norm(record.vector)), 1e-12)
    return rows


def _ranks(similarity: np.ndarray, own: np.ndarray, ties: TieRule) -> np.ndarray:
    """Of all queries; one that is missing, or whose answer is, comes last."""
    there = np.isfinite(similarity[np.arange(len(similarity)), own])
    last = np.full(int((~there).sum()), similarity.shape[1] - 1.0)
    return np.concatenate([ranks_of(similarity[there], own[there], ties), last])


def _tied(similarity: np.ndarray, own: np.ndarray) -> int:
    mine = similarity[np.arange(len(similarity)), own][:, None]
    return int((np.isfinite(mine[:, 0]) & ((similarity == mine).sum(axis=1) > 1)).sum())


def retrieval(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> Retrieval:
    """The task over a list with captions. paper: dual softmax on, published ties."""
    protocol = override(PAPER if paper else Ranking(), options)
    if data.small_world:
        split = cast(Split, data.split or "test")
        scenes = retrieval_scenes(data.number("clips", 200), split=split, seconds=float(data.number("seconds", 3)))
        films = world(data, f"retrieval-{split}", scenes)
        return Retrieval(
            examples=[Example(one.id, one.sample, (one.facts["caption"],)) for one in films], protocol=protocol
        )
    return Retrieval(examples=captioned(read_list(data, options={"split": data.split}), data), protocol=protocol)


def captioned(samples: Samples, data: Data) -> list[Example]:
    """Examples with all captions of each video: rows of the same file and span are one."""
    found: dict[str, Example] = {}
    silent: list[str] = []
    for sample in samples:
        texts = tuple(text for text in sample.captions if text.strip())
        id = name_of(sample, data.root or data.place)
        silent += [] if texts else [id]
        before = found[id].texts if id in found else ()
        found[id] = Example(id, sample, before + texts)
    if silent:
        told = f"{len(silent):,} of {len(samples):,} samples of `{data.place}` have no caption: {shown(silent)}"
        raise UsageError(told, "leave them out of the list: a video without a text can not be found")
    return unique(list(found.values()), data.place)
