"""MSVD (YouTube2Text): cut videos `<youtube id>_<start>_<end>.avi` with about forty sentences each.

A JSON list of `{"id": file name, "caption": [sentences]}`, or `AllVideoDescriptions.txt`, whose lines are
`<youtube id>_<start>_<end> sentence` (lines with `#` are comments). Split lists name the videos without suffix.
"""

from collections.abc import Iterator
from pathlib import PurePath

from internvideo.datasets.lists import BadList, cell, chosen, joined, json_file, lines, records, stem
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of


def read_msvd(path: PathLike, root: PathLike, *, split: PathLike | None = None, corpus: str = "msvd") -> Samples:
    """One sample per video with all its sentences; `source` is the YouTube video it was cut from."""
    captions = _from_json(path) if PurePath(path).suffix == ".json" else _from_text(path)
    wanted = chosen(split)
    return Samples(
        Sample(uid_of(corpus, stem(file)), joined(root, file), captions=texts, source=stem(file).rsplit("_", 2)[0])
        for file, texts in captions
        if wanted is None or stem(file) in wanted
    )


def _from_json(path: PathLike) -> Iterator[tuple[str, tuple[str, ...]]]:
    for row in records(json_file(path), path):
        yield str(cell(row, "id", path)), tuple(map(str, cell(row, "caption", path)))


def _from_text(path: PathLike) -> Iterator[tuple[str, tuple[str, ...]]]:
    texts: dict[str, list[str]] = {}
    for line in lines(path):
        video, _, sentence = line.partition(" ")
        if line.startswith("#"):
            continue
        if not sentence:
            raise BadList(f"a line of `{path}` has no sentence: `{line:.80}`", "expected `<id>_<start>_<end> sentence`")
        texts.setdefault(f"{video}.avi", []).append(sentence)
    yield from ((file, tuple(sentences)) for file, sentences in texts.items())
