"""A dataset's clips, texts and files as plain tables: what the report and the exports are made from.

The one place that knows how the joined table of the store names its columns for them.
"""

import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.store.best_caption import best_first, texts_of
from internvideo.store.columns import Columns
from internvideo.store.dataset import Dataset

CAPTION_SCHEMA = pa.schema(
    [
        ("clip", pa.string()),
        ("video", pa.string()),
        ("item", pa.int32()),
        ("text", pa.string()),
        ("scale", pa.string()),
        ("origin", pa.string()),
        ("language", pa.string()),
        ("covers", pa.float64()),
    ]
)
STATED_SOURCE = "sidecars_source"
STATED = {"source": STATED_SOURCE, "licence": "sidecars_licence", "evidence": "sidecars_licence_evidence"}
SPAN = ("start_seconds", "end_seconds", "frames")


def clips_of(dataset: Dataset, clip_set: str, view: str | None = None) -> pa.Table:
    """One row per clip, sorted by key: `clip`, video, stream, start, end, `SPAN`, then all that is known of it.

    Columns of the clip set itself lose its name (`start_seconds`); others are `<operator>_<column>`. `source`,
    `licence`, `evidence`: what sidecar files state, else what is known of the place, else (the source) the video.
    view: only its clips.
    """
    if view is None:
        return columns_of(dataset, clip_set).to_table()
    return _named(Columns.of(dataset.table(clip_set, view=view)), clip_set).to_table()


def columns_of(dataset: Dataset, clip_set: str) -> Columns:
    """`clips_of`, of which a column is read when it is asked for."""
    return _named(dataset.columns(clip_set), clip_set)


def _named(table: Columns, clip_set: str) -> Columns:
    prefix = clip_set.replace("-", "_") + "_"
    names = [name.removeprefix(prefix) if name.removeprefix(prefix) in SPAN else name for name in table.column_names]
    table = table.renamed(names)
    for name, stated in STATED.items():
        if stated in names:
            table = table.having(name, pa.string(), partial(_first_stated, table, stated, name))
    return table


def _first_stated(table: Columns, stated: str, name: str) -> pa.ChunkedArray:
    return pc.coalesce(table[stated], table[name])


def captions_of(dataset: Dataset, clips: pa.Table, videos: Collection[str] | None = None) -> pa.Table:
    """All texts of these clips, `CAPTION_SCHEMA`, of each clip the best first. videos: theirs, if they are few."""
    keys = ["video", "stream", "start", "end"]
    joined = texts_of(dataset, videos).join(clips.select(["clip", *keys]), keys, join_type="inner")
    return best_first(joined.select(CAPTION_SCHEMA.names).cast(CAPTION_SCHEMA))


def files_of(dataset: Dataset) -> Mapping[str, tuple[Path, int]]:
    """Video -> (a place where it lay at the last scan, its size in bytes). Videos without a file are left out."""
    rows = dataset.rows("places")
    there = rows.filter(pc.fill_null(rows["present"], False))
    found: dict[str, tuple[Path, int]] = {}
    columns = (there[name].to_pylist() for name in ("video", "root", "path", "bytes"))
    for video, root, path, size in zip(*columns, strict=True):
        found.setdefault(video, (Path(os.fsdecode(root)) / os.fsdecode(path), size or 0))
    return found
