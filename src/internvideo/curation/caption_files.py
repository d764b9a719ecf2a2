"""What a table of captions says: JSON Lines, JSON, CSV, TSV and Parquet, for one video or for a whole folder.

Columns are known by many names (below), whatever their case; InternVid's six (`YoutubeID`, `Start_timestamp`,
`End_timestamp`, `Caption`, `UMT_Score`, `Aesthetic_Score`) and ViCLIP's `video`, `caption` are among them. So are
FiftyOne's temporal detections (`labels.json`), as long as they are given in seconds.
"""

import csv
import io
import itertools
import json
import math
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.curation.side_text import Problem, Scale, SideText, decode_text, parse_seconds, tidy

Row = Mapping[str, Any]  # column name, simplified -> value

# The first name that a row has is taken.
TEXT = ("caption", "text", "sentence", "captions", "sentences")
START = ("start", "start_time", "start_timestamp", "start_seconds", "start_sec", "time_start", "begin")
END = ("end", "end_time", "end_timestamp", "end_seconds", "end_sec", "time_end", "stop")
LANGUAGE = ("language", "lang")
KIND = ("kind", "type", "scale")
VIDEO = (
    "file_name",
    "filename",
    "file",
    "path",
    "video_path",
    "video",
    "youtubeid",
    "youtube_id",
    "video_id",
    "videoid",
)
METADATA = ("title", "description", "license", "licence", "channel", "uploader", "source", "tags", "upload_date")
LIST = "list_file"  # which file of the folder a row was taken from

_TRANSCRIPTS = frozenset({"transcript", "asr", "speech", "subtitle", "subtitles"})
_BRACKETED_ID = re.compile(r".*\[([A-Za-z0-9_-]{11})\]")  # yt-dlp's usual file names end so


def parse_captions(data: bytes, file: str, *, language: str = "") -> tuple[list[SideText], list[Problem]]:
    """The texts of a caption file about one video, in order of the file, and what could not be used. Never raises.

    A timed row without text is kept with an empty one: it still names a span.
    """
    rows, problems = read_rows(data, file)
    texts, more = texts_of(rows, file, language=language)
    return texts, problems + more


def texts_of(rows: Iterable[tuple[int, Row]], file: str, *, language: str = "") -> tuple[list[SideText], list[Problem]]:
    """The same from rows that `read_rows` gave."""
    texts: list[SideText] = []
    problems = []
    for line, row in rows:
        found, problem = _texts_of(row, file, language)
        texts += found
        if problem:
            problems.append(Problem(file, line, problem))
    return list(dict.fromkeys(texts)), problems


def read_rows(data: bytes, file: str) -> tuple[list[tuple[int, Row]], list[Problem]]:
    """(line, row) of a table file, its kind known by its name; and what could not be read. Parquet: line is row."""
    kind = posixpath.splitext(file.lower())[1]
    if kind == ".parquet":
        return _parquet_rows(data, file)
    text, problems = decode_text(data, file)
    try:
        if kind == ".jsonl":
            found: Iterator[tuple[int, Any]] = _json_lines(text, file, problems)
        elif kind == ".json":
            found = enumerate(_as_list(json.loads(text)), 1)
        else:
            found = _delimited_rows(text, "\t" if kind == ".tsv" else ",", file, problems)
        rows = [(line, row) for line, row in found if _is_row(row, line, file, problems)]
    except (ValueError, RecursionError, csv.Error) as error:
        problems.append(
            Problem(file, getattr(error, "lineno", 0), f"cannot be read as {kind[1:].upper()}: {tidy(str(error))}")
        )
        return [], problems
    return [(line, _simplified(row)) for line, row in rows], problems


class FolderList:
    """A caption file about many videos of a folder, by the names of the videos."""

    def __init__(self, data: bytes, file: str) -> None:
        rows, self.problems = read_rows(data, file)
        self._by_name: dict[str, list[Row]] = defaultdict(list)
        self._paths: dict[str, set[str]] = defaultdict(set)  # last part of a path -> the paths that end so
        for line, row in rows:
            name = next((tidy(str(row[key])) for key in VIDEO if row.get(key) not in (None, "")), "")
            if not name:
                self.problems.append(Problem(file, line, f"names no video: none of the columns {', '.join(VIDEO)}"))
                continue
            path = name.replace("\\", "/").removeprefix("./")
            self._by_name[path].append({**row, LIST: file})
            self._paths[posixpath.basename(path)].add(path)

    def rows_of(self, video: str) -> list[Row]:
        """The rows about the file `video` of this folder, in order of the list.

        They name the file, the file without its suffix, the 11 characters in brackets at the end of that (an
        identifier of YouTube), or a path that ends in one of the first two and is the only one that does.
        """
        stem = posixpath.splitext(video)[0]
        for name in (tidy(video), tidy(stem)):
            if name in self._by_name:
                return self._by_name[name]
            if len(paths := self._paths.get(name, ())) == 1:
                return [row for path in paths for row in self._by_name[path]]
        bracketed = _BRACKETED_ID.fullmatch(stem)
        return self._by_name.get(bracketed[1], []) if bracketed else []

    def for_video(self, video: str) -> bytes:
        """The same rows as JSON Lines, for `Subject.side`; empty if there are none. No line numbers: a row that is
        added for another video changes nothing here."""
        return b"".join(json.dumps(row, default=str, sort_keys=True).encode() + b"\n" for row in self.rows_of(video))


def _texts_of(row: Row, file: str, language: str) -> tuple[list[SideText], str]:
    """The texts of one row and what is wrong with it."""
    start_value, end_value = first_of(row, START), first_of(row, END)
    start, end = parse_seconds(start_value), parse_seconds(end_value)
    if (start_value is None) != (end_value is None):
        return [], "start and end must be given together"
    if start_value is not None and (start is None or end is None):
        return [], f"times not understood: {tidy(f'{start_value} to {end_value}')[:60]}; give seconds or HH:MM:SS.mmm"
    if start is not None and end is not None and start >= end:
        return [], f"the end is not after the start: {tidy(f'{start_value} to {end_value}')[:60]}"
    value = first_of(row, TEXT)
    several = value if isinstance(value, list | tuple) else [value]
    words = [tidy(str(one)) for one in several if one is not None]
    words = [one for one in words if one] or ([""] if start is not None else [])
    if not words:
        names = ", ".join(str(key) for key in row if key != LIST)
        return [], "" if any(row.get(key) is not None for key in METADATA) else f"no caption among the columns {names}"
    scale = _scale(row, timed=start is not None)
    if scale == "transcript" and start is None:
        return [], "a transcript needs a start and an end"
    stated = tidy(str(first_of(row, LANGUAGE) or "")) or language
    times = ("", "") if start is None else (tidy(str(start_value)), tidy(str(end_value)))
    scores = (_number(row.get("umt_score")), _number(row.get("aesthetic_score")))
    origin = tidy(str(row.get(LIST, file)))
    return [SideText(one, start, end, scale, origin, stated, *times, *scores) for one in words], ""


def first_of(row: Row, names: Sequence[str]) -> Any:
    """The value of the first of these columns that says anything."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _scale(row: Row, *, timed: bool) -> Scale:
    kind = tidy(str(first_of(row, KIND) or "")).lower()
    if kind in _TRANSCRIPTS:
        return "transcript"
    if kind == "title" and not timed:
        return "title"
    return "clip" if timed else "video"


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _simplified(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Plain values by column name, in lower case, `_` for spaces and hyphens; the first of two equal ones counts."""
    simple: dict[str, Any] = {}
    for name, value in row.items():
        simple.setdefault(re.sub(r"[\s-]+", "_", tidy(str(name))).lower(), _flat(value))
    return simple


def _flat(value: Any) -> Any:
    """Deep structures hold no caption that we know of, and printing them could exhaust the stack."""
    if isinstance(value, list):
        return [one for one in value if not isinstance(one, list | dict)]
    return None if isinstance(value, dict) or value != value else value  # not equal to itself: NaN


def _is_row(row: object, line: int, file: str, problems: list[Problem]) -> bool:
    if isinstance(row, dict):
        return True
    problems.append(Problem(file, line, "not a row with named columns"))
    return False


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, dict) and isinstance(value.get("labels"), dict):
        return list(_detections(value["labels"], value.get("classes")))
    return value if isinstance(value, list) else [value]


def _detections(labels: Mapping[str, Any], classes: Any) -> Iterator[Any]:
    """The temporal detections of FiftyOne as rows: video -> detections; labels are numbers if there are `classes`."""
    for video, found in labels.items():
        for one in found if isinstance(found, list) else []:
            if not isinstance(one, dict):
                yield one
                continue
            label, times = one.get("label"), one.get("timestamps")
            if isinstance(classes, list) and isinstance(label, int) and 0 <= label < len(classes):
                label = classes[label]
            start, end = times if isinstance(times, list) and len(times) == 2 else ("frames", one.get("support"))
            yield {"video": video, "caption": label, "start": start, "end": end}


def _json_lines(text: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, Any]]:
    for line, row in enumerate(text.split("\n"), 1):
        if row.strip():
            try:
                yield line, json.loads(row)
            except (ValueError, RecursionError) as error:
                problems.append(Problem(file, line, f"not JSON: {tidy(str(error))}"))


def _delimited_rows(text: str, delimiter: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, Any]]:
    """Rows of a delimited file with a header. Semicolons, as some spreadsheets write, are noticed."""
    header = text.partition("\n")[0]
    if delimiter not in header and ";" in header:
        delimiter = ";"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = next(reader, [])
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(file, line, f"not understood: {error}"))
            continue
        if len(cells) > len(names):
            problems.append(
                Problem(file, line, f"{len(cells)} cells for {len(names)} columns; quote cells that hold `{delimiter}`")
            )
        elif any(cells):
            yield line, dict(itertools.zip_longest(names, cells))


def _parquet_rows(data: bytes, file: str) -> tuple[list[tuple[int, Row]], list[Problem]]:
    rows: list[tuple[int, Row]] = []
    try:
        for batch in pq.ParquetFile(pa.BufferReader(data)).iter_batches():
            rows += [(len(rows) + i, _simplified(row)) for i, row in enumerate(batch.to_pylist(), 1)]
    except (pa.ArrowException, OSError, ValueError) as error:
        return rows, [Problem(file, 0, f"cannot be read as Parquet: {tidy(str(error))[:200]}")]
    return rows, []
