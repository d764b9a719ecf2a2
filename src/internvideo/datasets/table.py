"""Any table with one row per clip: CSV, TSV, JSON lines or Parquet with columns that say what they are.

The format for people's own lists. Columns: `file` (or path, video, image, filename), and if they are there `label`
(a name), `label_id`, `caption` (or text, name), `start` and `end` (seconds or HH:MM:SS.mmm), `source`
(or source_group, film).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.datasets.image_lists import SUFFIXES
from internvideo.datasets.lists import (
    BadList,
    class_number,
    class_numbers,
    csv_rows,
    joined,
    json_lines,
    number,
    reading,
    span,
)
from internvideo.datasets.sample import Media, PathLike, Sample, Samples, uid_of

FILE = ("file", "path", "video", "image", "filename")
CAPTION = ("caption", "text", "name", "sentence")
SOURCE = ("source", "source_group", "film", "person")
BATCH = 4096


def read_table(
    path: PathLike,
    root: PathLike,
    *,
    classes: Sequence[str] | PathLike | None = None,
    where: Mapping[str, object] | None = None,
    corpus: str = "",
) -> Samples:
    """One sample per row. where: column -> value that rows must have, such as a split or a fold.

    classes: names in the order of their numbers, for tables with `label` alone; `label_id` counts if it is there.
    """
    numbers = class_numbers(classes) if classes is not None else None
    name = corpus or PurePath(path).stem
    rows = (row for row in _rows(path) if all(str(row.get(key)) == str(value) for key, value in (where or {}).items()))
    return Samples(_sample(row, path, root, numbers, name) for row in rows)


def label_names(path: PathLike) -> tuple[str, ...]:
    """The different values of the column `label`, sorted; () if there is none, or if `label_id` numbers them."""
    rows = [row for row in _rows(path) if row.get("label") not in (None, "")]
    return (
        ()
        if any(row.get("label_id") not in (None, "") for row in rows)
        else tuple(sorted({str(row["label"]) for row in rows}))
    )


def _rows(path: PathLike) -> Iterator[dict[str, Any]]:
    suffix = PurePath(path).suffix.lower()
    if suffix == ".parquet":
        return parquet_rows(path)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return json_lines(path)
    return iter(csv_rows(path, delimiter="\t" if suffix == ".tsv" else ","))


def parquet_rows(path: PathLike) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file, a few thousand in memory at a time."""
    try:
        with reading(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise BadList(f"`{path}` is no Parquet file ({error})", "is it of another format?") from error


def _sample(
    row: Mapping[str, Any], path: PathLike, root: PathLike, numbers: Mapping[str, int] | None, corpus: str
) -> Sample:
    file = _first(row, FILE)
    if file is None:
        raise BadList(f"`{path}` has no column {', '.join(FILE)}", f"its columns: {', '.join(map(str, row))}")
    stretch = None
    if row.get("start") not in (None, "") and row.get("end") not in (None, ""):
        stretch = span(row["start"], row["end"], path)
    label = None
    if row.get("label_id") not in (None, ""):
        label = int(number(row["label_id"], "label_id", path))
    elif row.get("label") not in (None, "") and numbers is not None:
        label = class_number(numbers, str(row["label"]), path)
    captions = _texts(_first(row, CAPTION))
    media: Media = "image" if str(file).lower().endswith(SUFFIXES) else "video"
    source = _first(row, SOURCE)
    return Sample(
        uid_of(corpus, str(file), stretch),
        joined(root, str(file)),
        stretch,
        captions,
        label,
        str(source if source is not None else file),
        media,
    )


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _texts(found: Any) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list) else (str(found),) if found else ()
