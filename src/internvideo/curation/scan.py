"""Which files of some folders are videos, and what stands in the way of reading them. Opens nothing.

Links to folders are followed, each real folder once, so a loop of links ends. Names are bytes: a file system may hold
names that are no UTF-8.
"""

import hashlib
import os
import stat as stat_bits
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from internvideo.errors import MissingVideo, NotAVideo, UnreadableVideo, UsageError, VideoError

_NAMES = """
    .mp4 .m4v .mov .qt .mkv .webm .avi .wmv .asf .flv .f4v .mpg .mpeg .mpe .m2v .vob .ts .mts .m2ts .3gp .3g2 .ogv .ogm
    .gif .mxf .divx .rm .rmvb .h264 .264 .avc .h265 .265 .hevc .ivf .obu .y4m .mjpeg .mjpg .dv .nut .wtv
"""
SUFFIXES = frozenset(_NAMES.encode("ascii").split())


@dataclass(frozen=True)
class Found:
    """A file with the name of a video. `problem` says why it cannot be read; then `stat` is zeros."""

    root: bytes  # absolute folder that was named by the user
    relative: bytes  # below it, with `/`
    stat: tuple[int, int, int] = (0, 0, 0)  # size in bytes, mtime in ns, inode
    device: int = 0
    problem: VideoError | None = None
    unlisted: bool = False  # a folder that could not be listed: what lies below it is unknown

    @property
    def path(self) -> bytes:
        return os.path.join(self.root, self.relative)

    def now(self) -> "Found":
        """The same place as it is at this moment."""
        return _look(self.root, self.relative)

    @property
    def name(self) -> str:
        """For people: always printable."""
        return printable(self.relative)


def printable(name: bytes) -> str:
    """
    >>> printable(b"caf\\xe9.mp4")
    'caf\\\\xe9.mp4'
    """
    return name.decode("utf-8", "backslashreplace")


def scan(folders: Sequence[str | os.PathLike[str]]) -> Iterator[Found]:
    """All videos below the folders, each once, in a fixed order. A file may be named instead of a folder.

    Raises UsageError when a folder does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        root = os.path.abspath(os.fsencode(folder))
        try:
            is_folder = stat_bits.S_ISDIR(os.stat(root).st_mode)
        except OSError as error:
            raise UsageError(f"no folder `{printable(root)}`: {error.strerror}", "name a folder with videos") from error
        if is_folder:
            yield from _walk(root, b"", seen)
        else:
            yield _look(os.path.dirname(root), os.path.basename(root))


def in_share(place: Found, index: int, count: int) -> bool:
    """Whether a file belongs to share `index` of `count` (from 1), by a stable hash of its size.

    Nothing has to be read to know it, and files with the same bytes have the same size: all copies of a video, with
    the sidecar files beside any of them, are in one share.

    >>> [in_share(Found(b"/videos", b"a.mp4", (1_000, 0, 0)), index, 3) for index in (1, 2, 3)]
    [True, False, False]
    """
    digest = hashlib.sha256(str(place.stat[0]).encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") % count == index - 1


def whole_roots(folders: Sequence[str | os.PathLike[str]], found: Sequence[Found]) -> list[bytes]:
    """The named folders of which `found` holds everything: what is not in it is no longer there."""
    in_part = {place.root for place in found if place.unlisted}
    roots = [os.path.abspath(os.fsencode(folder)) for folder in folders]
    return [root for root in dict.fromkeys(roots) if os.path.isdir(root) and root not in in_part]


def _walk(root: bytes, relative: bytes, seen: set[tuple[int, int]]) -> Iterator[Found]:
    here = os.path.join(root, relative)
    try:
        facts = os.stat(here)
        if (facts.st_dev, facts.st_ino) in seen and facts.st_ino:
            return
        seen.add((facts.st_dev, facts.st_ino))
        entries = sorted(os.scandir(here), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(root, relative or b".", problem=UnreadableVideo(f"cannot list: {error.strerror}"), unlisted=True)
        return
    for entry in entries:
        below = relative + b"/" + entry.name if relative else entry.name
        suffix = os.path.splitext(entry.name)[1].lower()
        if _is_folder(entry):
            if suffix in SUFFIXES:
                problem = NotAVideo("a folder with the name of a video", "rename it; what lies in it was looked at")
                yield Found(root, below, problem=problem)
            yield from _walk(root, below, seen)
        elif suffix in SUFFIXES and not entry.name.startswith(b"."):
            yield _look(root, below)


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _look(root: bytes, relative: bytes) -> Found:
    path = os.path.join(root, relative)
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        problem: VideoError = MissingVideo("a link to a file that is not there")
        return Found(root, relative, problem=problem)
    except OSError as error:
        return Found(root, relative, problem=UnreadableVideo(f"cannot look at the file: {error.strerror}"))
    if not stat_bits.S_ISREG(facts.st_mode):
        return Found(root, relative, problem=NotAVideo("a device, pipe or socket, not a file"))
    return Found(root, relative, (facts.st_size, facts.st_mtime_ns, facts.st_ino), facts.st_dev)
