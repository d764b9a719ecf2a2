"""VATEX: ten English and ten Chinese sentences per ten-second video.

A JSON list of `{"videoID": "<youtube id>_<start>_<end>", "enCap": [...], "chCap": [...]}`; six digits per time. The
public test list has no Chinese, the private one no sentences at all.
"""

from collections.abc import Iterator

from internvideo.datasets.lists import cell, chosen, joined, json_file, records
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of


def read_vatex(
    path: PathLike,
    root: PathLike,
    *,
    language: str = "en",
    split: PathLike | None = None,
    suffix: str = ".mp4",
    corpus: str = "vatex",
) -> Samples:
    """One sample per video with its sentences in a language ("en" or "ch"); `source` is the YouTube id."""
    return Samples(_samples(path, root, f"{language}Cap", chosen(split), suffix, corpus))


def _samples(
    path: PathLike, root: PathLike, key: str, wanted: set[str] | None, suffix: str, corpus: str
) -> Iterator[Sample]:
    for row in records(json_file(path), path):
        video = str(cell(row, "videoID", path))
        if wanted is None or video in wanted:
            captions = tuple(map(str, row.get(key) or ()))
            source = video.rsplit("_", 2)[0]
            yield Sample(uid_of(corpus, video), joined(root, video + suffix), captions=captions, source=source)
