"""Something-Something version 1 (CSV, folders of frames) and version 2 (JSON, videos).

Version 1: lines `id;template`, no header; frames in `<id>/00001.jpg` and so on. Version 2: records with `id`,
`template` (placeholders in brackets), and `label`, the template with the objects named; videos `<id>.webm`. Class
numbers: a list of templates in order (version 1), or `labels.json` that maps templates to numbers (version 2). Official
test lists have no templates, so their samples have no label.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from internvideo.datasets.lists import (
    cell,
    class_number,
    class_numbers,
    joined,
    json_file,
    lines,
    number,
    plain_name,
    record,
    records,
)
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of


def read_something(
    path: PathLike, root: PathLike, *, classes: Sequence[str] | PathLike, corpus: str | None = None
) -> Samples:
    """Samples of a list of either version, labelled; version 2 with its `label` text as caption."""
    numbers = _numbers(classes)
    if PurePath(path).suffix == ".json":
        return Samples(_second(path, root, numbers, corpus or "something-v2"))
    return Samples(_first(path, root, numbers, corpus or "something-v1"))


def _numbers(classes: Sequence[str] | PathLike) -> dict[str, int]:
    if isinstance(classes, str | os.PathLike) and PurePath(classes).suffix == ".json":
        found = record(json_file(classes), f"`{classes}`")
        return {plain_name(name): int(number(place, "class number", classes)) for name, place in found.items()}
    return class_numbers(classes)


def _first(path: PathLike, root: PathLike, numbers: Mapping[str, int], corpus: str) -> Iterator[Sample]:
    for line in lines(path):
        name, _, template = line.partition(";")
        label = class_number(numbers, template, path) if template else None
        yield Sample(uid_of(corpus, name), joined(root, name), label=label, source=name)


def _second(path: PathLike, root: PathLike, numbers: Mapping[str, int], corpus: str) -> Iterator[Sample]:
    for row in records(json_file(path), path):
        name = str(cell(row, "id", path))
        label = class_number(numbers, row["template"], path) if row.get("template") else None
        captions = (row["label"],) if row.get("label") else ()
        yield Sample(uid_of(corpus, name), joined(root, f"{name}.webm"), None, captions, label, name)
