"""Which files beside a video belong to it, and what they say. Names and bytes in; opens nothing.

film.mp4    film.srt  film.en.vtt  film.mp4.srt     transcripts; a language tag may stand before the last suffix
            film.captions.jsonl|json|csv|tsv|parquet|srt|vtt        captions, with or without times
            film.txt            one caption for the whole video
            film.info.json      what yt-dlp noted: title, channel, licence ...
            captions.jsonl|json|csv|tsv|parquet  metadata.jsonl|csv|parquet     lists for all videos of the folder
"""

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import pyarrow as pa

from internvideo.curation.caption_files import LIST, METADATA, FolderList, first_of, read_rows, texts_of
from internvideo.curation.operator import FrameRequest, Grain, Subject, video_rows
from internvideo.curation.side_suffixes import FOLDER_LISTS, FOLDER_ROWS, is_video, kind_of
from internvideo.curation.side_text import Problem, Scale, SideText, decode_text, parse_seconds, tidy
from internvideo.curation.subtitles import parse_subtitles

SHOWN_PROBLEMS = 20


def sidecars_by_video(names: Iterable[str]) -> dict[str, list[str]]:
    """For every video among the names of one folder: the names of its own sidecar files, sorted.

    A file belongs to the longest name that it begins with (`a.en.srt` to `a.en.mp4` rather than to `a.mp4`), and to
    all videos of that stem (`a.mp4` and `a.mkv`) unless it repeats the whole name (`a.mp4.srt`).
    """
    names = sorted(names)
    videos = [name for name in names if is_video(name)]
    owners: dict[str, list[str]] = {}
    for video in videos:
        owners.setdefault(posixpath.splitext(video)[0], []).append(video)
        owners[video] = [video]
    beside: dict[str, list[str]] = {video: [] for video in videos}
    for name in names:
        dots = [at for at, character in enumerate(name) if character == "." and at]
        for at in reversed(dots if name not in beside and name not in FOLDER_LISTS else []):
            if name[:at] in owners and kind_of(name[at:]):
                for video in owners[name[:at]]:
                    beside[video].append(name)
                break
    return beside


def sidecars_of(video: str, names: Iterable[str]) -> list[str]:
    """Names of the files that say something about `video`: its own and the lists of its folder, sorted."""
    everything = list(names)
    own = sidecars_by_video([*everything, *([] if video in everything else [video])]).get(video, [])
    return sorted([*own, *(name for name in everything if name in FOLDER_LISTS)])


def side_of(video: str, own: Mapping[str, bytes], lists: Iterable[FolderList] = ()) -> dict[str, bytes]:
    """`Subject.side` of a video from its own sidecar files (name -> content) and the lists of its folder."""
    stem = posixpath.splitext(video)[0]
    side = {name[len(stem) :]: content for name, content in sorted(own.items())}
    rows = b"".join(one.for_video(video) for one in lists)
    return {**side, FOLDER_ROWS: rows} if rows else side


@dataclass(frozen=True)
class Notes:
    """What is known about a whole video beside its pixels; "" and None where nobody says so."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    source: str = ""  # identifier of the channel, else its name: what per-source limits group by
    channel: str = ""
    licence: str = ""  # in the words of the source
    licence_evidence: str = ""  # the file and field that says so
    language: str = ""
    category: str = ""  # the first one, in the words of the source
    upload_date: str = ""  # YYYY-MM-DD
    listed_seconds: float | None = None
    url: str = ""
    subtitle_languages: tuple[str, ...] = ()


@dataclass
class SideReading:
    """All that the sidecar files of one video say."""

    texts: list[SideText] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    problems: list[Problem] = field(default_factory=list)


def read_side(side: Mapping[str, bytes]) -> SideReading:
    """Read the sidecar files of one video, by suffix. Unknown suffixes are left alone; bad content is told, not raised.

    Where several files state the same fact, `info.json` comes first, then the others in order of their names.
    """
    reading = SideReading()
    stated: list[Notes] = []
    for suffix, data in sorted(side.items()):
        kind, language = kind_of(suffix) or ("", "")
        if kind in ("transcript", "cues"):
            scale: Scale = "clip" if kind == "cues" else "transcript"
            found = parse_subtitles(data, suffix, scale=scale, language=language)
        elif kind == "table":
            rows, problems = read_rows(data, suffix)
            texts, more = texts_of(rows, suffix, language=language)
            found = texts, problems + more
            stated += [
                _notes_of(row, tidy(str(row.get(LIST, suffix))))
                for _, row in rows
                if any(row.get(key) for key in METADATA)
            ]
        elif kind == "text":
            text, problems = decode_text(data, suffix)
            found = ([SideText(words, None, None, "video", suffix)] if (words := tidy(text)) else [], problems)
        elif kind == "info":
            info, problems = _read_info(data, suffix)
            stated.insert(0, info)
            found = [], problems
        else:
            continue
        reading.texts += found[0]
        reading.problems += found[1]
    reading.notes = _first_stated(stated)
    if reading.notes.title:
        title = SideText(reading.notes.title, None, None, "title", "title", reading.notes.language)
        reading.texts.append(title)
    return reading


def _first_stated(stated: Iterable[Notes]) -> Notes:
    """Each fact from the first notes that have it. Evidence never comes without its licence: the two stay together."""
    facts: dict[str, Any] = {}
    for notes in stated:
        facts = {**{f.name: value for f in fields(Notes) if (value := getattr(notes, f.name))}, **facts}
    return Notes(**facts)


def _read_info(data: bytes, suffix: str) -> tuple[Notes, list[Problem]]:
    """The facts of a file that `yt-dlp --write-info-json` wrote."""
    text, problems = decode_text(data, suffix)
    try:
        info = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Notes(), [*problems, Problem(suffix, getattr(error, "lineno", 0), f"not JSON: {tidy(str(error))}")]
    if not isinstance(info, dict):
        return Notes(), [*problems, Problem(suffix, 0, "not an object with fields such as `title`")]
    languages = {
        tidy(str(tag))
        for key in ("subtitles", "automatic_captions")
        if isinstance(info.get(key), dict)
        for tag in info[key]
    }
    return replace(_notes_of(info, suffix), subtitle_languages=tuple(sorted(languages))), problems


def _notes_of(row: Mapping[str, Any], file: str) -> Notes:
    """The facts in a row or object whose fields are named as yt-dlp names them."""

    def words(*names: str) -> str:
        value = first_of(row, names)
        return "" if isinstance(value, dict | list) or value is None else tidy(str(value))

    licence_field = next((name for name in ("license", "licence") if words(name)), "")
    categories = row.get("categories")
    category = (
        categories[0] if isinstance(categories, list) and categories else first_of(row, ("category", "categories"))
    )
    tags = row.get("tags")
    tags = tags if isinstance(tags, list) else str(tags or "").split(",")
    date = words("upload_date")
    url = words("webpage_url", "url")
    return Notes(
        title=words("title"),
        description=words("description"),
        tags=tuple(tag for one in tags if not isinstance(one, dict | list) and (tag := tidy(str(one)))),
        source=words("source", "channel_id", "uploader_id", "channel", "uploader"),
        channel=words("channel", "uploader"),
        licence=words("license", "licence"),
        licence_evidence=f"{file}: {licence_field}" + (f" ({url})" if url else "") if licence_field else "",
        language=words("language"),
        category=tidy(category) if isinstance(category, str) else "",
        upload_date=f"{date[:4]}-{date[4:6]}-{date[6:]}" if re.fullmatch(r"\d{8}", date) else date,
        listed_seconds=parse_seconds(row.get("duration")),
        url=url,
    )


@dataclass(frozen=True)
class Sidecars:
    """One row per video: what its sidecar files state about it, and what in them could not be used."""

    name: str = "sidecars"
    version: ClassVar[int] = 2
    grain: ClassVar[Grain] = "video"
    needs: ClassVar[tuple[str, ...]] = ("side",)
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("title", pa.string()),
            ("description", pa.string()),
            ("tags", pa.list_(pa.string())),
            ("source", pa.string()),
            ("channel", pa.string()),
            ("licence", pa.string()),
            ("licence_evidence", pa.string()),
            ("language", pa.string()),
            ("category", pa.string()),
            ("upload_date", pa.string()),
            ("listed_seconds", pa.float64()),
            ("url", pa.string()),
            ("subtitle_languages", pa.list_(pa.string())),
            ("files", pa.list_(pa.string())),
            ("problem_count", pa.int32()),
            ("problems", pa.list_(pa.string())),
        ]
    )

    def process(self, subject: Subject) -> pa.Table:
        """Facts that nobody states are null. `problems` shows the first SHOWN_PROBLEMS of `problem_count`."""
        reading = read_side(subject.side)
        row: dict[str, Any] = {f.name: getattr(reading.notes, f.name) or None for f in fields(Notes)}
        row |= {
            "tags": list(reading.notes.tags),
            "subtitle_languages": list(reading.notes.subtitle_languages),
            "files": [tidy(suffix) for suffix in sorted(subject.side)],
            "problem_count": len(reading.problems),
            "problems": [tidy(str(problem)) for problem in reading.problems[:SHOWN_PROBLEMS]],
        }
        return video_rows(subject, self.columns, [row])
