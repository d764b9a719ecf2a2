"""One row per clip with everything comparable that is known of it: values, facts of its video, place and source.

DuckDB joins the operators' rows in this process. The result is kept under `cache/`, named by the shard files it was
made from; it is derived and may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from internvideo.errors import StoreError
from internvideo.store import durable, shards
from internvideo.store.columns import Columns
from internvideo.store.places import PLACES
from internvideo.store.schema_text import is_scalar
from internvideo.store.values import SPAN_KEY, OperatorSpec, shard_name

FACTS = "probe"  # its columns are the facts of the video: `video_width` ...
PLACE_COLUMNS = {"place": "path", "source": "source", "licence": "licence", "evidence": "evidence"}
CACHE = "cache"
CACHE_ROWS = 20_000  # smaller tables are joined faster than they are looked up
VERSION = 1  # of the columns; part of the cache's name


@dataclass(frozen=True)
class Join:
    """What is joined for one clip set of a dataset."""

    folder: Path
    specs: Mapping[str, OperatorSpec]  # current versions by name
    clip_set: str
    count: int  # shards
    withheld: Collection[str]

    def columns(self) -> Columns:
        """One row per clip, sorted by key; columns: see `Dataset.table`. Cached ones are read when asked for."""
        path = self.cache_path()
        if path.is_file():
            try:
                return self._cached(path)
            except (pa.ArrowException, OSError):
                pass  # damaged: made again
        table = self._joined()
        if table.num_rows < CACHE_ROWS or not self._keep(path, table):
            return Columns.of(table)
        del table  # of a million clips it is a gigabyte
        return self._cached(path)

    def _cached(self, path: Path) -> Columns:
        """The columns of a cache file. It stays open: it may be replaced meanwhile."""
        file = pq.ParquetFile(path.open("rb"), page_checksum_verification=True)

        def read(name: str) -> pa.ChunkedArray:
            try:
                return file.read([name])[name]
            except (pa.ArrowException, OSError):  # a damaged page
                durable.remove_disposable(path)
                return self._joined()[name]

        kinds = {field.name: field.type for field in file.schema_arrow}
        return Columns(file.metadata.num_rows, {name: (kind, partial(read, name)) for name, kind in kinds.items()})

    def cache_path(self) -> Path:
        """Where the table is kept: named by the shard files that it is made from."""
        identity: list[object] = [VERSION, self.clip_set, sorted(self.withheld)]
        for spec in self.specs.values():
            for path in self._shards(spec):
                facts = path.stat()
                identity.append([spec.path, path.name, facts.st_size, facts.st_mtime_ns, facts.st_ino])
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        return self.folder / CACHE / f"table-{self.clip_set}-{digest}.parquet"

    def _keep(self, path: Path, table: pa.Table) -> bool:
        """Best effort: a folder that cannot be written is read all the same. Whether it is there now."""

        def write(to: Path) -> None:
            pq.write_table(table, to, compression="zstd", compression_level=1, write_page_checksum=True)

        if not durable.write_disposable(path, write):
            return False
        for old in path.parent.glob(f"table-{self.clip_set}-*.parquet"):
            if old != path:
                durable.remove_disposable(old)
        return True

    def _joined(self) -> pa.Table:
        base = self._rows(self.specs[self.clip_set], SPAN_KEY.names)
        base = base.filter(pc.invert(pc.is_in(base["video"], value_set=pa.array(sorted(self.withheld), pa.string()))))
        columns = {"clip": _names(base), **{name: base[name] for name in SPAN_KEY.names}}
        for name, column in self._operator_columns(base):
            if name in columns:
                raise StoreError(f"two columns of the joined table are called `{name}`", "rename one of the operators")
            columns[name] = column
        keys = pa.table({name: columns[name] for name in SPAN_KEY.names})
        if not shards.is_sorted(keys, SPAN_KEY.names):
            order = pc.sort_indices(keys, sort_keys=[(key, "ascending") for key in SPAN_KEY.names])
            for name in columns:  # one by one: two copies of a million clips take two gigabytes
                columns[name] = columns[name].take(order)
        return pa.table(columns)

    def _operator_columns(self, base: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
        found: list[tuple[pa.Table, pa.Array]] = []
        for name, spec in sorted(self.specs.items()):
            wanted = [f.name for f in spec.schema if f.name not in spec.keys and is_scalar(f.type)]
            if not wanted or name == PLACES.name:
                continue
            prefix = "video" if name == FACTS and "start" not in spec.keys else name.replace("-", "_")
            rows = self._beside(base, spec, wanted, found)
            yield from ((f"{prefix}_{column}", rows[column]) for column in wanted)
        rows = self._beside(base, PLACES, list(PLACE_COLUMNS), found)
        for column, shown in PLACE_COLUMNS.items():
            yield shown, pc.coalesce(rows[column], base["video"]) if column == "source" else rows[column]

    def _beside(
        self, base: pa.Table, spec: OperatorSpec, columns: list[str], found: list[tuple[pa.Table, pa.Array]]
    ) -> pa.Table:
        """The operator's first row of each clip (or of its video), row by row beside `base`; null where it has none.

        found: positions by keys, from earlier calls; most operators have rows of the same clips, or of the same videos.
        """
        rows = self._rows(self.specs.get(spec.name, spec), columns)
        keys = [key for key in spec.keys if key != "item"]
        if rows.select(keys).equals(base.select(keys)):  # as a rule: one row per clip, in the same order
            return rows
        own = rows.select(keys)
        known = next((positions for keyed, positions in found if keyed.equals(own)), None)
        if known is None:
            known = _positions(base.select(keys), own)
            found.append((own, known))
        return rows.take(known)

    def _rows(self, spec: OperatorSpec, columns: list[str]) -> pa.Table:
        """First rows (item 0) of all shards, shard after shard; keys without `item`, then `columns`."""
        names = [*spec.keys, *(column for column in columns if column not in spec.keys)]
        plain = pa.schema([spec.plain_schema.field(name) for name in names])
        parts = [shards.read(path, spec.file_schema, names) for path in self._shards(spec)]
        rows = pa.concat_tables([plain.empty_table(), *parts])
        return rows.filter(pc.equal(rows["item"], 0)).drop_columns(["item"])

    def _shards(self, spec: OperatorSpec) -> list[Path]:
        folder = self.folder / "values" / spec.name / spec.key
        return [path for shard in range(self.count) if (path := folder / shard_name(shard)).is_file()]


def _positions(base: pa.Table, rows: pa.Table) -> pa.Array:
    """For each row of `base` the number of the row in `rows` with the same key, or null. Keys of `rows` differ."""
    import duckdb  # here: loading it takes longer than most questions

    keys = ", ".join(f'"{key}"' for key in base.column_names)
    with duckdb.connect() as engine:
        engine.register("base", base.append_column("base_row", pa.array(np.arange(base.num_rows))))
        engine.register("others", rows.append_column("other_row", pa.array(np.arange(rows.num_rows))))
        query = f"SELECT other_row FROM base LEFT JOIN others USING ({keys}) ORDER BY base_row"
        return engine.sql(query).to_arrow_table()["other_row"].combine_chunks()


def _names(base: pa.Table) -> pa.ChunkedArray:
    """`records.Clip.name` of every row."""
    short = pc.utf8_slice_codeunits(base["video"], 0, 12)
    head = pc.if_else(pc.starts_with(base["video"], "ext:"), base["video"], short)
    stream, start, end = (pc.cast(base[key], pa.string()) for key in ("stream", "start", "end"))
    return pc.binary_join_element_wise(pc.binary_join_element_wise(head, stream, start, "."), end, "-")
