"""The lists that ViCLIP is trained from: JSON, or the same rows in SQLite.

JSON: a list of `{"video" | "image": path below the root, "caption": text or list of texts}`; other fields are ignored.
SQLite: a table `annos(id INTEGER PRIMARY KEY, video | image TEXT, caption TEXT)`. Files are cut already: no times.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePath
from typing import Any

from internvideo.datasets.lists import BadList, cell, joined, json_file, reading, records
from internvideo.datasets.sample import Media, PathLike, Sample, Samples, uid_of

TABLE = "annos"


def read_viclip(path: PathLike, root: PathLike, *, corpus: str = "") -> Samples:
    """One sample per row, in order. corpus: by default the name of the list, since there is one per corpus.

    Rows that name the same file are the same clip: equal uids, several captions.
    """
    rows = records(json_file(path), path) if PurePath(path).suffix == ".json" else _sqlite(path)
    return Samples(_sample(row, path, root, corpus or PurePath(path).name.split(".")[0]) for row in rows)


def _sample(row: dict[str, Any], path: PathLike, root: PathLike, corpus: str) -> Sample:
    media: Media = "image" if row.get("image") else "video"
    file, given = str(cell(row, media, path)), row.get("caption")
    captions = tuple(map(str, given)) if isinstance(given, list) else (str(given),) if given else ()
    return Sample(uid_of(corpus, file), joined(root, file), captions=captions, source=file, media=media)


def _sqlite(path: PathLike) -> Iterator[dict[str, Any]]:
    with reading(path), Path(path).open("rb"):
        pass  # a missing file would be made
    address = Path(path).absolute().as_uri() + "?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as base:
            base.row_factory = sqlite3.Row
            yield from map(dict, base.execute(f"SELECT * FROM {TABLE} ORDER BY id"))
    except sqlite3.Error as error:
        raise BadList(
            f"`{path}` is no ViCLIP list ({error})", f"expected a table {TABLE}(id, video, caption)"
        ) from error
