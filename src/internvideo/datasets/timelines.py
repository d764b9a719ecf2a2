"""Untrimmed videos and the segments of actions in them: THUMOS14, ActivityNet-1.3, HACS, FineAction, Ego4D moments.

One schema for all. Segments are seconds, as they stand in the file: marking needs them so, and published lists have
empty ones and some that end behind the video. `Untrimmed.usable` is what can be learned from.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.datasets.lists import (
    BadList,
    cell,
    class_names,
    class_number,
    class_numbers,
    csv_rows,
    json_file,
    number,
    record,
)
from internvideo.datasets.sample import PathLike
from internvideo.errors import nearest

SHOWN = 5  # cases that are named where something is wrong with many


@dataclass(frozen=True, eq=False)
class Untrimmed:
    """One video. segments: (G, 2) seconds; labels: (G,) int64; seconds: its length; fps: 0 if not known."""

    name: str
    subset: str  # small letters
    seconds: float
    segments: np.ndarray
    labels: np.ndarray
    fps: float = 0.0

    @property
    def usable(self) -> "Untrimmed":
        """The same with segments cut at the ends of the video, and without those that are empty then."""
        cut = np.clip(self.segments, 0, self.seconds)
        kept = cut[:, 1] > cut[:, 0]
        return replace(self, segments=cut[kept], labels=self.labels[kept])


@dataclass(frozen=True)
class Timelines:
    """Videos in the order of the file, and class names in the order of their numbers."""

    videos: tuple[Untrimmed, ...]
    classes: tuple[str, ...]

    def of(self, subset: str) -> "Timelines":
        """Videos of one subset, however it is spelt; "" for all. Raises BadList with the known ones."""
        chosen = tuple(video for video in self.videos if subset.lower() in ("", video.subset))
        if not chosen:
            raise BadList(f"no video is of the subset `{subset}`", nearest(subset, {v.subset for v in self.videos}))
        return replace(self, videos=chosen)

    def problems(self) -> list[str]:
        """What is wrong with segments, a line per kind with counts and the first cases."""
        cases: dict[str, list[str]] = {"end before they start": [], "are empty": [], "leave the video": []}
        for video in self.videos:
            for start, end in video.segments.tolist():
                outside = start < 0 or end > video.seconds + 1.0
                kind = "end before they start" if end < start else "are empty" if end == start else "leave the video"
                if kind != "leave the video" or outside:
                    cases[kind].append(f"{video.name} [{start:g}, {end:g}] of {video.seconds:g} s")
        return [f"{len(some):,} segments {kind}: {'; '.join(some[:SHOWN])}" for kind, some in cases.items() if some]


def read_timelines(path: PathLike, *, classes: Sequence[str] | PathLike | None = None, prefix: str = "") -> Timelines:
    """Any of the public forms, told apart by what the file is.

    JSON: ActivityNet's `{"database": {video: {"subset", "duration", "annotations": [{"segment", "label"}]}}}`, which
    HACS, FineAction and converted THUMOS14 share, or the inner mapping alone, or Ego4D's `{"videos": [{"clips"}]}`.
    CSV with `video-name, t-start, t-end, action-label, video-duration`. A folder: THUMOS14's `<class>_<subset>.txt`.
    classes: names in order, or a file of them; default: by `label_id` where the file has it, else sorted.
    prefix: what names of videos begin with that is no part of them ("v_").
    """
    place = Path(path)
    if place.is_dir():
        rows = list(_thumos(place))
    elif place.suffix.lower() == ".csv":
        rows = list(_segments_csv(path))
    else:
        rows = list(_json(path))
    return _joined(rows, path, classes, prefix)


@dataclass(frozen=True)
class _Row:
    """One video of a file, classes still by name."""

    name: str
    subset: str
    seconds: float
    fps: float
    segments: list[tuple[float, float]]
    labels: list[str]
    numbers: list[int | None]


def _joined(rows: Iterable[_Row], path: PathLike, classes: Sequence[str] | PathLike | None, prefix: str) -> Timelines:
    rows = list(rows)
    numbers = _known(rows, path) if classes is None else None
    plain = class_numbers(classes) if classes is not None else {}
    names = class_names(classes) if classes is not None else tuple(numbers or ())
    videos: dict[str, Untrimmed] = {}
    for row in rows:
        labels = [numbers[name] if numbers is not None else class_number(plain, name, path) for name in row.labels]
        name = row.name.removeprefix(prefix)
        if name in videos:
            raise BadList(f"the video `{name}` comes twice in `{path}`", "give every video once")
        segments = np.array(row.segments, np.float64).reshape(-1, 2)
        videos[name] = Untrimmed(name, row.subset, row.seconds, segments, np.array(labels, np.int64), row.fps)
    if not videos:
        raise BadList(f"`{path}` has no videos", "is it the right file?")
    return Timelines(tuple(videos.values()), names)


def _known(rows: Sequence[_Row], path: PathLike) -> dict[str, int]:
    """Class name -> number: those that the file gives if it gives all, else in alphabetical order."""
    given: dict[str, int] = {}
    for row in rows:
        for name, number_given in zip(row.labels, row.numbers, strict=True):
            if number_given is None:
                return {name: place for place, name in enumerate(sorted({name for row in rows for name in row.labels}))}
            if given.setdefault(name, number_given) != number_given:
                raise BadList(f"`{path}`: the class `{name}` has the numbers {given[name]} and {number_given}")
    if sorted(given.values()) != list(range(len(given))):
        holes = sorted(set(range(max(given.values(), default=-1) + 1)) - set(given.values()))
        raise BadList(f"`{path}`: no segment tells the name of class {holes[:SHOWN]}", "--classes FILE names them all")
    return dict(sorted(given.items(), key=lambda item: item[1]))


def _json(path: PathLike) -> Iterator[_Row]:
    found = record(json_file(path), f"`{path}`")
    if isinstance(found.get("videos"), list):
        yield from _moments(found["videos"], path)
        return
    for name, entry in record(found.get("database", found), f"the database of `{path}`").items():
        entry = record(entry, f"`{name}` of `{path}`")
        rows = entry.get("annotations") or []
        seconds = next((entry[key] for key in ("duration", "duration_second") if entry.get(key) is not None), None)
        pairs = [_pair(cell(record(row, f"a segment of `{name}`"), "segment", path), name, path) for row in rows]
        yield _Row(
            name,
            str(entry.get("subset", "")).lower(),
            number(seconds, "duration", path) if seconds is not None else max((end for _, end in pairs), default=0.0),
            number(entry.get("fps") or 0, "fps", path),
            pairs,
            [str(row.get("label", row.get("label_id"))) for row in rows],
            [int(row["label_id"]) if row.get("label_id") is not None else None for row in rows],
        )


def _pair(segment: Any, name: str, path: PathLike) -> tuple[float, float]:
    if not isinstance(segment, list) or len(segment) != 2:
        raise BadList(f"`{path}`: a segment of `{name}` is {segment!r:.60}", "expected [start, end] in seconds")
    return number(segment[0], "start", path), number(segment[1], "end", path)


def _moments(videos: Sequence[Any], path: PathLike) -> Iterator[_Row]:
    """Ego4D moment queries: a clip is a video; only labels that are `primary` count; several annotators may agree."""
    for video in videos:
        for clip in cell(record(video, f"a video of `{path}`"), "clips", path):
            start, end = (number(cell(clip, f"video_{side}_sec", path), "time", path) for side in ("start", "end"))
            said = {
                (float(label["start_time"]), float(label["end_time"]), str(label["label"]))
                for annotation in clip.get("annotations") or []
                for label in annotation.get("labels") or []
                if label.get("primary", True)
            }
            rows = sorted(said)
            yield _Row(
                str(cell(clip, "clip_uid", path)),
                str(video.get("split", "")).lower(),
                end - start,
                0.0,
                [(first, last) for first, last, _ in rows],
                [label for _, _, label in rows],
                [None] * len(rows),
            )


def _segments_csv(path: PathLike) -> Iterator[_Row]:
    """One row per segment; `temporal-region-label` other than Action is background. The subset is not told."""
    by_video: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in csv_rows(path, ("video-name", "t-start", "t-end", "action-label", "video-duration")):
        if row.get("temporal-region-label", "Action") == "Action":
            by_video[row["video-name"]].append(row)
    for name, rows in by_video.items():
        pairs = [(number(row["t-start"], "t-start", path), number(row["t-end"], "t-end", path)) for row in rows]
        seconds = number(rows[0]["video-duration"], "video-duration", path)
        fps = number(rows[0].get("fps") or 0, "fps", path)
        yield _Row(name, "", seconds, fps, pairs, [row["action-label"] for row in rows], [None] * len(rows))


def _thumos(folder: Path) -> Iterator[_Row]:
    """`<class>_val.txt` and `<class>_test.txt`: lines `video start end`. `Ambiguous_*` is left out.

    Lengths come from a `*metadata*.csv` beside them (filename, video-duration, fps) if there is one.
    """
    facts = {
        Path(row["filename"]).stem: (float(row["video-duration"]), float(row.get("fps") or 0))
        for table in sorted(folder.glob("*metadata*.csv"))
        for row in csv.DictReader(table.read_text("utf-8-sig").splitlines())
    }
    found: dict[tuple[str, str], list[tuple[float, float, str]]] = defaultdict(list)
    for file in sorted(folder.glob("*.txt")):
        label, _, subset = file.stem.rpartition("_")
        if not label or label.lower() == "ambiguous":
            continue
        for text in file.read_text("utf-8-sig").splitlines():
            words = text.split()
            if words and len(words) != 3:
                raise BadList(f"`{file}`: `{text:.60}` is not `video start end`")
            if words:
                times = [number(word, "time", file) for word in words[1:]]
                found[words[0], {"val": "validation"}.get(subset, subset)].append((times[0], times[1], label))
    for (name, subset), rows in sorted(found.items()):
        rows.sort()
        seconds, fps = facts.get(name, (max(end for _, end, _ in rows), 0.0))
        pairs = [(start, end) for start, end, _ in rows]
        yield _Row(name, subset, seconds, fps, pairs, [label for *_, label in rows], [None] * len(rows))
