"""A dataset of ours as a list to train on: the clips of a view, each with the text that stands for it.

Reads the last committed state; nothing is written and no video opened.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of
from internvideo.records import Clip
from internvideo.store.dataset import Dataset

KEY = ("video", "stream", "start", "end")
SCALES = ("clip", "video")  # which texts are captions, best first; titles and transcripts are not what is seen


def read_curated(
    path: PathLike,
    root: PathLike | None = None,
    *,
    view: str | None = None,
    clip_set: str | None = None,
    corpus: str = "curated",
) -> Samples:
    """One sample per clip of a view, sorted by key, with its best caption if it has one.

    clip_set: that of the view, else `shots`. root: not used, places are known to the dataset; a video without a place
    has the path "". Raises StoreError for unknown names.
    """
    dataset = Dataset(path)
    if clip_set is None:
        clip_set = str(dataset.view_description(view)["clip_set"]) if view else "shots"
    return Samples(_samples(dataset, view, clip_set, corpus))


def _samples(dataset: Dataset, view: str | None, clip_set: str, corpus: str) -> Iterator[Sample]:
    clips = dataset.table(clip_set, view=view)
    texts, places = _best_texts(dataset), _places(dataset)
    columns = [clips[name].to_pylist() for name in ("clip", *KEY, "video_time_base", "source")]
    for name, video, stream, start, end, time_base, source in zip(*columns, strict=True):
        span = Clip(video, stream, start, end).span(Fraction(time_base)) if time_base else None
        caption = texts.get((video, stream, start, end))
        yield Sample(
            uid=uid_of(corpus, name),
            path=places.get(video, ""),
            span=span,
            captions=(caption,) if caption else (),
            source=source or video,
        )


def _best_texts(dataset: Dataset) -> dict[tuple[Any, ...], str]:
    """Clip key -> of the first scale that has a text the one that covers most of the clip, then the first."""
    if "captions" not in dataset.operators():
        return {}
    rows = dataset.rows("captions")
    covers = rows["covers"].to_pylist() if "covers" in rows.column_names else [None] * rows.num_rows
    columns = [rows[name].to_pylist() for name in (*KEY, "scale", "item", "text")]
    best: dict[tuple[Any, ...], tuple[tuple[int, float, int], str]] = {}
    for *key, scale, item, text, cover in zip(*columns, covers, strict=True):
        if text and scale in SCALES:
            found = ((SCALES.index(scale), -(cover or 0.0), item), text)
            best[tuple(key)] = min(best.get(tuple(key), found), found)
    return {key: text for key, (_, text) in best.items()}


def _places(dataset: Dataset) -> dict[str, str]:
    rows = dataset.rows("places")
    there = rows.filter(pc.fill_null(rows["present"], False))
    found: dict[str, str] = {}
    for video, root, path in zip(*(there[name].to_pylist() for name in ("video", "root", "path")), strict=True):
        found.setdefault(video, os.fspath(Path(os.fsdecode(root)) / os.fsdecode(path)))
    return found
