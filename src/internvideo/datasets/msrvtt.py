"""MSR-VTT: videos `video<N>.mp4` with twenty sentences each.

Three files say what is in a split: `MSRVTT_JSFUSION_test.csv` of the 1k-A test (columns key, vid_key, video_id,
sentence), lists of ids (`MSRVTT_train.9k.csv`, `train_list_*.txt`), and `MSRVTT_data.json` with the sentences of all
videos (`sentences`: video_id, caption).
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePath

from internvideo.datasets.lists import cell, chosen, csv_rows, joined, json_file, record, records
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of


def read_msrvtt(path: PathLike, root: PathLike, *, split: PathLike | None = None, corpus: str = "msrvtt") -> Samples:
    """One sample per video with all its sentences (`path` is JSON), or one per row of a test CSV file.

    split: a list of video ids, with or without a header; None: all videos.
    """
    if PurePath(path).suffix == ".json":
        captions = _sentences(path)
    else:
        captions = [(row["video_id"], (row["sentence"],)) for row in csv_rows(path, ("video_id", "sentence"))]
    return Samples(_samples(captions, root, chosen(split), corpus))


def _samples(
    captions: list[tuple[str, tuple[str, ...]]], root: PathLike, wanted: set[str] | None, corpus: str
) -> Iterator[Sample]:
    for video, texts in captions:
        if wanted is None or video in wanted:
            yield Sample(uid_of(corpus, video), joined(root, f"{video}.mp4"), captions=texts, source=video)


def _sentences(path: PathLike) -> list[tuple[str, tuple[str, ...]]]:
    found: Mapping[str, object] = record(json_file(path), f"`{path}`")
    texts: dict[str, list[str]] = {}
    for row in records(cell(found, "sentences", path), path):
        texts.setdefault(str(cell(row, "video_id", path)), []).append(str(cell(row, "caption", path)))
    return [(video, tuple(sentences)) for video, sentences in texts.items()]
