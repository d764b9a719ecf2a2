"""DiDeMo: sentences about moments of Flickr videos, in steps of five seconds.

Records of `{train,val,test}_data.json`: video (file name), description, times (per annotator the first and last step,
both included), num_segments. `split_lists` name the videos.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from internvideo.datasets.lists import BadList, cell, chosen, joined, json_file, records, stem
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of
from internvideo.records import Span

STEP = 5.0  # seconds
LONGEST = 30.0  # what the annotators saw


def read_didemo(
    path: PathLike, root: PathLike, *, moments: bool = False, split: PathLike | None = None, corpus: str = "didemo"
) -> Samples:
    """One sample per video: its first 30 seconds, with all descriptions as one paragraph (the published retrieval).

    moments: one per description instead, with the span that most annotators chose (the shortest, then the first, of
    equals).
    """
    wanted = chosen(split)
    rows = [row for row in records(json_file(path), path) if wanted is None or stem(_video(row, path)) in wanted]
    return Samples(_moments(rows, path, root, corpus) if moments else _paragraphs(rows, path, root, corpus))


def _video(row: dict[str, Any], path: PathLike) -> str:
    return str(cell(row, "video", path))


def _paragraphs(rows: list[dict[str, Any]], path: PathLike, root: PathLike, corpus: str) -> Iterator[Sample]:
    texts: dict[str, list[str]] = {}
    for row in rows:
        texts.setdefault(_video(row, path), []).append(str(cell(row, "description", path)))
    span = Span(0.0, LONGEST)
    for video, sentences in texts.items():
        yield Sample(uid_of(corpus, video, span), joined(root, video), span, (" ".join(sentences),), source=video)


def _moments(rows: list[dict[str, Any]], path: PathLike, root: PathLike, corpus: str) -> Iterator[Sample]:
    for row in rows:
        video, times = _video(row, path), cell(row, "times", path)
        try:
            votes = Counter((int(first), int(last)) for first, last in times)
            first, last = min(votes, key=lambda time: (-votes[time], time[1] - time[0], time))
            span = Span(first * STEP, (last + 1) * STEP)
        except (TypeError, ValueError) as error:
            raise BadList(
                f"a record of `{path}` has no moments: {times!r:.80}", "expected [[first, last], ...]"
            ) from error
        yield Sample(
            uid_of(corpus, video, span), joined(root, video), span, (str(cell(row, "description", path)),), source=video
        )
