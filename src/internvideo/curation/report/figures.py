"""Which distributions the page shows, what each number is called, its unit, and what it means in plain words.

Knows the columns of the built-in operators; a column that it does not know is shown under its own name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.report.data import NEEDED, ReportData

MOST_FIGURES = 18
LONG_FILM = 120.0  # seconds; films that are mostly longer are told in minutes
_IDS = ("group", "cluster", "rank", "index", "item", "tick", "stream", "keeper", "count_id")


@dataclass(frozen=True, slots=True)
class Title:
    """How a number is told: its name, its unit ("" for a plain number), and what it says."""

    name: str
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Figure:
    """One distribution: values (N,) float64, NaN for missing, and which of them belong to what was kept.

    subject: what is counted, in plural. thresholds: (value, "minimum" or "maximum") drawn as lines.
    """

    column: str
    title: Title
    values: np.ndarray
    kept: np.ndarray
    subject: str = "clips"
    thresholds: Sequence[tuple[float, str]] = ()
    whole: bool = False  # whole numbers only


TITLES = {
    "seconds": Title("Clip length", "s", "From a clip's first frame to the one after its last."),
    "words": Title("Words per caption", "words", "Of the caption that stands for a clip. In scripts without spaces each letter counts as a word."),  # noqa: E501
    "video_seconds": Title("Source length", "s", "How long the films are that the clips come from."),
    "short_side": Title("Resolution", "px", "The shorter side of the picture, after rotation."),
    "video_fps": Title("Frame rate", "fps", "Average of the source."),
}  # fmt: skip


def figures(data: ReportData) -> list[Figure]:
    """Length, caption words, resolution and source length; then scores: those with a threshold before the others."""
    bounds = _bounds(data)
    first = [
        Figure("seconds", TITLES["seconds"], data.seconds, data.kept, thresholds=bounds.get("seconds", ())),
        _words(data),
        *_of_videos(data),
    ]
    columns = [name for name in score_columns(data) if not name.startswith("video_")]
    columns.sort(key=lambda name: name not in bounds)
    scores = [
        Figure(
            name,
            title_of(name, data),
            data.numbers(name),
            data.kept,
            thresholds=bounds.get(name, ()),
            whole=_whole(data, name),
        )
        for name in columns
    ]
    shown = [figure for figure in [*first, *scores] if np.isfinite(figure.values).any()]
    return shown[:MOST_FIGURES]


def score_columns(data: ReportData) -> list[str]:
    """Numeric columns that say something of a clip: no keys, ids, ranks or ticks, and not always the same value."""
    found = []
    for column in data.clips.schema:
        numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        if (
            not numeric
            or column.name in NEEDED
            or any(column.name.endswith(end) for end in (*_IDS, "_seconds", "_frames"))
        ):
            continue
        low, high = pc.min_max(data.clips[column.name]).as_py().values()
        if low is not None and (low != high or any(t.column == column.name for t in data.thresholds)):
            found.append(column.name)
    return found


def title_of(column: str, data: ReportData) -> Title:
    """The title of a column: known ones, those that the data brings, else its name with spaces."""
    if column in TITLES:
        return TITLES[column]
    return Title(data.titles.get(column, column.replace("_", " ").capitalize()))


def _bounds(data: ReportData) -> dict[str, list[tuple[float, str]]]:
    bounds: dict[str, list[tuple[float, str]]] = {}
    for threshold in data.thresholds:
        bounds.setdefault(threshold.column, []).extend(threshold.bounds())
    return bounds


def _whole(data: ReportData, column: str) -> bool:
    return bool(pa.types.is_integer(data.clips.schema.field(column).type))


def _words(data: ReportData) -> Figure:
    best, words = data.best_captions, data.caption_words
    counts = [float(words[best[name]]) if name in best else math.nan for name in data.names]
    return Figure("words", TITLES["words"], np.array(counts, np.float64), data.kept, whole=True)


def _of_videos(data: ReportData) -> list[Figure]:
    """Source length and resolution: one value per video; kept are those with at least one kept clip."""
    videos = data.videos
    kept_videos = pc.unique(data.clips["video"].filter(data.clips["kept"]))
    kept = pc.is_in(
        videos["video"],
        value_set=kept_videos.combine_chunks() if isinstance(kept_videos, pa.ChunkedArray) else kept_videos,
    )
    of_kept = np.asarray(kept.to_numpy(zero_copy_only=False) if isinstance(kept, pa.Array) else kept.to_numpy(), bool)
    made = []
    if "seconds" in videos.column_names:
        lengths = np.asarray(pc.cast(videos["seconds"], pa.float64()).to_numpy(), np.float64)
        known = lengths[np.isfinite(lengths)]
        unit, scale = ("min", 60.0) if len(known) and np.median(known) >= LONG_FILM else ("s", 1.0)
        made.append(
            Figure("video_seconds", replace(TITLES["video_seconds"], unit=unit), lengths / scale, of_kept, "videos")
        )
    if {"width", "height"} <= {*videos.column_names}:
        short = pc.cast(pc.min_element_wise(videos["width"], videos["height"]), pa.float64())
        made.append(
            Figure(
                "short_side",
                TITLES["short_side"],
                np.asarray(short.to_numpy(), np.float64),
                of_kept,
                "videos",
                whole=True,
            )
        )
    return made
