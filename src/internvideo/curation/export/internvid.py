"""The list that InternVid is published as: one JSON object per clip, six columns, no media.

Column names are those of the release, verbatim. Times are "HH:MM:SS.mmm" from the start of the film as players show
it, rounded down, so that neighbouring clips meet and no clip begins after its first frame.
"""

import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.export.data import ClipRow, ExportData, ExportSummary, Progress, silent
from internvideo.curation.export.folder import ExportFolder
from internvideo.curation.text_statistics import words_of

FILE = "internvid.jsonl"
COLUMNS = ("YoutubeID", "Start_timestamp", "End_timestamp", "Caption", "UMT_Score", "Aesthetic_Score")
# Where the two scores are found, the first column that has one: of imported lists, or computed here.
UMT_COLUMNS = ("imported_umt_score", "match_cosine")
AESTHETIC_COLUMNS = ("imported_aesthetic_score", "aesthetic_max")  # InternVid takes the maximum of its frames
# 64 bits in base 64: of the eleventh digit only four bits count, so it is one of sixteen.
_ID = r"([A-Za-z0-9_-]{10}[AEIMQUYcgkosw048])"
_NAMED = (re.compile(_ID), re.compile(_ID + r"[_.-]\d.*"), re.compile(r".*\[" + _ID + r"\]"))
_CLOCK_STARTS_ANYWHERE = ("mpegts", "mpeg")


def export_internvid(
    data: ExportData, out: Path, *, extras: bool = False, progress: Progress = silent
) -> ExportSummary:
    """Write `internvid.jsonl` to the folder `out`.

    The caption is the clip's best one (see `best_caption`), null where it has none; so are scores that do not exist.
    extras: after the six columns, the clip's key, file name, source, licence, language and words of the caption, and
    all scores.
    """
    folder = ExportFolder(out, "internvid", data, {"extras": extras})
    entry = folder.write_lines(FILE, internvid_rows(data, extras), len(data), progress)
    return folder.close([entry], list(range(len(data))), [])


def timestamp(seconds: Fraction) -> str:
    """HH:MM:SS.mmm, rounded down; times before the start are the start.

    >>> timestamp(Fraction(3725, 1) + Fraction(1, 3))
    '01:02:05.333'
    """
    milliseconds = max(0, int(seconds * 1000 // 1))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"


def youtube_id(file: str) -> str | None:
    """The id that a file name carries: alone, before `_` and a number as in the release, or in brackets as yt-dlp does.

    >>> youtube_id("-0-QbZ6lWBQ_00_01.mp4"), youtube_id("Title [dQw4w9WgXcQ].mkv"), youtube_id("documentary.mp4")
    ('-0-QbZ6lWBQ', 'dQw4w9WgXcQ', None)
    """
    stem = PurePath(file).stem
    for pattern in _NAMED:
        if match := pattern.fullmatch(stem):
            return match[1]
    return None


def internvid_rows(data: ExportData, extras: bool) -> Iterator[dict[str, Any]]:
    """The rows, in order."""
    umt, aesthetic = (_first_of(data.clips, names) for names in (UMT_COLUMNS, AESTHETIC_COLUMNS))
    starts = _film_starts(data)
    for place, clip in enumerate(data.rows):
        if clip.time_base is not None:
            start, end = clip.start * clip.time_base, clip.end * clip.time_base
        else:
            start, end = (Fraction(data.clips[name][place].as_py()) for name in ("start_seconds", "end_seconds"))
        row = {
            "YoutubeID": _id_of(clip),
            "Start_timestamp": timestamp(start - starts.get(clip.video, 0)),
            "End_timestamp": timestamp(end - starts.get(clip.video, 0)),
            "Caption": data.best.get(clip.name),
            "UMT_Score": umt[place],
            "Aesthetic_Score": aesthetic[place],
        }
        yield {**row, **_extras(data, place)} if extras else row


def _id_of(clip: ClipRow) -> str:
    """The video's YouTube id, else the first 12 digits of its hash: one more than a YouTube id has."""
    if clip.video.startswith("ext:"):
        return clip.video.rpartition(":")[2]
    return youtube_id(clip.file) or clip.video[:12]


def _extras(data: ExportData, place: int) -> dict[str, Any]:
    clip = data.rows[place]
    text = data.best.get(clip.name)
    chosen = next((row for row in data.texts.get(clip.name, []) if row["text"] == text), None)
    known: dict[str, Any] = {
        "clip": clip.name,
        "video": clip.video,
        "stream": clip.stream,
        "start_tick": clip.start,  # not `start`: readers of such lists would take it for seconds
        "end_tick": clip.end,
        "file": clip.file or None,
        "language": (chosen["language"] or None) if chosen else None,
        "words": len(words_of(text)) if text else None,
    }
    return {**known, **data.values(place)}


def _first_of(clips: pa.Table, names: Sequence[str]) -> list[float | None]:
    """Per clip the first value of these columns that is a number; None where there is none."""
    columns = [clips[name].cast(pa.float64()) for name in names if name in clips.column_names]
    if not columns:
        return [None] * clips.num_rows
    found = pc.coalesce(*columns).to_pylist()
    return [value if value is not None and math.isfinite(value) else None for value in found]


def _film_starts(data: ExportData) -> dict[str, Fraction]:
    """Video -> seconds at which its clock starts, for containers in which that is not zero for players."""
    needed = ("video", "video_container", "video_time_base", "decoding_first_tick")
    if not {*needed} <= {*data.clips.column_names}:
        return {}
    videos = data.clips.select(needed).group_by(needed).aggregate([])
    rows = zip(*(videos[name].to_pylist() for name in needed), strict=True)
    return {
        video: tick * Fraction(base)
        for video, container, base, tick in rows
        if container in _CLOCK_STARTS_ANYWHERE and base and tick is not None
    }
