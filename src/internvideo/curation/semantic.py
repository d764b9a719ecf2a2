"""Which clips mean the same: clusters of their vectors, and in each cluster the better clip that is most alike.

The form of SemDeDup (Abbas et al., 2023, section 3): k-means on unit vectors; within a cluster the clips in an order of
preference, and for each the greatest cosine to one before it. A clip goes if that is over a threshold, which is chosen
later, by a view: nothing here is removed, and changing the threshold computes nothing.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.duplicates import SetClips
from internvideo.curation.operator import Grain
from internvideo.errors import pick
from internvideo.store.values import CLIP_KEY, SPAN_KEY

PER_CLUSTER = 1000  # clips, on average, where the number of clusters is not given
ROUNDS = 20
SAMPLE = 256  # vectors per cluster that k-means looks at
ROWS = 4096  # vectors at once


@dataclass(frozen=True)
class SemanticDuplicates:
    """One row per clip of the set that has a vector.

    similarity: the greatest cosine to a better clip of its cluster; null for the best one. other_*: that clip. Better
    is as in `NearDuplicates`: more pixels, longer, a higher bit rate, the smaller key.
    clusters: 0 for one per 1,000 clips. Clips on two sides of a border between clusters are not compared.
    """

    embedding: str  # the operator that has the vectors
    clip_set: str = "shots"
    clusters: int = 0
    seed: int = 0

    name: ClassVar[str] = "semantic"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    optional: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("cluster", pa.int32()),
            ("similarity", pa.float32()),
            ("other_video", pa.string()),
            ("other_start", pa.int64()),
            ("other_end", pa.int64()),
        ]
    )

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.clip_set, self.embedding, "probe")

    def process_all(self, rows: Mapping[str, pa.Table]) -> pa.Table:
        """See the class. rows: the clip set by its name, the vectors by theirs, `probe`."""
        table = _with_vectors(pick(rows, self.clip_set, "clip set"), pick(rows, self.embedding, "embedding"))
        clips = SetClips(table, rows["probe"])
        vectors = vectors_of(table)
        count = self.clusters or -(-len(vectors) // PER_CLUSTER)
        cluster = clustered(vectors, count, self.seed)
        similarity, other = most_alike(vectors, cluster, clips.rank)
        lonely = other < 0
        keys = clips.keys.select(CLIP_KEY.names[:4])
        others = keys.take(pa.array(np.where(lonely, 0, other)))
        columns = {
            **{name: keys[name] for name in keys.column_names},
            "item": pa.array(np.zeros(len(vectors), np.int32)),
            "cluster": pa.array(cluster.astype(np.int32)),
            "similarity": pa.array(similarity, pa.float32(), mask=lonely),
        }
        for name in ("video", "start", "end"):
            known = others[name].combine_chunks()
            columns[f"other_{name}"] = pa.compute.if_else(pa.array(lonely), pa.scalar(None, known.type), known)
        return pa.table(columns, schema=pa.schema([*CLIP_KEY, *self.columns]))


def clustered(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(N,) int64: k-means on the sphere. vectors: (N, D) unit length, any float; the same for equal input and seed."""
    if count <= 1 or not len(vectors):
        return np.zeros(len(vectors), np.int64)
    rng = np.random.default_rng(seed)
    seen = np.sort(rng.permutation(len(vectors))[: SAMPLE * count])
    sample = vectors[seen].astype(np.float32)
    centres = sample[np.sort(rng.permutation(len(sample))[:count])]
    before = None
    for _ in range(ROUNDS):
        nearest = _nearest(sample, centres)
        if before is not None and np.array_equal(nearest, before):
            break
        before, sums = nearest, np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.maximum(length, 1e-12), centres)  # an empty cluster stays where it is
    return _nearest(vectors, centres)


def _nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    parts = [
        (vectors[i : i + ROWS].astype(np.float32) @ centres.T).argmax(axis=1) for i in range(0, len(vectors), ROWS)
    ]
    return np.concatenate(parts)


def most_alike(vectors: np.ndarray, cluster: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row the greatest cosine to a better row of its cluster, and that row; NaN and -1 for the best.

    vectors: (N, D) unit length; cluster: (N,) int64; rank: (N,) int64, a permutation, the best has 0 -> (N,) float32,
    (N,) int64. Of equals the better row.
    """
    similarity, other = np.full(len(vectors), np.nan, np.float32), np.full(len(vectors), -1, np.int64)
    order = np.lexsort([rank, cluster])
    bounds = np.flatnonzero(np.r_[True, np.diff(cluster[order]) != 0, True]) if len(order) else np.zeros(1, np.int64)
    for first, stop in itertools.pairwise(bounds):
        members = order[first:stop]
        own = vectors[members].astype(np.float32)
        for i in range(0, len(members), ROWS):
            block = own[i : i + ROWS]
            cosines = block @ own[: i + len(block)].T
            cosines[np.arange(cosines.shape[1])[None, :] >= np.arange(i, i + len(block))[:, None]] = -np.inf
            best = cosines.argmax(axis=1)
            better = np.arange(i, i + len(block)) > 0
            rows = members[i : i + len(block)][better]
            similarity[rows] = np.take_along_axis(cosines, best[:, None], 1)[:, 0][better]
            other[rows] = members[best[better]]
    return similarity, other


def groups_at(similarity: np.ndarray, other: np.ndarray, threshold: float) -> np.ndarray:
    """(N,) int64: the keeper that each row leads to, over links of more than `threshold`; itself for a keeper.

    Links go to better rows only, so there is one keeper at the end of each way: groups are trees.
    """
    keeper = np.where(similarity > threshold, other, np.arange(len(other)))
    while True:
        further = keeper[keeper]
        if np.array_equal(further, keeper):
            return keeper
        keeper = further


def vectors_of(table: pa.Table) -> np.ndarray:
    """(N, D) float16, as `Embedding` stores them."""
    width = table.schema.field("vector").type.list_size
    flat = table["vector"].combine_chunks()
    flat = flat.flatten() if isinstance(flat, pa.Array) else pa.concat_arrays([c.flatten() for c in flat.chunks])
    found: np.ndarray = flat.to_numpy(zero_copy_only=False).reshape(-1, width)
    return found


def _with_vectors(clips: pa.Table, vectors: pa.Table) -> pa.Table:
    """The clips of the set that have a vector, sorted by key, and their vectors in the same order."""
    names = SPAN_KEY.names
    where = vectors.select(names).append_column("row", pa.array(np.arange(vectors.num_rows)))
    found = clips.join(where, names, join_type="inner").sort_by([(name, "ascending") for name in names])
    return found.append_column("vector", vectors["vector"].take(found["row"].combine_chunks())).drop_columns(["row"])
