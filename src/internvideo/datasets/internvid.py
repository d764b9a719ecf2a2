"""InternVid as released: clips as spans of YouTube videos, JSON lines or Parquet; the videos lie on this machine.

Columns: YoutubeID, Start_timestamp and End_timestamp (HH:MM:SS.mmm in the full video), Caption, and scores that are not
read. Our own export `--format internvid` is the same.
"""

import os
import re
from collections.abc import Iterator
from pathlib import PurePath

from internvideo.datasets.folders import VIDEO_SUFFIXES
from internvideo.datasets.lists import cell, json_lines, reading, span
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of
from internvideo.datasets.table import parquet_rows

_BRACKETS = re.compile(r".*\[([A-Za-z0-9_-]{11})\]")  # how yt-dlp names its downloads


def read_internvid(path: PathLike, root: PathLike, *, corpus: str = "internvid") -> Samples:
    """One sample per line, with its span; `source` is the YouTube id. Lines without a caption have none.

    The video of an id is the file below `root` that is called so, or `Title [id]`; where there is none the path is
    `<id>.mp4`, which `coverage` counts as missing. Which scores are enough is for a selection to say.
    """
    return Samples(_samples(path, root, videos_below(root), corpus))


def _samples(path: PathLike, root: PathLike, videos: dict[str, str], corpus: str) -> Iterator[Sample]:
    rows = parquet_rows(path) if PurePath(path).suffix == ".parquet" else json_lines(path)
    for row in rows:
        video = str(cell(row, "YoutubeID", path))
        stretch = span(cell(row, "Start_timestamp", path), cell(row, "End_timestamp", path), path)
        caption = row.get("Caption")
        place = videos.get(video) or os.path.join(os.fspath(root), f"{video}.mp4")  # noqa: PTH118
        captions = (str(caption),) if caption else ()
        yield Sample(uid_of(corpus, video, stretch), place, stretch, captions, source=video)


def videos_below(root: PathLike) -> dict[str, str]:
    """Name without suffix, or the id in its brackets -> path of the video; of several the first in sorted order."""
    found: dict[str, str] = {}
    with reading(root):
        for folder, folders, files in os.walk(root):
            folders.sort()
            for file in sorted(files):
                name, suffix = os.path.splitext(file)  # noqa: PTH122
                if suffix.lower() in VIDEO_SUFFIXES:
                    bracketed = _BRACKETS.fullmatch(name)
                    found.setdefault(bracketed[1] if bracketed else name, os.path.join(folder, file))  # noqa: PTH118
    return found
