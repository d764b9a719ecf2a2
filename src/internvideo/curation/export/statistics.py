"""The distributions that a release tells of: those of InternVid's figures 2 and 3, counted over the clips of an export.

Numbers only; drawing is for `bars`, words for `card`.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from internvideo.curation.export.data import ExportData
from internvideo.curation.text_statistics import words_of

MOST_NAMES = 12  # of a distribution over names; the rest is summed up
UNKNOWN = "not known"


@dataclass(frozen=True)
class Distribution:
    """How many of what fall where. mean: of those that are known, None for names."""

    name: str
    of: str  # what is counted: clips or videos
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    mean: float | None = None
    unit: str = ""

    @property
    def known(self) -> bool:
        """Whether anything is known of any of them."""
        return any(count for label, count in zip(self.labels, self.counts, strict=True) if label != UNKNOWN)

    def as_row(self) -> dict[str, Any]:
        return {
            **{"name": self.name, "of": self.of, "mean": self.mean, "unit": self.unit},
            "counts": dict(zip(self.labels, self.counts, strict=True)),
        }


def distributions(data: ExportData, scores: Mapping[str, Sequence[float | None]]) -> list[Distribution]:
    """Bins as in the paper; a distribution of which nothing is known is left out.

    scores: name -> one number per clip of `data`.
    """
    clips = data.clips
    seconds = _numbers(clips, "end_seconds") - _numbers(clips, "start_seconds")
    words = [float(len(words_of(data.best[row.name]))) if row.name in data.best else np.nan for row in data.rows]
    first = {row.video: place for place, row in reversed(list(enumerate(data.rows)))}
    videos = clips.take(pa.array(sorted(first.values()), pa.int64()))
    lengths = _numbers(videos, "video_seconds") / 60
    short = np.minimum(_numbers(videos, "video_width"), _numbers(videos, "video_height"))
    found = [
        binned("Clip length", "clips", seconds, (2, 4, 10, 20), "s"),
        binned("Caption length", "clips", np.array(words, np.float64), (10, 20, 30), "words"),
        binned("Source length", "videos", lengths, (5, 10, 20), "min"),
        binned("Resolution", "videos", short, (360, 480, 720, 1080), "px, short side"),
        *(_score(name, np.array([np.nan if v is None else v for v in each])) for name, each in scores.items()),
        named("Caption language", "clips", [_language(data, row.name) for row in data.rows]),
        named("Spoken or stated language", "videos", _names(videos, "sidecars_language")),
        named("Category", "videos", _names(videos, "sidecars_category")),
        named("Licence", "videos", _names(videos, "licence")),
    ]
    return [one for one in found if one.known]


def binned(name: str, of: str, values: np.ndarray, edges: Sequence[float], unit: str) -> Distribution:
    """Counts below the first edge, from edge to edge (the lower one belongs to the bin), and from the last one on.

    >>> binned("Clip length", "clips", np.array([1.0, 2.0, 9.0]), (2, 4), "s").counts
    (1, 1, 1)
    """
    known = values[np.isfinite(values)]
    at = np.searchsorted(np.asarray(edges, np.float64), known, side="right")
    counts = np.bincount(at, minlength=len(edges) + 1)
    shown = [f"{edge:g}" for edge in edges]
    labels = [f"under {shown[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(shown)), f"{shown[-1]} on"]
    missing = len(values) - len(known)
    return Distribution(
        name,
        of,
        (*labels, *([UNKNOWN] if missing else [])),
        (*(int(count) for count in counts), *([missing] if missing else [])),
        float(known.mean()) if len(known) else None,
        unit,
    )


def named(name: str, of: str, values: Sequence[str | None]) -> Distribution:
    """Counts of names, the commonest first; beyond `MOST_NAMES` they are summed up."""
    counts = Counter(value or UNKNOWN for value in values)
    unknown = counts.pop(UNKNOWN, 0)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = ranked[:MOST_NAMES]
    if len(ranked) > MOST_NAMES:
        rows.append((f"{len(ranked) - MOST_NAMES} others", sum(count for _, count in ranked[MOST_NAMES:])))
    rows += [(UNKNOWN, unknown)] if unknown else []
    return Distribution(name, of, tuple(label for label, _ in rows), tuple(count for _, count in rows))


def _score(name: str, values: np.ndarray) -> Distribution:
    """Ten bins of one width that people write, over the range of the values."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    step = 10 ** np.floor(np.log10(max(high - low, 1e-6)))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if (high - low) / s <= 10)
    edges = [round(float(np.floor(low / step) + i) * float(step), 6) for i in range(1, 11)]
    edges = [edge for edge in edges if edge <= high] or edges[:1]
    return binned(name, "clips", values, edges, "")


def _language(data: ExportData, clip: str) -> str | None:
    text = data.best.get(clip)
    return next((row["language"] or None for row in data.texts.get(clip, []) if row["text"] == text), None)


def _numbers(table: pa.Table, column: str) -> np.ndarray:
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table[column].cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _names(table: pa.Table, column: str) -> list[str | None]:
    return list(table[column].to_pylist()) if column in table.column_names else [None] * table.num_rows
