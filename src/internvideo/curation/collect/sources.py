"""What is to be collected, as tables: sources (queries, channels) to look for videos, and addresses of videos.

A source list has a row per query or channel: `text` and, where known, `kind` (query, channel), `category`, `language`,
`country`, `videos` (how many are wanted), `id`. An address list has a row per video: `url` and, where known, `id`,
`licence`, `title`, `description`, `channel`, `tags`, `category`, `language`, `country`, `upload_date`, `subtitles_en`
(an address, for any language). JSON Lines, JSON, CSV, TSV or Parquet; a text file has one per line.
"""

import hashlib
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from internvideo.curation.caption_files import Row, first_of, read_rows
from internvideo.curation.side_suffixes import is_video
from internvideo.curation.side_text import decode_text, tidy
from internvideo.errors import UsageError
from internvideo.store.faults import told

GROUPS = ("category", "language", "country")  # what quotas may count
TABLES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
_TEXT = ("text", "query", "phrase", "name", "channel", "en", "zh")  # `en`, `zh`: of InternVid's `queries.jsonl`
_ADDRESS = ("url", "address", "video_url", "contenturl", "webpage_url")
_SUBTITLES = re.compile(r"subtitles_([a-z]{2,3}(?:_[a-z0-9]{2,8})*)")
_SAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A place to look for videos. videos: how many are wanted, 0: as many as one page of results has."""

    kind: Literal["query", "channel"]
    text: str
    id: str = ""
    category: str = ""
    language: str = ""
    country: str = ""
    videos: int = 0
    origin: str = ""  # the list, or the model that wrote it


@dataclass(frozen=True)
class Address:
    """One video to be fetched, and what its list says of it."""

    url: str
    id: str  # also the name of the file
    facts: Mapping[str, Any] = field(default_factory=dict)
    list: str = ""  # the file that names it
    line: int = 0
    store: bool = False  # an object of a store that was named on the command line; lists name addresses of the web only

    def fact(self, name: str) -> str:
        """As text; "" if the list does not say."""
        return tidy(str(self.facts.get(name) or ""))

    @property
    def subtitles(self) -> dict[str, str]:
        """Language -> address."""
        found = ((match, url) for name, url in self.facts.items() if url and (match := _SUBTITLES.fullmatch(name)))
        return {match[1].replace("_", "-"): str(url) for match, url in found}


def read_sources(path: Path) -> list[Source]:
    """The rows of a source list, each text once per language and country. Raises UsageError for what is none."""
    found: dict[tuple[str, ...], Source] = {}
    for line, row in _rows(path):
        text = tidy(str(first_of(row, _TEXT) or ""))
        kind = str(row.get("kind") or ("channel" if row.get("channel") and not row.get("query") else "query"))
        if not text or kind not in ("query", "channel"):
            raise UsageError(
                f"`{path}` line {line} is no source",
                f"it needs a text ({', '.join(_TEXT)}) and `query` or `channel` as its kind",
            )
        wanted = str(row.get("videos") or 0)
        if not wanted.isdecimal():
            raise UsageError(f"`{path}` line {line} wants `{wanted}` videos", "give a whole number")
        one = Source(
            "channel" if kind == "channel" else "query",
            text,
            tidy(str(row.get("id") or "")),
            category=tidy(str(row.get("category") or "")),
            language=tidy(str(row.get("language") or "")),
            country=tidy(str(row.get("country") or "")),
            videos=int(wanted),
            origin=tidy(str(row.get("origin") or path.name)),
        )
        found.setdefault((one.kind, one.text.lower(), one.language, one.country), one)
    return list(found.values())


def write_sources(path: Path, sources: Iterable[Source]) -> int:
    """Write a source list as JSON Lines; how many."""
    lines = [json.dumps({k: v for k, v in asdict(one).items() if v}, ensure_ascii=False) + "\n" for one in sources]
    with told("write", path):
        path.write_text("".join(lines), "utf-8")
    return len(lines)


def read_addresses(path: Path) -> list[Address]:
    """The rows of an address list, each address once. Raises UsageError for rows that name none."""
    found: dict[str, Address] = {}
    used: Counter[str] = Counter()
    for line, row in _rows(path, column="url"):
        url = str(first_of(row, _ADDRESS) or "").strip()
        if not url:
            raise UsageError(
                f"`{path}` line {line} names no address", f"one of the columns {', '.join(_ADDRESS)} holds it"
            )
        if url not in found:
            name = file_name(str(first_of(row, ("id", "video_id", "youtubeid")) or ""), url)
            used[name.lower()] += 1
            name = name if used[name.lower()] == 1 else f"{name}-{_short(url)}"
            found[url] = Address(url, name, row, path.name, line)
    return list(found.values())


def file_name(name: str, url: str) -> str:
    """A name for the file of an address, without suffix: the given one, else the last part of the path, made safe.

    >>> file_name("", "https://example.org/films/My%20film.mp4?x=1"), file_name("a/../b", "")
    ('My_film', 'a_b')
    """
    path = re.sub(r"^[a-z]+://[^/]*", "", re.split(r"[?#]", url)[0])  # what is no address is refused later
    last = posixpath.splitext(posixpath.basename(unquote(path)))[0]
    return _SAFE.sub("_", name or last).strip("_")[:80] or _short(url)


def suffix_of(url: str, content_type: str = "") -> str:
    """Of the file of a video: that of its address, else by what the server says it is, else `.mp4`."""
    suffix = posixpath.splitext(re.split(r"[?#]", url)[0])[1].lower()
    if is_video(f"_{suffix}"):
        return suffix
    known = {"video/webm": ".webm", "video/x-matroska": ".mkv", "video/quicktime": ".mov", "video/mp2t": ".ts"}
    return known.get(content_type.split(";")[0].strip().lower(), ".mp4")


def _short(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _rows(path: Path, column: str = "text") -> list[tuple[int, Row]]:
    """(line, row) of a list. Raises UsageError if nothing in it can be read."""
    if not path.is_file():
        raise UsageError(f"there is no list `{path}`", "a table with a row per source or address, or one per line")
    with told("read", path):
        data = path.read_bytes()
    if path.suffix.lower() in TABLES:
        rows, problems = read_rows(data, path.name)
        if problems:
            raise UsageError(f"`{path}`: {problems[0]}", "mend the list; nothing was done")
        return rows
    text, _ = decode_text(data, path.name)
    lines: Sequence[str] = text.split("\n")
    return [(n, {column: line.strip()}) for n, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
