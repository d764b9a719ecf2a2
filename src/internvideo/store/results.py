"""What an operator gave or could not give for one video, checked and packed for the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from internvideo.store import shards
from internvideo.store.values import OperatorSpec, shard_of

TRANSIENT = frozenset({"missing", "changed", "killed", "unreadable", "disk-full", "timeout"})  # tried again next run


@dataclass(frozen=True)
class Result:
    """What an operator gave for one video. `rows` have the operator's schema: no `input` column; none is fine."""

    spec: OperatorSpec
    input: str  # hash of the rows and side files it was computed from
    rows: pa.Table


@dataclass(frozen=True)
class Failure:
    """What an operator could not do for one video. quarantined: it killed its worker, so it is not tried again."""

    spec: OperatorSpec
    input: str
    kind: str  # `InternVideoError.kind`: what `retry` and the reports call it
    message: str
    quarantined: bool = False


@dataclass(frozen=True)
class State:
    """What the ledger says of one (video, operator)."""

    state: str  # due, done, failed, quarantined, gone (no file any more), withheld; not tried, since others failed
    input: str = ""
    rows: int = 0
    kind: str = ""
    message: str = ""
    attempts: int = 0  # failed ones since it was last done

    @classmethod
    def of(cls, row: Sequence[str | int | bytes | None]) -> "State":
        """From a row of the ledger: state, input, rows, kind, message, attempts."""
        state, input_, rows, kind, message, attempts = row[:6]
        return cls(str(state), str(input_), int(rows or 0), str(kind), str(message), int(attempts or 0))


def pack(result: Result, video: str) -> bytes:
    """Rows of one video for the ledger, sorted, with `input`. Raises ValueError for rows that do not fit."""
    spec, rows = result.spec, _with_input(result)
    others = [name for name in rows["video"].unique().to_pylist() if name != video]
    if others:
        raise ValueError(f"{spec.path}: rows of other videos than {video}: {others[:3]}")
    return shards.pack(_in_order(rows, spec, spec.keys[1:]))


def pack_all(result: Result, count: int) -> dict[int, bytes | None]:
    """Rows of a dataset operator by shard, out of `count`; None: no rows there. No rows at all: empty in shard 0."""
    rows = _in_order(_with_input(result), result.spec, result.spec.keys)
    if not rows.num_rows:
        return {0: b"", **dict.fromkeys(range(1, count))}
    where = pa.array([shard_of(video, count) for video in rows["video"].to_pylist()], pa.int32())
    packed: dict[int, bytes | None] = {}
    for shard in range(count):
        mine = rows.filter(pa.compute.equal(where, shard))
        packed[shard] = shards.pack(mine) if mine.num_rows else None
    return packed


def _with_input(result: Result) -> pa.Table:
    """The rows as they will be kept: plain columns, and `input`."""
    spec, rows = result.spec, result.rows
    if not rows.schema.equals(spec.schema):
        raise ValueError(f"{spec.path}: rows have\n{rows.schema}\nbut the operator's columns are\n{spec.schema}")
    columns = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in rows.columns]
    columns.append(pa.repeat(pa.scalar(result.input, pa.string()), rows.num_rows))
    return pa.table(columns, schema=spec.plain_schema)


def _in_order(rows: pa.Table, spec: OperatorSpec, keys: Sequence[str]) -> pa.Table:
    """The rows sorted by `keys`, which must be filled in and differ."""
    if any(rows[key].null_count for key in spec.keys):
        raise ValueError(f"{spec.path}: an empty key (one of {', '.join(spec.keys)})")
    if shards.is_sorted(rows, keys):
        return rows
    rows = shards.sort_by(rows, keys)
    if not shards.is_sorted(rows, keys):
        raise ValueError(f"{spec.path}: two rows with one key; number them with `item`")
    return rows
