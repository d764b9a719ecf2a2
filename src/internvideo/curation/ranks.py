"""Where each clip stands by the scores that networks give: among all clips, and among those of its source.

Views can rank by themselves; what is stored here can be read, exported and compared after the pool has changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.operator import Grain
from internvideo.curation.select import numbers, shares_better
from internvideo.store.places import PLACES
from internvideo.store.values import CLIP_KEY, SPAN_KEY

RANKED = {"match": "cosine", "aesthetic": "mean"}  # operator -> the column that is ranked


@dataclass(frozen=True)
class Ranks:
    """The share of clips that are better, 0 for the best; null for a clip without that score.

    <operator>: among all clips of the clip set; <operator>_in_source: among those of its source (a video that names
    none is its own). Scores: the cosine of a clip's best caption, and the mean aesthetic score of its frames.
    """

    clip_set: str = "shots"

    name: ClassVar[str] = "ranks"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    optional: ClassVar[tuple[str, ...]] = (*RANKED, "sidecars")
    columns: ClassVar[pa.Schema] = pa.schema(
        [(f"{name}{within}", pa.float32()) for name in RANKED for within in ("", "_in_source")]
    )

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.clip_set, PLACES.name)

    def process_all(self, rows: Mapping[str, pa.Table]) -> pa.Table:
        """One row per clip that has any of the scores. rows: those of `needs`, and of RANKED what is there."""
        clips = rows[self.clip_set].select(SPAN_KEY.names)
        groups = _sources(clips, [rows[name] for name in (PLACES.name, "sidecars") if name in rows])
        everyone, alive = np.zeros(clips.num_rows, np.int64), np.ones(clips.num_rows, bool)
        columns: dict[str, pa.Array] = {}
        for operator, column in RANKED.items():
            values = _beside(clips, rows.get(operator), column)
            for within, group in (("", everyone), ("_in_source", groups)):
                shares = shares_better(values, group, alive)
                columns[operator + within] = pa.array(shares, pa.float32(), from_pandas=True)
        table = pa.table(
            {**{n: clips[n] for n in SPAN_KEY.names}, "item": np.zeros(clips.num_rows, np.int32), **columns}
        )
        known = pc.or_(*(pc.is_valid(table[name]) for name in RANKED))
        return table.filter(known).cast(pa.schema([*CLIP_KEY, *self.columns]))


def _sources(clips: pa.Table, stated: Sequence[pa.Table]) -> np.ndarray:
    """(N,) int64: equal numbers for clips of one source, as `clip_tables.clips_of` has it. Later tables count more."""
    source: dict[str, str] = {}
    for table in stated:
        named = zip(table["video"].to_pylist(), table["source"].to_pylist(), strict=True)
        source |= {video: name for video, name in named if name}
    codes: dict[str, int] = {}
    videos = clips["video"].combine_chunks().dictionary_encode()
    names = [source.get(video, video) for video in videos.dictionary.to_pylist()]
    numbers_of = np.array([codes.setdefault(name, len(codes)) for name in names], np.int64)
    return numbers_of[videos.indices.to_numpy()] if len(numbers_of) else np.empty(0, np.int64)


def _beside(clips: pa.Table, scores: pa.Table | None, column: str) -> np.ndarray:
    """(N,) float64: the first score of each clip, NaN where there is none."""
    if scores is None:
        return np.full(clips.num_rows, np.nan)
    first = scores.filter(pc.equal(scores["item"], 0)).select([*SPAN_KEY.names, column])
    numbered = clips.append_column("row", pa.array(np.arange(clips.num_rows)))
    joined = numbered.join(first, SPAN_KEY.names, join_type="left outer").sort_by("row")
    return numbers(joined, column, "ranks")
