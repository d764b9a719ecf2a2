"""Hits as a list that an editing program, a spreadsheet or ffmpeg reads.

EDL is CMX3600, which all editing programs import: reel names of at most 8 characters, timecodes at the frame rate of
the first hit, and the file's name as a comment.
"""

import csv
import io
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from internvideo.records import Hit
from internvideo.store.faults import printable

Rates = Callable[[str], float]  # video -> frames per second


def csv_list(hits: Sequence[Hit], rates: Rates) -> str:
    """One line per hit: file, start and end in seconds, score."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["path", "start", "end", "score", "text"])
    for hit in hits:
        start, end = f"{hit.span.start:.3f}", f"{hit.span.end:.3f}"
        table.writerow([_path(hit), start, end, f"{hit.score:.3f}", hit.why.get("text", "")])
    return out.getvalue()


def edl(hits: Sequence[Hit], rates: Rates) -> str:
    """CMX3600: hits one after the other on one video track."""
    rate = max(1, round(rates(hits[0].clip.video))) if hits else 25
    lines, at = ["TITLE: internvideo search", "FCM: NON-DROP FRAME", ""], 3600 * rate
    for number, hit in enumerate(hits, 1):
        first, stop = (round(max(0.0, second) * rate) for second in (hit.span.start, hit.span.end))
        stop = max(stop, first + 1)
        times = " ".join(_timecode(frame, rate) for frame in (first, stop, at, at + stop - first))
        reel = "".join(c for c in PurePath(hit.name).stem.upper() if c.isascii() and c.isalnum())[:8] or "AX"
        lines += [f"{number:03d}  {reel:<8} V     C        {times}", f"* FROM CLIP NAME: {_line(hit.name)}", ""]
        at += stop - first
    return "\n".join(lines)


def ffmpeg_script(hits: Sequence[Hit], rates: Rates) -> str:
    """A shell script that cuts every hit into a file of its own, exactly, by encoding it again."""
    lines = ["#!/bin/sh", "set -e"]
    for number, hit in enumerate(hits, 1):
        if hit.path is None:
            lines.append(f"# {_line(hit.name)}: its file is gone")
            continue
        cut = f"-ss {hit.span.start:.3f} -i {shlex.quote(_path(hit))} -t {hit.span.seconds:.3f}"
        out = shlex.quote(f"{number:03d}-{PurePath(hit.name).stem}.mp4")
        lines.append(f"ffmpeg -nostdin -v error -n {cut} -c:v libx264 -c:a aac ./{out}")
    return "\n".join(lines) + "\n"


CUT_LISTS: Mapping[str, tuple[str, Callable[[Sequence[Hit], Rates], str]]] = {
    "csv": ("text/csv", csv_list),
    "edl": ("text/plain", edl),
    "ffmpeg": ("text/x-shellscript", ffmpeg_script),
}


def _path(hit: Hit) -> str:
    return os.fsencode(hit.path).decode("utf-8", "surrogateescape") if hit.path else hit.name


def _timecode(frame: int, rate: int) -> str:
    """
    >>> _timecode(90_000 + 26, 25)
    '01:00:01:01'
    """
    seconds, rest = divmod(frame, rate)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}"


def _line(name: str) -> str:
    """A file may have line ends in its name."""
    return " ".join(printable(name).split())
