"""Any table with one row per clip: CSV, TSV, JSON lines or Parquet with columns that say what they are.

The format for people's own lists. Columns: `file` (or path, video, image, filename), and if they are there `label`
(a name, or a soft label: votes such as `{"run": 3, "walk": 1}`), `label_id`, `caption` (or text, name), `start` and
`end` (seconds or HH:MM:SS.mmm), `source` (or source_group, film).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.datasets.image_lists import SUFFIXES
from internvideo.datasets.lists import (
    BadList,
    class_names,
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
from internvideo.errors import nearest

FILE = ("file", "path", "video", "image", "filename")
CAPTION = ("caption", "text", "name", "sentence")
SOURCE = ("source", "source_group", "film", "person")
BATCH = 4096
SHOWN = 5  # rows that cannot be used, of each list
Columns = Mapping[str, object]  # name -> a value, or a list of values


def read_table(
    path: PathLike,
    root: PathLike,
    *,
    classes: Sequence[str] | PathLike | None = None,
    where: Columns | None = None,
    unless: Columns | None = None,
    corpus: str = "",
) -> Samples:
    """One sample per row. where: what columns must say, such as a split or a fold; unless: what none of them may say.

    classes: names in the order of their numbers; by default those of the table (`table_classes`). `label_id` counts if
    it is there. Raises BadList with the first of the rows that cannot be used.
    """
    names = table_classes(path) if classes is None else class_names(classes)
    numbers = class_numbers(names) if names else None
    problems: list[str] = []
    kept = (row for row in _rows(path, problems) if _says(row, where, all) and not (unless and _says(row, unless, any)))
    found = Samples(_usable(kept, problems, path, root, numbers, corpus or PurePath(path).stem), names)
    if problems:
        told = "\n".join(["", *problems[:SHOWN], *(["..."] if len(problems) > SHOWN else [])])
        raise BadList(f"{len(problems)} rows of `{path}` cannot be used:{told}", "mend these rows, or take them out")
    return found


def table_classes(path: PathLike) -> tuple[str, ...]:
    """The names in the column `label`: in the order of `label_id` if that is there, else sorted; () without names.

    Of several names for one number the first counts; `read_table` complains of the others.
    """
    by_number: dict[int, str] = {}
    names: set[str] = set()
    for row in _rows(path, []):
        if "label" not in row:
            return ()
        votes = _votes(row["label"], path)
        names |= votes.keys()
        name = "" if row["label"] is None or votes else str(row["label"])
        if name and row.get("label_id") in (None, ""):
            names.add(name)
        elif name and (place := str(row["label_id"]).strip()).isdecimal():
            by_number.setdefault(int(place), name)
    if by_number:
        return tuple(by_number.get(place, f"class {place}") for place in range(max(by_number) + 1))
    return tuple(sorted(names, key=int if all(name.isdecimal() for name in names) else None))


def _class_id(row: Mapping[str, Any], path: PathLike) -> int:
    place = number(row["label_id"], "label_id", path)
    if place < 0 or place != int(place):
        raise BadList(f"`{path}`: the label_id `{row['label_id']}` is no number of a class", "0, 1, 2 ...")
    return int(place)


def _says(row: Mapping[str, Any], wanted: Columns | None, how: Any) -> bool:
    def fits(key: str, value: object) -> bool:
        if key not in row:
            raise BadList(f"there is no column `{key}`", nearest(key, map(str, row)))
        values = value if isinstance(value, list | tuple) else [value]
        return str(row.get(key)) in map(str, values)

    return bool(how(fits(key, value) for key, value in (wanted or {}).items()))


def _usable(
    rows: Iterable[Mapping[str, Any]],
    problems: list[str],
    path: PathLike,
    root: PathLike,
    numbers: Mapping[str, int] | None,
    corpus: str,
) -> Iterator[Sample]:
    for row in rows:
        try:
            yield _sample(row, path, root, numbers, corpus)
        except BadList as error:
            if _first(row, FILE) is None and not any(name in row for name in FILE):
                raise
            problems.append(f"{_first(row, FILE)}: {error.problem}" + (f" ({error.hint})" if error.hint else ""))


def _rows(path: PathLike, problems: list[str]) -> Iterator[dict[str, Any]]:
    suffix = PurePath(path).suffix.lower()
    if suffix == ".parquet":
        return parquet_rows(path)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return json_lines(path)
    return iter(csv_rows(path, delimiter="\t" if suffix == ".tsv" else ",", problems=problems))


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
    captions = _texts(_first(row, CAPTION))
    media: Media = "image" if str(file).lower().endswith(SUFFIXES) else "video"
    source = _first(row, SOURCE)
    soft = _soft(row, path, numbers)
    label = max(soft, key=lambda one: one[1])[0] if soft else _label(row, path, numbers)
    return Sample(
        uid_of(corpus, str(file), stretch),
        joined(root, str(file)),
        stretch,
        captions,
        label,
        str(source if source is not None else file),
        media,
        soft if len(soft) > 1 else (),
    )


def _soft(row: Mapping[str, Any], path: PathLike, numbers: Mapping[str, int] | None) -> tuple[tuple[int, float], ...]:
    """Class numbers, ascending, with their shares; () for a label that is one name."""
    votes = {name: share for name, share in _votes(row.get("label"), path).items() if share}
    if votes and row.get("label_id") not in (None, ""):
        raise BadList(f"`{path}`: a row has votes and a label_id", "leave the label_id out")
    total, known = sum(votes.values()), numbers or {}
    return tuple(sorted((class_number(known, name, path), share / total) for name, share in votes.items()))


def _votes(label: Any, path: PathLike) -> dict[str, float]:
    """What a label says that is an object (or the JSON text of one): class name -> vote; {} for any other."""
    if isinstance(label, str) and label.lstrip().startswith("{"):
        with reading(path):
            label = json.loads(label)
    found = dict(label) if isinstance(label, list | Mapping) else {}  # maps of Parquet come as pairs
    votes = {str(name): number(vote, "vote", path) for name, vote in found.items() if vote is not None}
    if found and (min(votes.values(), default=0) < 0 or not sum(votes.values())):
        raise BadList(f"`{path}`: the label {found!r:.80} has no share of any class", '{"run": 0.7, "walk": 0.3}')
    return votes


def _label(row: Mapping[str, Any], path: PathLike, numbers: Mapping[str, int] | None) -> int | None:
    """The number of the class; where the row gives number and name, they must agree with `numbers`."""
    named = None
    if row.get("label") not in (None, "") and numbers is not None:
        named = class_number(numbers, str(row["label"]), path)
    if row.get("label_id") in (None, ""):
        return named
    place = _class_id(row, path)
    if named not in (None, place):
        raise BadList(f"`{path}`: class {place} is called `{row['label']}`, which is class {named}")
    return place


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _texts(found: Any) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list) else (str(found),) if found else ()
