"""What a person means by a clip's name, the start of a video's hash, or a path: the video, and the clip or moment."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from internvideo.errors import StoreError, nearest
from internvideo.records import Clip
from internvideo.store.faults import printable, shown
from internvideo.store.ledger import Ledger

CLIP_NAME = re.compile(r"([0-9a-f]{12}|ext:.+)\.([0-9]+)\.(-?[0-9]+)-(-?[0-9]+)")
HASH_START = re.compile(r"[0-9a-f]{6,64}")
MOMENT = re.compile(r"(.+)@([0-9]+(?:\.[0-9]*)?)", re.DOTALL)


@dataclass(frozen=True)
class Meant:
    """The video that was meant ("" for a file that could not be identified), and what of it."""

    video: str
    clip: Clip | None = None
    seconds: float | None = None  # a moment, as in PATH@12.5
    failure: tuple[str, str] | None = None  # kind and message of an unidentified file


def find(ledger: Ledger, what: str | Clip) -> Meant:
    """Raises StoreError if nothing or more than one thing is meant; the hint has the nearest name."""
    if isinstance(what, Clip):
        return Meant(what.video, what)
    named = CLIP_NAME.fullmatch(what)
    if named and (video := _video(ledger, named[1])):
        return Meant(video, Clip(video, int(named[2]), int(named[3]), int(named[4])))
    if video := _video(ledger, what):
        return Meant(video)
    if meant := _at_place(ledger, what):
        return meant
    moment = MOMENT.fullmatch(what)
    if moment:
        video = _video(ledger, moment[1]) or getattr(_at_place(ledger, moment[1]), "video", "")
        if video:
            return Meant(video, seconds=float(moment[2]))
    names = {shown(path).rpartition("/")[2] for (path,) in ledger.ask("SELECT path FROM places") if _is(path)}
    names |= {str(video)[:12] for (video,) in ledger.ask("SELECT video FROM videos")}
    raise StoreError(f"nothing in this dataset is called `{printable(what)}`", nearest(printable(what), names))


def _video(ledger: Ledger, text: str) -> str:
    """The one video whose id is or starts with `text`, else ""."""
    if text.startswith("ext:"):
        return text if ledger.ask("SELECT 1 FROM videos WHERE video = ?", (text,)) else ""
    if not HASH_START.fullmatch(text):
        return ""
    rows = ledger.ask("SELECT video FROM videos WHERE video >= ? AND video < ? LIMIT 4", (text, text + "g"))
    if len(rows) > 1:
        starts = ", ".join(str(video)[:16] for (video,) in rows)
        raise StoreError(f"`{text}` is the start of several videos: {starts}", "give more digits")
    return str(rows[0][0]) if rows else ""


def _at_place(ledger: Ledger, text: str) -> Meant | None:
    """The file at a path: the whole path, or its end; several copies of one video are no question."""
    whole, end = os.fsencode(Path(text).absolute()), b"/" + os.fsencode(text)
    exact: list[Meant] = []
    ends: list[Meant] = []
    for root, path, video, kind, message in ledger.ask("SELECT root, path, video, kind, message FROM places"):
        if not _is(root) or not _is(path):
            continue
        place = root + b"/" + path
        meant = Meant(str(video), failure=None if video else (str(kind), str(message)))
        if place == whole:
            exact.append(meant)
        elif place.endswith(end) or shown(place).endswith("/" + text):
            ends.append(meant)
    found = sorted({(meant.video, meant.failure) for meant in exact or ends}, key=str)
    if len(found) > 1:
        raise StoreError(f"`{printable(text)}` is the end of {len(found)} paths", "give more of the path")
    return Meant(found[0][0], failure=found[0][1]) if found else None


def _is(cell: object) -> TypeGuard[bytes]:
    return isinstance(cell, bytes) and cell != b""
