"""Reads the sidecar files of videos from disk, a folder at a time; what they mean is said in `sidecars`."""

import os
from collections import OrderedDict
from dataclasses import dataclass

from internvideo.curation.caption_files import FolderList
from internvideo.curation.scan import Found, printable
from internvideo.curation.side_suffixes import FOLDER_LISTS
from internvideo.curation.sidecars import side_of, sidecars_by_video

MAX_BYTES = 256 << 20  # of one sidecar file; larger ones are told and left alone
FOLDERS_KEPT = 64


@dataclass(frozen=True)
class _Folder:
    own: dict[str, list[str]]  # sidecar names by video name
    lists: list[FolderList]


class SideFiles:
    """`of(place)` gives the sidecars of a video. Each folder's lists are parsed once."""

    def __init__(self) -> None:
        self._folders: OrderedDict[bytes, _Folder] = OrderedDict()
        self.problems: list[str] = []  # files that could not be read

    def of(self, place: Found) -> dict[str, bytes]:
        """Contents by suffix, as `Subject.side` wants them; {} for a video without sidecars."""
        where, name = os.path.split(place.path)
        folder = self._folder(where, place)
        video = os.fsdecode(name)
        own = {}
        for side_name in folder.own.get(video, []):
            content = self._read(os.path.join(where, os.fsencode(side_name)))
            if content is not None:
                own[side_name] = content
        return side_of(video, own, folder.lists)

    def _folder(self, where: bytes, place: Found) -> _Folder:
        if where not in self._folders:
            names = [os.fsdecode(name) for name in place.beside]
            contents = [
                (name, self._read(os.path.join(where, os.fsencode(name)))) for name in names if name in FOLDER_LISTS
            ]
            lists = [FolderList(content, name) for name, content in contents if content is not None]
            self._folders[where] = _Folder(sidecars_by_video(names), lists)
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
