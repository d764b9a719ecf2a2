"""Plain folders: one per class with its files in it, and lists of paths with class numbers.

Lists have a line per file, separated by spaces or commas: `path label` (VideoMAE, UniFormerV2, MMAction2), `path start
frames label` (VideoMAE pre-training), `path frames label` (folders of frames). A path may hold spaces if the
separator is a comma.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from internvideo.datasets.image_lists import SUFFIXES
from internvideo.datasets.lists import (
    BadList,
    class_names,
    class_number,
    class_numbers,
    joined,
    lines,
    plain_name,
    reading,
)
from internvideo.datasets.sample import Media, PathLike, Sample, Samples, uid_of

VIDEO_SUFFIXES = tuple(".mp4 .mkv .webm .avi .mov .m4v .mpg .mpeg .3gp .wmv .flv .ts .ogv .gif".split())  # noqa: SIM905


def read_folders(
    path: PathLike,
    root: PathLike | None = None,
    *,
    classes: Sequence[str] | PathLike | None = None,
    media: Media = "video",
    corpus: str = "",
) -> Samples:
    """Every video (or image) below `path`, sorted; the first folder of its path is its class.

    classes: names in order; None: the folders' names, sorted. Files that lie in no folder, or in folders of which none
    is called like a class, have no label. root: not used. corpus: by default the folder's name.
    """
    top = Path(path)
    with reading(path):
        folders = sorted(each.name for each in top.iterdir() if each.is_dir())
    names = tuple(folders) if classes is None else class_names(classes)
    numbers = class_numbers(names)
    labelled = any(plain_name(folder) in numbers for folder in folders)

    def label(file: str) -> int | None:
        return class_number(numbers, file.partition("/")[0], path) if labelled else None

    files = [
        file for file in _below(top, SUFFIXES if media == "image" else VIDEO_SUFFIXES) if "/" in file or not labelled
    ]
    found = (
        Sample(uid_of(corpus or top.name, file), joined(top, file), label=label(file), source=file, media=media)
        for file in files
    )
    return Samples(found, names)


def _below(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    found = [file for file in folder.rglob("*") if file.suffix.lower() in suffixes and file.is_file()]
    return sorted(file.relative_to(folder).as_posix() for file in found)


def read_labelled_list(path: PathLike, root: PathLike, *, separator: str | None = None, corpus: str = "") -> Samples:
    """One sample per line; the last column is the class number, negative ones mean none.

    separator: None for white space. corpus: by default the name of the list. A line `path start frames label` whose
    `frames` is negative is a video file, otherwise a folder of frames; `start` is not used.
    """
    return Samples(_listed(path, root, separator, corpus or os.path.basename(os.fspath(path))))  # noqa: PTH119


def _listed(path: PathLike, root: PathLike, separator: str | None, corpus: str) -> Iterator[Sample]:
    for place, line in enumerate(lines(path), start=1):
        file, *columns = (column.strip() for column in line.split(separator))
        if not 1 <= len(columns) <= 3 or not all(_is_whole(column) for column in columns):
            raise BadList(
                f"line {place} of `{path}` is not a path and whole numbers: `{line:.80}`",
                "is the separator a comma?",
            )
        if (
            len(columns) > 1
            and file.lower().endswith(VIDEO_SUFFIXES)
            and not (len(columns) == 3 and int(columns[1]) < 0)
        ):
            raise BadList(f"line {place} of `{path}` has several labels: `{line:.80}`", "give one label per file")
        label = int(columns[-1])
        yield Sample(uid_of(corpus, file), joined(root, file), label=label if label >= 0 else None, source=file)


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdigit()
