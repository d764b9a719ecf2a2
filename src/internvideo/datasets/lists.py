"""Annotation files as rows: CSV, TSV, JSON, JSON lines and plain lists, with errors that name the file and the line.

Knows no format of any dataset.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from internvideo.datasets.sample import PathLike
from internvideo.errors import InternVideoError, nearest
from internvideo.records import Span

csv.field_size_limit(1 << 24)  # captions may be long


class BadList(InternVideoError):
    """A list of a dataset is missing or is not what its format says."""

    kind = "list"


def csv_rows(
    path: PathLike,
    columns: Sequence[str] = (),
    *,
    delimiter: str = ",",
    header: bool = True,
    problems: list[str] | None = None,
) -> Iterator[dict[str, str]]:
    """Rows by column name. columns: must be there; without a header, the names in order.

    Quotes mean something only in comma separated files. Raises BadList with the line; or gives `problems` the lines
    that have too few or too many columns, and goes on.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    with reading(path), Path(path).open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file, delimiter=delimiter, quoting=quoting)
        names = [name.strip() for name in next(rows, [])] if header else list(columns)
        for column in columns:
            if column not in names:
                raise BadList(f"`{path}` has no column `{column}`", nearest(column, names))
        for row in rows:
            if not row:
                continue
            if problems is not None and len(row) != len(names):
                problems.append(f"line {rows.line_num} has {len(row)} columns, the first line {len(names)}")
                continue
            if len(row) < len(names):
                raise BadList(f"line {rows.line_num} of `{path}` has {len(row)} of {len(names)} columns")
            yield dict(zip(names, row, strict=False))


def lines(path: PathLike) -> Iterator[str]:
    """Lines that are not empty, without the white space around them."""
    with reading(path), Path(path).open(encoding="utf-8-sig", errors="surrogateescape") as file:
        yield from (line for line in map(str.strip, file) if line)


def json_file(path: PathLike) -> Any:
    """All that a JSON file holds."""
    with reading(path):
        return json.loads(Path(path).read_bytes())


def json_lines(path: PathLike) -> Iterator[dict[str, Any]]:
    """One object per line."""
    with reading(path), Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield record(_parsed(path, number, line), f"line {number} of `{path}`")


def _parsed(path: PathLike, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise BadList(f"line {number} of `{path}` is not JSON ({error})") from error


def records(found: Any, path: PathLike) -> Iterator[dict[str, Any]]:
    """The rows of a JSON list of objects."""
    if not isinstance(found, list):
        raise BadList(f"`{path}` is no list of records but a {type(found).__name__}", "is it of another format?")
    yield from (record(row, f"record {number} of `{path}`") for number, row in enumerate(found))


def record(found: Any, where: str) -> dict[str, Any]:
    """`found`, if it is an object with names."""
    if not isinstance(found, dict):
        raise BadList(f"{where} is no record but {found!r:.60}", "is it of another format?")
    return found


def cell(row: Mapping[str, Any], name: str, path: PathLike) -> Any:
    """A value that must be there."""
    if row.get(name) is None:
        raise BadList(f"a record of `{path}` has no `{name}`: {row!r:.100}", nearest(name, row))
    return row[name]


def number(text: object, name: str, path: PathLike) -> float:
    """A finite number."""
    try:
        value = float(str(text))
    except ValueError:
        value = float("nan")
    if abs(value) < float("inf"):
        return value
    raise BadList(f"`{path}`: the {name} `{text}` is no number")


def span(start: object, end: object, path: PathLike) -> Span:
    """A stretch in seconds, of numbers or of clock times."""
    first, last = seconds(start, path), seconds(end, path)
    if not first < last:
        raise BadList(f"`{path}`: a span from {start} to {end} is empty", "expected start < end")
    return Span(first, last)


def seconds(time: object, path: PathLike) -> float:
    """Seconds of a number or of `HH:MM:SS.mmm` (hours and minutes may be left out).

    >>> seconds("01:00:02.5", ""), seconds("7", ""), seconds(1.5, "")
    (3602.5, 7.0, 1.5)
    """
    total = 0.0
    for part in str(time).split(":"):
        total = total * 60 + number(part, "time", path)
    return total


def joined(root: PathLike, name: str) -> str:
    """`name` below `root`, as it is if it is absolute. Lists are written with `/` on every system."""
    return os.path.join(os.fspath(root), *name.split("/")) if not os.path.isabs(name) else name  # noqa: PTH117, PTH118


def chosen(split: PathLike | None) -> set[str] | None:
    """The names of a split list, without the suffix of the file; None: all."""
    return None if split is None else {stem(line) for line in lines(split)}


def stem(name: str) -> str:
    """A file name without folders and suffix.

    >>> stem("a/12@N08_3c9.mov")
    '12@N08_3c9'
    """
    return os.path.splitext(name.rpartition("/")[2])[0]  # noqa: PTH122


def class_names(names: Sequence[str] | PathLike) -> tuple[str, ...]:
    """Names in the order of their numbers: as they are, or of a file with one per line or a JSON list."""
    if not isinstance(names, str | os.PathLike):
        return tuple(names)
    return tuple(map(str, json_file(names))) if Path(names).suffix == ".json" else tuple(lines(names))


def class_numbers(names: Sequence[str] | PathLike) -> dict[str, int]:
    """Class name -> number, of what `class_names` takes. Spelling see `plain_name`."""
    numbers: dict[str, int] = {}
    for place, name in enumerate(class_names(names)):
        if numbers.setdefault(plain_name(name), place) != place:
            raise BadList(f"the class `{name}` comes twice, as number {numbers[plain_name(name)]} and {place}")
    return numbers


def class_number(numbers: Mapping[str, int], name: str, path: PathLike) -> int:
    """The number of a class however it is spelt. Raises BadList with the nearest name."""
    plain = plain_name(name)
    if plain not in numbers:
        raise BadList(f"`{path}`: unknown class `{name}`", nearest(plain, numbers))
    return numbers[plain]


def plain_name(name: str) -> str:
    """One spelling of a class name: small letters, words apart, no quotes or brackets around placeholders.

    >>> plain_name("ApplyEyeMakeup"), plain_name("brush_hair"), plain_name('"Putting [something] on"')
    ('apply eye makeup', 'brush hair', 'putting something on')
    """
    apart = "".join(
        f" {letter}" if letter.isupper() and before.islower() else letter
        for before, letter in zip(" " + name, name, strict=False)
    )
    return " ".join(apart.translate(_PLAIN).lower().split())


_PLAIN = str.maketrans({"_": " ", '"': None, "[": None, "]": None})


@contextmanager
def reading(path: PathLike) -> Iterator[None]:
    """Raise what goes wrong while a list is read as BadList."""
    try:
        yield
    except OSError as error:
        raise BadList(f"cannot read `{path}`: {error.strerror or error}", "check the path of the list") from error
    except (csv.Error, ValueError) as error:
        raise BadList(f"`{path}` does not read: {error}", "is it of another format?") from error
