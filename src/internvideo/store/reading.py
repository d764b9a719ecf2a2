"""Rows of one operator out of its shards; the shards read last are kept in memory."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.store import shards
from internvideo.store.values import OperatorSpec, shard_name, shard_of

Pending = Callable[[pa.Table, int, Sequence[str]], pa.Table]  # (rows of a shard, its number, videos) -> rows to be
CACHE_BYTES = 256 << 20


@dataclass(frozen=True)
class _Kept:
    """A shard in memory: its rows are sorted, so those of a video are one stretch."""

    identity: tuple[int, int, int]
    rows: pa.Table
    stretches: dict[str, tuple[int, int]]  # video -> first row, number of rows


class ShardCache:
    """Whole shards for questions about single videos. A file that was replaced is read again."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._kept: dict[Path, _Kept] = {}  # the one used last at the end

    def rows_of(self, path: Path, spec: OperatorSpec, videos: Sequence[str]) -> pa.Table:
        """Rows of some videos in a shard, in the order of `videos`."""
        kept = self._shard(path, spec)
        if kept is None:
            return spec.plain_schema.empty_table()
        parts = [kept.rows.slice(*kept.stretches[video]) for video in videos if video in kept.stretches]
        return pa.concat_tables([spec.plain_schema.empty_table(), *parts])

    def _shard(self, path: Path, spec: OperatorSpec) -> _Kept | None:
        if not path.is_file():
            return None
        facts = path.stat()
        identity = (facts.st_size, facts.st_mtime_ns, facts.st_ino)
        kept = self._kept.pop(path, None)
        if kept is None or kept.identity != identity:
            rows = shards.read(path, spec.file_schema)
            kept = _Kept(identity, rows, _stretches(rows["video"].to_pylist()))
        self._kept[path] = kept
        while len(self._kept) > 1 and sum(k.rows.nbytes for k in self._kept.values()) > self._limit:
            del self._kept[next(iter(self._kept))]
        return kept


def _stretches(videos: Sequence[str]) -> dict[str, tuple[int, int]]:
    stretches, first = {}, 0
    for video, group in groupby(videos):
        count = sum(1 for _ in group)
        stretches[video] = (first, count)
        first += count
    return stretches


def read_rows(
    folder: Path,
    spec: OperatorSpec,
    count: int,
    videos: Collection[str] | None = None,
    withheld: Collection[str] = (),
    pending: Pending | None = None,
    cache: ShardCache | None = None,
) -> pa.Table:
    """Plain rows over all `count` shards, sorted by key, without those of withheld videos.

    videos: only these. pending: puts what is not yet flushed over each shard. cache: for questions about few videos.
    """
    if videos is None:
        groups: dict[int, list[str]] = {shard: [] for shard in range(count)}
    else:
        groups = {}
        for video in sorted({*videos} - {*withheld}):
            groups.setdefault(shard_of(video, count), []).append(video)
    hidden = pa.array(sorted(withheld), pa.string())
    tables = [spec.plain_schema.empty_table()]
    for shard, mine in sorted(groups.items()):
        path = folder / shard_name(shard)
        if mine:
            rows = (cache or ShardCache()).rows_of(path, spec, mine)
        else:
            rows = shards.read(path, spec.file_schema) if path.is_file() else spec.plain_schema.empty_table()
        if pending is not None:
            rows = pending(rows, shard, mine)
            rows = rows.filter(pc.is_in(rows["video"], value_set=pa.array(mine, pa.string()))) if mine else rows
        tables.append(rows.filter(pc.invert(pc.is_in(rows["video"], value_set=hidden))) if len(hidden) else rows)
    return shards.sort_by(pa.concat_tables(tables), spec.keys)
