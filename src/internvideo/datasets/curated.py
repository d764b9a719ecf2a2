"""A dataset of ours as a list to train on: the clips of a view, each with the text that stands for it.

Reads the last committed state; nothing is written and no video opened.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of
from internvideo.records import Clip
from internvideo.store.best_caption import CAPTION_SCALES, best_first, texts_of
from internvideo.store.dataset import Dataset

KEY = ("video", "stream", "start", "end")


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
        caption = texts.get(name)
        yield Sample(
            uid=uid_of(corpus, name),
            path=places.get(video, ""),
            span=span,
            captions=(caption,) if caption else (),
            source=source or video,
        )


def _best_texts(dataset: Dataset) -> dict[str, str]:
    """Clip name -> the caption that stands for it."""
    rows = texts_of(dataset)
    names = [Clip(*key).name for key in zip(*(rows[name].to_pylist() for name in KEY), strict=True)]
    ranked = best_first(rows.append_column("clip", pa.array(names, pa.string())), CAPTION_SCALES)
    found: dict[str, str] = {}
    for name, text in zip(ranked["clip"].to_pylist(), ranked["text"].to_pylist(), strict=True):
        found.setdefault(name, text)
    return found


def _places(dataset: Dataset) -> dict[str, str]:
    rows = dataset.rows("places")
    there = rows.filter(pc.fill_null(rows["present"], False))
    found: dict[str, str] = {}
    for video, root, path in zip(*(there[name].to_pylist() for name in ("video", "root", "path")), strict=True):
        found.setdefault(video, os.fspath(Path(os.fsdecode(root)) / os.fsdecode(path)))
    return found
