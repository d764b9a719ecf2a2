"""Videos that people name: by file, folder or pattern. Loads nothing heavy, as `curate` does."""

# Names may be patterns, bytes, or too long for any file:
# ruff: noqa: PTH100, PTH110, PTH120, PTH207

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import replace

from internvideo.curation.scan import Found, scan
from internvideo.errors import MissingVideo, UsageError
from internvideo.video.opening import PathLike, display_name


def find_videos(words: Sequence[PathLike]) -> list[Found]:
    """Videos named by files, folders (with all below) and patterns such as `clips/**/*.mp4`, each once, in order.

    What is named but not there is found too, with its problem. Raises UsageError if there is nothing at all.
    """
    found: dict[bytes, Found] = {}
    for word in map(os.fsdecode, words):
        if os.path.lexists(word):
            places = _at(word)
        else:
            matches = sorted(glob.glob(word, recursive=True)) or [word]
            begin = os.path.dirname(re.split(r"[*?[]", word)[0])  # the folder that a pattern begins in
            root = os.fsencode(os.path.abspath(begin))
            places = [_below(root, place) for match in matches for place in _at(match)]
        found |= {place.path: place for place in places if place.path not in found}
    if not found:
        where = ", ".join(map(display_name, words))
        raise UsageError(f"no videos below {where}", "files are recognised by their suffix, such as .mp4")
    return list(found.values())


def _below(root: bytes, place: Found) -> Found:
    return replace(place, root=root, relative=os.path.relpath(place.path, root).replace(os.fsencode(os.sep), b"/"))


def _at(path: str) -> list[Found]:
    if os.path.exists(path):
        return list(scan([path]))
    root, name = os.path.split(os.path.abspath(os.fsencode(path)))
    problem = MissingVideo(f"there is no file `{display_name(path)}`", "check the path or the pattern")
    return [Found(root, name, problem=problem)]
