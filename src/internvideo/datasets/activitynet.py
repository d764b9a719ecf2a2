"""ActivityNet: sentences about events (ActivityNet Captions), and labelled segments (version 1.3).

Captions: `{"v_<id>": {"duration", "timestamps": [[start, end], ...], "sentences": [...]}}`, seconds. Segments: CSV with
video-name, t-start, t-end, action-label, video-duration, filename, and in some files temporal-region-label.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from internvideo.datasets.lists import (
    BadList,
    cell,
    chosen,
    class_number,
    class_numbers,
    csv_rows,
    joined,
    json_file,
    number,
    record,
    span,
)
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of
from internvideo.records import Span


def read_activitynet_captions(
    path: PathLike,
    root: PathLike,
    *,
    moments: bool = False,
    split: PathLike | None = None,
    suffix: str = ".mp4",
    corpus: str = "activitynet-captions",
) -> Samples:
    """One sample per video with its sentences as one paragraph (the published retrieval), in their order in the file.

    moments: one per sentence instead, with its span; times behind the end of the video are cut off there, and moments
    that are empty then are left out.
    """
    found = record(json_file(path), f"`{path}`")
    wanted = chosen(split)
    rows = {video: record(row, f"`{video}` of `{path}`") for video, row in found.items()}
    rows = {video: row for video, row in rows.items() if wanted is None or video in wanted}
    return Samples(_captions(rows, path, root, moments, suffix, corpus))


def _captions(
    rows: dict[str, dict[str, Any]], path: PathLike, root: PathLike, moments: bool, suffix: str, corpus: str
) -> Iterator[Sample]:
    for video, row in rows.items():
        file = joined(root, video + suffix)
        sentences = [str(text).strip() for text in cell(row, "sentences", path)]
        if not moments:
            yield Sample(uid_of(corpus, video), file, captions=(" ".join(sentences),), source=video)
            continue
        times = cell(row, "timestamps", path)
        if len(times) != len(sentences):
            raise BadList(f"`{video}` of `{path}` has {len(times)} times for {len(sentences)} sentences")
        last = number(cell(row, "duration", path), "duration", path)
        for (start, end), text in zip(times, sentences, strict=True):
            start, end = (min(max(0.0, number(time, "time", path)), last) for time in sorted((start, end)))
            if start < end:
                moment = Span(start, end)
                yield Sample(uid_of(corpus, video, moment), file, moment, (text,), source=video)


def read_activitynet_segments(
    path: PathLike, root: PathLike, *, classes: Sequence[str] | PathLike, corpus: str = "activitynet"
) -> Samples:
    """One labelled sample per segment with an action. classes: names in order, or a file: a JSON list, or lines.

    The published training list has one segment of no length: such are left out.
    """
    numbers = class_numbers(classes)
    return Samples(_segments(path, root, numbers, corpus))


def _segments(path: PathLike, root: PathLike, numbers: dict[str, int], corpus: str) -> Iterator[Sample]:
    for row in csv_rows(path, ("t-start", "t-end", "action-label", "filename")):
        if row.get("temporal-region-label", "Action") != "Action":
            continue
        if number(row["t-start"], "t-start", path) == number(row["t-end"], "t-end", path):
            continue
        stretch = span(row["t-start"], row["t-end"], path)
        label = class_number(numbers, row["action-label"], path)
        file = row["filename"]
        yield Sample(uid_of(corpus, file, stretch), joined(root, file), stretch, label=label, source=file)
