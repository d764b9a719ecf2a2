"""Folding what has been finished (fragments in the ledger) into the shards of one operator.

The order makes a kill harmless at every point: write and rename all files, sync the folder, and only then, in one
transaction, drop the fragments and note the files. Until that moment the fragments are there to be folded again, and
folding twice gives the same bytes.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from internvideo.store import durable, shards
from internvideo.store.faults import told
from internvideo.store.ledger import Ledger, Row
from internvideo.store.values import WHOLE, OperatorSpec, shard_name

Fragments = dict[str, pa.Table | None]  # by video (or WHOLE); None: the video loses its rows; all tables are plain


def fragments(ledger: Ledger, operator: int, shard: int, spec: OperatorSpec, videos: Sequence[str] = ()) -> Fragments:
    """Pending rows of one shard, by video. videos: only these, and what concerns all."""
    sql = "SELECT video, rows FROM fragments WHERE operator = ? AND shard = ?"
    rows: list[Row] = []
    if videos:
        for video in sorted({*videos, WHOLE}):
            rows += ledger.ask(sql + " AND video = ?", (operator, shard, video))
    else:
        rows = ledger.ask(sql + " ORDER BY video", (operator, shard))
    return {str(v): shards.unpack(data, spec.plain_schema) if isinstance(data, bytes) else None for v, data in rows}


def overlay(old: pa.Table | None, new: Fragments, spec: OperatorSpec) -> pa.Table:
    """Rows of a shard as they will be once `new` is folded in."""
    kept = {video: spec.plain_schema.empty_table() if table is None else table for video, table in new.items()}
    return shards.fold(None if WHOLE in new else old, kept, spec.plain_schema, spec.keys)


def fold_operator(ledger: Ledger, folder: Path, operator: int, spec: OperatorSpec) -> int:
    """Fold all fragments of one operator; how many files changed. DamagedDataset if an old shard does not read."""
    pending = ledger.ask("SELECT DISTINCT shard FROM fragments WHERE operator = ? ORDER BY shard", (operator,))
    notes: list[tuple[str, int, str]] = []
    changed = 0
    for (shard,) in pending:
        for name, data in _files(ledger, folder, operator, int(shard or 0), spec).items():
            notes.append((name, len(data), hashlib.sha256(data).hexdigest()))
            changed += _put(folder / name, data)
    if changed:
        durable.sync_folder(folder)
    with ledger.transaction(on_disk=True):
        ledger.write("DELETE FROM fragments WHERE operator = ?", (operator,))
        ledger.write_many("DELETE FROM files WHERE operator = ? AND name = ?", [(operator, name) for name, *_ in notes])
        ledger.write_many("INSERT INTO files VALUES (?, ?, ?, ?)", [(operator, *note) for note in notes if note[1]])
    return changed


def _files(ledger: Ledger, folder: Path, operator: int, shard: int, spec: OperatorSpec) -> dict[str, bytes]:
    """Name -> new content of the two files of a shard; no bytes: there is to be no file."""
    new = fragments(ledger, operator, shard, spec)
    name, empty_name = shard_name(shard), shard_name(shard, "empty")
    old = None if WHOLE in new else shards.read_if_there(folder / name, spec.file_schema)
    rows = overlay(old, new, spec)

    inputs = ledger.ask("SELECT video, input, rows FROM fragments WHERE operator = ? AND shard = ?", (operator, shard))
    without = [{"video": video, "input": text} for video, text, data in inputs if data == b""]
    old_empty = None if WHOLE in new else shards.read_if_there(folder / empty_name, shards.EMPTY_SCHEMA)
    gone = {video: shards.EMPTY_SCHEMA.empty_table() for video in new}
    empty = shards.fold(old_empty, gone, shards.EMPTY_SCHEMA, ["video"])
    added = pa.Table.from_pylist(without, schema=shards.EMPTY_SCHEMA)
    empty = shards.sort_by(pa.concat_tables([empty, added]), ["video"])
    return {
        name: shards.encode(rows, spec.file_schema) if rows.num_rows else b"",
        empty_name: shards.encode(empty, shards.EMPTY_SCHEMA) if empty.num_rows else b"",
    }


def _put(path: Path, data: bytes) -> bool:
    """Make the file hold `data` (no bytes: be absent); whether anything had to be done."""
    with told("read", path):
        old = path.read_bytes() if path.is_file() else b""
    if old == data:
        return False
    if data:
        durable.write_atomic(path, data, sync_parent=False)
    else:
        durable.remove(path)
    return True
