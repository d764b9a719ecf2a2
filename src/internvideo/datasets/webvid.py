"""WebVid 2.5M and 10M: CSV with videoid, name (the caption), page_dir, contentUrl, duration.

The files are those of the official download: `<page_dir>/<videoid>.mp4`.
"""

from collections.abc import Iterator

from internvideo.datasets.lists import csv_rows, joined
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of


def read_webvid(
    path: PathLike, root: PathLike, *, file: str = "{page_dir}/{videoid}.mp4", corpus: str = "webvid"
) -> Samples:
    """One sample per row. file: where a video lies below `root`, of the columns."""
    return Samples(_samples(path, root, file, corpus))


def _samples(path: PathLike, root: PathLike, file: str, corpus: str) -> Iterator[Sample]:
    for row in csv_rows(path, ("videoid", "name")):
        video = row["videoid"]
        place = joined(root, file.format(**{"page_dir": "", **row}).lstrip("/"))
        yield Sample(uid_of(corpus, video), place, captions=(row["name"],) if row["name"] else (), source=video)
