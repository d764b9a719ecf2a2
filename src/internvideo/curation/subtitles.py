"""What a subtitle file says and when: WebVTT and SubRip, also as careless programs write them.

WebVTT: W3C Candidate Recommendation of 2019; SubRip has no standard, only habits. Speaker names, styles, positions and
word times are left out. Rolling captions, which show a line twice while the next one is spoken (as YouTube's automatic
ones do), are told once.
"""

import html
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from internvideo.curation.side_text import Problem, Scale, SideText, decode_text, parse_seconds, tidy

_TIME = r"(?:\d{1,6}\s*:\s*)?\d{1,3}\s*:\s*\d{1,2}(?:\s*[.,]\s*\d{0,12})?"
_TIMING = re.compile(rf"\s*({_TIME})\s*-{{1,3}}>\s*({_TIME})(?:\s.*)?", re.ASCII)
_MEANT_AS_TIMING = re.compile(r"\s*\d[^>]*:[^>]*->", re.ASCII)
_TAGS = re.compile(r"</?[A-Za-z][^<>]*>|</?>|<\d[\d:.]*>|\{\\[^{}]*\}|\{[A-Za-z]:[^{}]*\}")
_INDEX = re.compile(r"\s*\d+\s*")
_HEADER = re.compile(r"(Kind|Language)\s*:\s*(\S+)", re.IGNORECASE)
_TOUCH = 0.1  # seconds between cues that count as one display
_ROLLING_SHARE = 0.5  # of touching cues that begin with what the one before ended with


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from `start` to `end` seconds; `line` of the file has its times."""

    start: float
    end: float
    lines: tuple[str, ...]
    line: int = 0
    start_text: str = ""
    end_text: str = ""


def parse_subtitles(
    data: bytes, file: str, *, scale: Scale = "transcript", language: str = ""
) -> tuple[list[SideText], list[Problem]]:
    """The cues of a WebVTT or SubRip file, in order of time, and what could not be used. Never raises.

    file: its name, for problems and as origin. scale: what the cues are, unless a WebVTT header says `descriptions`,
    which are captions of clips. language: of the file name; the header's own is taken where there is none.
    """
    text, problems = decode_text(data, file)
    lines = text.split("\n")
    webvtt = lines[0].lstrip().startswith("WEBVTT")
    if webvtt:
        header = (match for line in _until_blank(lines) if (match := _HEADER.match(line)))
        kinds: dict[str, str] = {match[1].lower(): match[2] for match in header}
        language = language or tidy(kinds.get("language", ""))
        scale = "clip" if kinds.get("kind", "").lower() == "descriptions" else scale
    cues = _cues(lines, webvtt, file, problems)
    texts = []
    for cue in collapse_rolling(sorted(cues, key=lambda cue: (cue.start, cue.end))):
        words = tidy(" ".join(cue.lines))
        if words:
            texts.append(SideText(words, cue.start, cue.end, scale, file, language, cue.start_text, cue.end_text))
    if text.strip() and not (cues or problems or webvtt):
        problems.append(Problem(file, 0, "no line has times such as `00:00:01,000 --> 00:00:02,500`"))
    return list(dict.fromkeys(texts)), problems


def collapse_rolling(cues: Sequence[Cue]) -> list[Cue]:
    """Each shown line once, if the file rolls: half of the touching cues repeat the end of the one before.

    cues: in order of time. In a file that does not roll, a line said twice stays twice.
    """
    carried = [_carried(before, cue) for before, cue in itertools.pairwise(cues)]
    touching = [count for count in carried if count is not None]
    rolling = [count for count in touching if count]
    if len(rolling) < 3 or len(rolling) < _ROLLING_SHARE * len(touching):
        return list(cues)
    fresh = [cue.lines[count or 0 :] for cue, count in zip(cues, [0, *carried], strict=True)]
    return [
        Cue(cue.start, cue.end, lines, cue.line, cue.start_text, cue.end_text)
        for cue, lines in zip(cues, fresh, strict=True)
        if lines
    ]


def _carried(before: Cue, cue: Cue) -> int | None:
    """How many lines of `cue` repeat the last ones of `before`; None if time passed between them."""
    if cue.start - before.end > _TOUCH:
        return None
    most = min(len(before.lines), len(cue.lines))
    return next((n for n in range(most, 0, -1) if before.lines[-n:] == cue.lines[:n]), 0)


def _cues(lines: list[str], webvtt: bool, file: str, problems: list[Problem]) -> list[Cue]:
    """All cues with good times, in order of the file."""
    timings = [(at, _TIMING.fullmatch(line)) for at, line in enumerate(lines) if _MEANT_AS_TIMING.match(line)]
    cues = []
    for (at, match), (following, _) in itertools.pairwise([*timings, (len(lines), None)]):
        if match is None:
            problems.append(Problem(file, at + 1, f"times not understood: `{tidy(lines[at])[:60]}`"))
            continue
        start_text, end_text = ("".join(group.split()) for group in match.groups())
        start, end = parse_seconds(start_text), parse_seconds(end_text)
        if start is None or end is None or start >= end:
            problems.append(Problem(file, at + 1, f"the end is not after the start: {start_text} to {end_text}"))
            continue
        body = _body(lines, at + 1, following, webvtt)
        shown = tuple(tidied for line in body if (tidied := tidy(plain_text(line))))
        cues.append(Cue(start, end, shown, at + 1, start_text, end_text))
    return cues


def _body(lines: list[str], first: int, following: int, webvtt: bool) -> list[str]:
    """The text of a cue, without the name of the next one, whose times are in line `following`."""
    body = lines[first:following]
    if webvtt and "" in body:  # what comes after an empty line is a name, a note or a style
        return _until_blank(body)
    numbered = following < len(lines) and body and _INDEX.fullmatch(body[-1])
    return body[:-1] if numbered else body


def _until_blank(lines: Sequence[str]) -> list[str]:
    """The lines before the first empty one. One space makes a line that is not empty: YouTube's first line is one."""
    return list(lines[: lines.index("")]) if "" in lines else list(lines)


def plain_text(line: str) -> str:
    """Without tags, style overrides and character references. A lone `<` stays.

    >>> plain_text("<v Ann><c.red>a &lt; b</c> {\\\\an8}<00:00:01.500>& I <3 it")
    'a < b & I <3 it'
    """
    return html.unescape(_TAGS.sub("", line))
