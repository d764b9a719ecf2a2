"""Rows as Parquet bytes: the same rows give the same bytes, whatever order they came in.

A shard is one table sorted by key, one chunk per row group, categories in order of appearance, explicit schema, fixed
compression level and row-group size, a checksum on every page, and no time, host or attempt anywhere.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from internvideo.errors import DamagedDataset
from internvideo.store import schema_text
from internvideo.store.faults import shown, told

COMPRESSION_LEVEL = 3
ROW_GROUP = 65_536  # rows

EMPTY_SCHEMA = pa.schema([("video", pa.string()), ("input", pa.string())])  # videos for which an operator gave no rows


class WrongSchema(DamagedDataset):
    """A Parquet file that reads but has other columns than its operator."""

    kind = "wrong-schema"


def is_sorted(table: pa.Table, keys: Sequence[str]) -> bool:
    """Whether every row has a greater key than the one before: sorted, and no key twice."""
    last = table.num_rows - 1
    if last < 1:
        return True
    ascending = np.zeros(last, bool)
    for key in reversed(keys):
        column = table[key]
        if pa.types.is_string(column.type):
            here, there = column.slice(0, last), column.slice(1)
            less, equal = pc.less(here, there).to_numpy(), pc.equal(here, there).to_numpy()
        else:
            numbers = column.to_numpy()
            less, equal = numbers[:-1] < numbers[1:], numbers[:-1] == numbers[1:]
        ascending = less | (equal & ascending)
    return bool(ascending.all())


def sort_by(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Rows in the order of the key columns (text by its UTF-8 bytes)."""
    if is_sorted(table, keys):
        return table
    return table.take(pc.sort_indices(table, sort_keys=[(key, "ascending") for key in keys]))


def fold(old: pa.Table | None, new: Mapping[str, pa.Table], schema: pa.Schema, keys: Sequence[str]) -> pa.Table:
    """Rows of a shard after some of its videos were done again: old rows of the others, and `new` (by video).

    All tables have `schema` (plain); a video whose new table is empty loses its rows.
    """
    parts = [table for table in new.values() if table.num_rows]
    if old is not None:
        replaced = pc.is_in(old["video"], value_set=pa.array(list(new), pa.string()))
        parts.append(old.filter(pc.invert(replaced)))
    return sort_by(pa.concat_tables([schema.empty_table(), *parts]), keys)


def encode(table: pa.Table, schema: pa.Schema) -> bytes:
    """Parquet bytes of sorted rows. `table` has the plain columns of `schema`."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        schema,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=True,
        write_statistics=True,
        write_page_checksum=True,
    ) as writer:
        for start in range(0, max(table.num_rows, 1), ROW_GROUP):
            group = table.slice(start, ROW_GROUP).combine_chunks()
            writer.write_table(_with_categories(group, schema), row_group_size=ROW_GROUP)
    return bytes(sink.getvalue())


def _with_categories(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        column.combine_chunks().dictionary_encode() if field.type == schema_text.CATEGORY else column
        for field, column in zip(schema, table.columns, strict=True)
    ]
    return pa.table(columns, schema=schema)


def read(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of a Parquet file that must have exactly `schema`, as plain columns. Page checksums are verified.

    Raises DamagedDataset if the file does not read or has other columns.
    """
    names = list(columns) if columns is not None else schema.names
    hint = "`internvideo dataset verify --repair` sets it aside and marks its videos as due"
    if not path.is_file():
        raise DamagedDataset(f"`{shown(path)}` is missing", hint)
    with told("read", path), path.open("rb") as file:
        try:
            source = pq.ParquetFile(file, page_checksum_verification=True)
            found = source.schema_arrow
            threads = source.metadata.num_rows > ROW_GROUP  # of Arrow: they cost more than a small file
            table = source.read(columns=names, use_threads=threads) if found.equals(schema) else None
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise DamagedDataset(f"`{shown(path)}` does not read: {str(error).splitlines()[0]}", hint) from error
    if table is None:
        raise WrongSchema(f"`{shown(path)}` has other columns than its operator: {', '.join(found.names)}", hint)
    plain = schema_text.plain(pa.schema([schema.field(name) for name in names]))
    return table.select(names).cast(plain)


def read_if_there(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table | None:
    """`read`, or None where there is no such file: an empty shard has none."""
    return read(path, schema, columns) if path.is_file() else None


def pack(rows: pa.Table) -> bytes:
    """Rows (plain columns) as bytes for the ledger; `unpack` needs the schema."""
    batches = rows.combine_chunks().to_batches()
    if len(batches) > 1:
        raise ValueError(f"{rows.num_rows} rows are too large for one fragment")
    return batches[0].serialize().to_pybytes() if batches else b""


def unpack(data: bytes, schema: pa.Schema) -> pa.Table:
    """The inverse of `pack`."""
    if not data:
        return schema.empty_table()
    return pa.Table.from_batches([pa.ipc.read_record_batch(pa.py_buffer(data), schema)])
