"""The moments of a dataset: every clip that any segmenter made, each once, with its seconds and its video's facts."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.records import Clip, Span
from internvideo.search.words import Text
from internvideo.store import shards
from internvideo.store.dataset import Dataset
from internvideo.store.values import SPAN_KEY

SHOTS = "shots"
# How much a word says about the one moment, by where it stands: a title is about the whole film.
SCALE_WEIGHTS = {"clip": 1.0, "transcript": 0.95, "video": 0.85, "title": 0.8}
NAME_WEIGHT = 0.8
_NOTES = ("title", "licence", "language", "upload_date", "channel")


@dataclass(frozen=True)
class VideoFacts:
    """What is known of one video. path: where it lay at the last scan; None if it is gone."""

    video: str
    name: str  # printable, below the folder that was scanned
    path: Path | None
    root: Path  # the folder that was scanned
    seconds: float | None
    fps: float  # average; 25 where the file does not say
    width: int
    height: int
    time_base: Fraction
    title: str = ""
    licence: str = ""
    language: str = ""
    upload_date: str = ""
    channel: str = ""


class Moments:
    """Rows are sorted by key. Arrays: video (N,) numbers of `videos`; start, end (N,) float64 seconds; is_shot, hidden
    (N,) bool: hidden ones belong to videos that are gone or withheld."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        sets = [name for name, spec in dataset.operators().items() if spec.segmenter]
        self.keys, self.start, self.end, self.is_shot = _spans(dataset, sets)
        self.videos = _videos(dataset)
        numbers = {one.video: number for number, one in enumerate(self.videos)}
        encoded = self.keys["video"].combine_chunks().dictionary_encode()
        lookup = np.array([numbers.get(video, -1) for video in encoded.dictionary.to_pylist()], np.int64)
        self.video = lookup[encoded.indices.to_numpy()] if len(encoded) else np.empty(0, np.int64)
        there = np.array([one.path is not None for one in self.videos] + [False])
        self.hidden = ~there[self.video]
        self._withheld: set[str] = set()

    def withhold(self, videos: Collection[str]) -> None:
        """Hide the moments of these videos from now on."""
        if not self._withheld >= {*videos}:
            self._withheld |= {*videos}
            self.hidden |= np.array([one.video in self._withheld for one in self.videos] + [False])[self.video]

    def __len__(self) -> int:
        return int(self.keys.num_rows)

    def clip(self, row: int) -> Clip:
        key = self.keys.slice(row, 1).to_pylist()[0]
        return Clip(key["video"], key["stream"], key["start"], key["end"])

    def span(self, row: int) -> Span:
        return Span(float(self.start[row]), float(self.end[row]))

    def facts(self, row: int) -> VideoFacts:
        return self.videos[int(self.video[row])]

    def of_video(self, video: str) -> np.ndarray:
        """Rows of one video in order of time."""
        number = next((number for number, one in enumerate(self.videos) if one.video == video), -2)
        rows = np.flatnonzero(self.video == number)
        return rows[np.argsort(self.start[rows], kind="stable")]

    def rows_of(self, keys: pa.Table) -> np.ndarray:
        """(n,) int64: the row of each key; -1 where there is no such moment."""
        mine = self.keys.append_column("row", pa.array(np.arange(len(self))))
        asked = keys.select(SPAN_KEY.names).append_column("at", pa.array(np.arange(keys.num_rows)))
        joined = asked.join(mine, SPAN_KEY.names, join_type="left outer")
        found = np.full(keys.num_rows, -1, np.int64)
        found[joined["at"].to_numpy()] = pc.fill_null(joined["row"], -1).to_numpy()
        return found

    def texts(self) -> Iterator[Text]:
        """Every text once, with the moments it belongs to: captions, transcripts and titles, then names of files."""
        if "captions" in self._dataset.operators():
            rows = self._dataset.rows("captions")
            places = self.rows_of(rows)
            text, scale = (rows[name].combine_chunks().dictionary_encode() for name in ("text", "scale"))
            weights = np.array([SCALE_WEIGHTS.get(one, 0.5) for one in scale.dictionary.to_pylist()])
            words = text.dictionary.to_pylist()
            code = text.indices.to_numpy() * len(weights) + scale.indices.to_numpy() if len(places) else places
            order = np.argsort(code, kind="stable")
            order = order[places[order] >= 0]
            for group in np.split(order, np.flatnonzero(np.diff(code[order])) + 1) if len(order) else ():
                number, kind = divmod(int(code[group[0]]), len(weights))
                yield Text(words[number], places[group], float(weights[kind]))
        bounds = np.argsort(self.video, kind="stable")
        for group in np.split(bounds, np.flatnonzero(np.diff(self.video[bounds])) + 1) if len(bounds) else ():
            if self.video[group[0]] >= 0:
                name = PurePath(self.facts(int(group[0])).name).with_suffix("")
                yield Text(" ".join(name.parts).replace("_", " ").replace("-", " "), group, NAME_WEIGHT)

    def column(self, name: str) -> tuple[np.ndarray, bool]:
        """A column of the joined table for each moment: (N,) array of numbers or text, None or NaN where unknown, and
        whether there is such a column."""
        values = np.full(len(self), None, object)
        known = False
        for table in self._tables:
            if name in table.column_names:
                rows = self.rows_of(table)
                there = rows >= 0
                values[rows[there]] = np.array(table[name].to_pylist(), object)[there]
                known = True
        return values, known

    def columns(self) -> list[str]:
        """Names that `column` knows."""
        return sorted({name for table in self._tables for name in table.column_names})

    @cached_property
    def _tables(self) -> list[pa.Table]:
        """The joined table of every clip set."""
        return [self._dataset.table(name) for name, spec in self._dataset.operators().items() if spec.segmenter]


def _spans(dataset: Dataset, sets: list[str]) -> tuple[pa.Table, np.ndarray, np.ndarray, np.ndarray]:
    names = [*SPAN_KEY.names, "start_seconds", "end_seconds"]
    parts = [SPAN_KEY.empty_table()]
    for name in sets:
        rows = dataset.rows(name).select(names)
        parts.append(rows.append_column("shot", pa.array(np.full(rows.num_rows, name == SHOTS))))
    joined = pa.concat_tables(parts, promote_options="default")
    if joined.num_columns == len(SPAN_KEY):
        return joined, np.empty(0), np.empty(0), np.empty(0, bool)
    grouped = joined.group_by(SPAN_KEY.names).aggregate(
        [("start_seconds", "min"), ("end_seconds", "max"), ("shot", "any")]
    )
    rows = shards.sort_by(grouped, SPAN_KEY.names)
    start, end, shot = (rows[name].to_numpy() for name in ("start_seconds_min", "end_seconds_max", "shot_any"))
    return rows.select(SPAN_KEY.names), start, end, shot.astype(bool)


def _videos(dataset: Dataset) -> list[VideoFacts]:
    known = dataset.operators()
    probe = _by_video(dataset, "probe") if "probe" in known else {}
    notes = _by_video(dataset, "sidecars") if "sidecars" in known else {}
    found: dict[str, VideoFacts] = {}
    for row in dataset.rows("places").to_pylist():
        if row["video"] in found or row["root"] is None:
            continue
        root, relative = (Path(os.fsdecode(row[name])) for name in ("root", "path"))
        said, note = probe.get(row["video"], {}), notes.get(row["video"], {})
        found[row["video"]] = VideoFacts(
            video=row["video"],
            name=row["path"].decode("utf-8", "backslashreplace"),
            path=root / relative if row["present"] else None,
            root=root,
            seconds=said.get("seconds"),
            fps=said.get("fps") or 25.0,
            width=said.get("width") or 0,
            height=said.get("height") or 0,
            time_base=Fraction(said.get("time_base") or 1),
            **{name: note.get(name) or "" for name in _NOTES},
        )
    return list(found.values())


def _by_video(dataset: Dataset, operator: str) -> dict[str, Mapping[str, Any]]:
    return {row["video"]: row for row in dataset.rows(operator).to_pylist() if row["item"] == 0}
