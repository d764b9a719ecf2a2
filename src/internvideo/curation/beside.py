"""Reads the sidecar files of videos from disk, a folder at a time; what they mean is said in `sidecars`."""

import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from internvideo.curation.caption_files import FolderList
from internvideo.curation.scan import printable
from internvideo.curation.side_suffixes import FOLDER_LISTS
from internvideo.curation.sidecars import side_of, sidecars_by_video

MAX_BYTES = 256 << 20  # of one sidecar file; larger ones are told and left alone
FOLDERS_KEPT = 64


@dataclass(frozen=True)
class _Folder:
    own: dict[str, list[str]]  # sidecar names by video name
    lists: list[FolderList]


class SideFiles:
    """`of(paths)` gives the sidecars of a video. Each folder is listed, and its lists are parsed, once."""

    def __init__(self) -> None:
        self._folders: OrderedDict[bytes, _Folder] = OrderedDict()
        self.problems: list[str] = []  # files that could not be read

    def of(self, paths: Iterable[bytes]) -> dict[str, bytes]:
        """Contents by suffix, as `Subject.side` wants them, of all copies of a video; {} if there are none.

        Where two copies have a sidecar of the same suffix, that of the first path in order of bytes counts.
        """
        found: dict[str, bytes] = {}
        for path in sorted(paths):
            found = {**self._beside(path), **found}
        return dict(sorted(found.items()))

    def _beside(self, path: bytes) -> dict[str, bytes]:
        where, name = os.path.split(path)
        folder, video = self._folder(where), os.fsdecode(name)
        read = {side: self._read(os.path.join(where, os.fsencode(side))) for side in folder.own.get(video, [])}
        own = {side: content for side, content in read.items() if content is not None}
        return side_of(video, own, folder.lists)

    def _folder(self, where: bytes) -> _Folder:
        if where not in self._folders:
            try:
                names = sorted(os.fsdecode(name) for name in os.listdir(where))
            except OSError:
                names = []  # the copies there are gone, or out of reach
            lists = [
                (name, self._read(os.path.join(where, os.fsencode(name)))) for name in names if name in FOLDER_LISTS
            ]
            if os.path.basename(where) == b"data":  # FiftyOne lays its list beside this folder, not into it
                above = os.path.join(os.path.dirname(where), b"labels.json")
                lists += [("labels.json", self._read(above))] if os.path.isfile(above) else []
            parsed = [FolderList(content, name) for name, content in lists if content is not None]
            self._folders[where] = _Folder(sidecars_by_video(names), parsed)
            if len(self._folders) > FOLDERS_KEPT:
                self._folders.popitem(last=False)
        self._folders.move_to_end(where)
        return self._folders[where]

    def _read(self, path: bytes) -> bytes | None:
        try:
            if os.stat(path).st_size > MAX_BYTES:
                self.problems.append(f"{printable(path)}: larger than {MAX_BYTES >> 20} MB, left alone")
                return None
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            self.problems.append(f"{printable(path)}: {error.strerror}")
            return None
