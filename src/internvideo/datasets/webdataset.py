"""Clips and images in tar shards: WebDataset, as our export, video2dataset and img2dataset write it.

Members whose names agree up to the first dot belong together: one medium (mp4 ... or jpg ...), `txt` with the caption,
`json` with more. Only headers and texts are read here; a sample's path says where in the shard its bytes lie.
"""

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from internvideo.datasets.folders import VIDEO_SUFFIXES
from internvideo.datasets.image_lists import SUFFIXES
from internvideo.datasets.lists import BadList, reading, record
from internvideo.datasets.sample import Media, Member, PathLike, Sample, Samples, uid_of

TEXTS = (".txt", ".json")
LABEL = ".cls"


def read_webdataset(path: PathLike, root: PathLike | None = None, *, corpus: str = "") -> Samples:
    """Samples of a shard, or of all `*.tar` of a folder, sorted by name. root: not used.

    The caption is the `txt` member, else `caption` of the `json`; the label the `cls` member; `source` is `video` of
    the `json` (our exports). corpus: by default the folder's name.
    """
    place = Path(path)
    shards = sorted(place.glob("*.tar")) if place.is_dir() else [place]
    if not shards:
        raise BadList(f"there are no tar shards in `{path}`", "name the folder that holds shard-000000.tar")
    name = corpus or (place if place.is_dir() else place.parent).resolve().name
    return Samples(sample for shard in shards for sample in _of_shard(shard, name))


def _of_shard(shard: Path, corpus: str) -> Iterator[Sample]:
    key = ""
    group: dict[str, tuple[int, int, bytes]] = {}
    try:
        with reading(shard), tarfile.open(shard, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                name = _key_of(member.name)
                if name != key:
                    yield from _sample(shard, corpus, key, group)
                    key, group = name, {}
                suffix = member.name[len(name) :].lower()
                file = tar.extractfile(member) if suffix in (*TEXTS, LABEL) else None
                group[suffix] = (member.offset_data, member.size, file.read() if file else b"")
            yield from _sample(shard, corpus, key, group)
    except tarfile.TarError as error:
        raise BadList(f"`{shard}` is no readable tar file ({error})", "was it written to its end?") from error


def _key_of(name: str) -> str:
    """Up to the first dot of the file name.

    >>> _key_of("00000/a.b.mp4")
    '00000/a'
    """
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _sample(shard: Path, corpus: str, key: str, group: dict[str, tuple[int, int, bytes]]) -> Iterator[Sample]:
    suffix = next((each for each in group if each in VIDEO_SUFFIXES or each in SUFFIXES), None)
    if suffix is None:
        return
    media: Media = "image" if suffix in SUFFIXES else "video"
    try:
        known = record(json.loads(group[".json"][2]), f"the json of `{key}`") if ".json" in group else {}
        label = int(group[LABEL][2]) if LABEL in group else None
    except ValueError as error:
        raise BadList(f"`{key}` of `{shard}`: its json or cls does not read ({error})") from error
    caption = group[".txt"][2].decode("utf-8", "replace") if ".txt" in group else known.get("caption")
    offset, size, _ = group[suffix]
    yield Sample(
        uid=uid_of(corpus, key),
        path=Member(os.fspath(shard), offset, size, suffix[1:]).path,
        captions=(caption,) if caption else (),
        label=label,
        source=str(known.get("video") or key),
        media=media,
    )
