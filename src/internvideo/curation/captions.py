"""Which words belong to which clip: captions, transcripts and titles of sidecar files, and clips that captions name.

Times of sidecar files count from the start of the film, as players show them. Nothing here makes or rewrites text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import SPAN_COLUMNS, FrameRequest, Grain, Series, Subject, clip_rows
from internvideo.curation.side_text import SideText
from internvideo.curation.sidecars import read_side
from internvideo.curation.text_statistics import text_statistics

# The clock of these containers starts anywhere; in the others zero is the start of the film.
_CLOCK_STARTS_ANYWHERE = frozenset(["mpegts", "mpeg"])
_SCALES = ("clip", "video", "transcript", "title")

Ticks = tuple[int, int]


def ticks_of(subject: Subject, text: SideText) -> Ticks | None:
    """[start, end) of a timed text in ticks of the stream; None without times or if no tick lies between them."""
    if text.start is None or text.end is None:
        return None
    begins = subject.facts.get("start_tick") if subject.facts.get("container") in _CLOCK_STARTS_ANYWHERE else 0
    start, end = (subject.tick(seconds) + int(begins or 0) for seconds in (text.start, text.end))
    return (start, end) if start < end else None


def owners(spans: np.ndarray, clips: np.ndarray) -> list[np.ndarray]:
    """For every span, the indices of the clips that it belongs to, ascending.

    spans: (S, 2) int64, clips: (N, 2) int64, ticks, half open, start < end. A span belongs to the clip that it
    overlaps most, and to every clip of which it covers at least half. Clips may overlap each other, as those of
    several segmenters do: a clip competes for "most" only with clips that share no time with it; the earlier one wins
    a tie. So whole films, shots and windows each get their words.
    """
    found = []
    for start, end in spans:
        shared = np.minimum(clips[:, 1], end) - np.maximum(clips[:, 0], start)
        near = np.flatnonzero(shared > 0)
        of, begin, close = shared[near], clips[near, 0], clips[near, 1]
        beside = (begin[None, :] >= close[:, None]) | (close[None, :] <= begin[:, None])
        ahead = (of[None, :] > of[:, None]) | ((of[None, :] == of[:, None]) & (begin[None, :] < begin[:, None]))
        most = ~(beside & ahead).any(axis=1)
        found.append(near[most | (2 * of >= close - begin)])
    return found


@dataclass(frozen=True)
class Imported:
    """Segmenter: the spans that timed captions name, each once. A span in which no frame lies is no clip.

    transcripts: also the spans of transcript cues. Scores and times as written are those of the first caption.
    """

    name: str = "imported"
    transcripts: bool = False
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    segmenter: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("side",)
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("clock",))
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            *SPAN_COLUMNS,
            ("origin", pa.string()),
            ("start_text", pa.string()),
            ("end_text", pa.string()),
            ("umt_score", pa.float64()),
            ("aesthetic_score", pa.float64()),
        ]
    )

    def process(self, subject: Subject) -> pa.Table:
        """One row per distinct span, in order of time."""
        clock: Series = subject.series["clock"]
        wanted = {"clip", "transcript"} if self.transcripts else {"clip"}
        rows: dict[Ticks, dict[str, Any]] = {}
        for text in read_side(subject.side).texts:
            ticks = ticks_of(subject, text) if text.scale in wanted else None
            if ticks is None or ticks in rows or not (frames := len(clock.within(*ticks).ticks)):
                continue
            rows[ticks] = {
                "start": ticks[0],
                "end": ticks[1],
                "start_seconds": subject.seconds(ticks[0]),
                "end_seconds": subject.seconds(ticks[1]),
                "frames": frames,
                "origin": text.origin,
                "start_text": text.start_text,
                "end_text": text.end_text,
                "umt_score": text.umt_score,
                "aesthetic_score": text.aesthetic_score,
            }
        return clip_rows(subject, self.columns, rows.values())


@dataclass(frozen=True)
class Captions:
    """All words that sidecar files have for each clip, one row per text, told apart by `scale`.

    clip: a caption with times, given to clips as `owners` says; but a clip that is exactly the span of a caption gets
    such captions only. video: a caption of the whole video. transcript: the words spoken, joined, one row per file.
    title: the title of the video. inside: share of the text's time that lies in the clip; covers: share of the clip
    that the text covers (a transcript: that its first to its last cue cover); both are null for texts without times.
    """

    name: str = "captions"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips", "side")
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("text", pa.string()),
            ("scale", pa.string()),
            ("origin", pa.string()),
            ("language", pa.string()),
            ("inside", pa.float64()),
            ("covers", pa.float64()),
        ]
    )

    def process(self, subject: Subject) -> pa.Table:
        """Items count clip captions first, then video, transcript and title, each in order of time and file."""
        texts = [text for text in read_side(subject.side).texts if text.text]
        clips = _clips_of(subject)
        rows: list[list[dict[str, Any]]] = [[] for _ in clips]
        for text, ticks, clip in _own_captions(subject, texts, clips):
            rows[clip].append(_caption_row(text, ticks, clips[clip]))
        whole = [text for text in texts if text.scale in ("video", "title")]
        for clip in range(len(clips)):
            rows[clip] += [_caption_row(text, None, clips[clip]) for text in whole]
        for clip, cues in _transcripts(subject, texts, clips):
            joined = SideText(_joined(cues), None, None, "transcript", cues[0][0].origin, cues[0][0].language)
            rows[clip].append(_caption_row(joined, (cues[0][1][0], max(end for _, (_, end) in cues)), clips[clip]))
        for own in rows:
            own.sort(key=lambda row: _SCALES.index(row["scale"]))
        return clip_rows(subject, self.columns, _numbered(clips, rows))


@dataclass(frozen=True)
class Transcript:
    """The words spoken in each clip: one row per clip and transcript file.

    A cue belongs to the clip that it overlaps most, and to every clip of which it covers half. cue_start, cue_end:
    seconds on the clock of the stream, in order; they may reach over the bounds of the clip.
    """

    name: str = "transcript"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips", "side")
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("text", pa.string()),
            ("origin", pa.string()),
            ("language", pa.string()),
            ("cues", pa.int32()),
            ("cue_start", pa.list_(pa.float64())),
            ("cue_end", pa.list_(pa.float64())),
            ("cue_text", pa.list_(pa.string())),
        ]
    )

    def process(self, subject: Subject) -> pa.Table:
        """Clips without a word have no row."""
        clips = _clips_of(subject)
        rows: list[list[dict[str, Any]]] = [[] for _ in clips]
        texts = [text for text in read_side(subject.side).texts if text.text]
        for clip, cues in _transcripts(subject, texts, clips):
            row = {
                "text": _joined(cues),
                "origin": cues[0][0].origin,
                "language": cues[0][0].language,
                "cues": len(cues),
                "cue_start": [subject.seconds(start) for _, (start, _) in cues],
                "cue_end": [subject.seconds(end) for _, (_, end) in cues],
                "cue_text": [text.text for text, _ in cues],
            }
            rows[clip].append(row)
        return clip_rows(subject, self.columns, _numbered(clips, rows))


@dataclass(frozen=True)
class CaptionStatistics:
    """What can be counted in each text of `captions`: one row per row of theirs, with the same key."""

    name: str = "caption_statistics"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("captions",)
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("scale", pa.string()),
            ("words", pa.int32()),
            ("characters", pa.int32()),
            ("sentences", pa.int32()),
            ("distinct_share", pa.float64()),
            ("repeats", pa.int32()),
            ("repeated", pa.bool_()),
            ("letters_share", pa.float64()),
            ("script", pa.string()),
            ("language", pa.string()),
        ]
    )

    def process(self, subject: Subject) -> pa.Table:
        """See `text_statistics`. language: as stated, else what the script alone tells, else ""."""
        captions = subject.rows["captions"].select(["start", "end", "item", "text", "scale", "language"])
        rows = []
        for row in captions.to_pylist():
            text, stated = row.pop("text"), row.pop("language")
            counted = text_statistics(text)
            rows.append({**row, **counted, "language": stated or counted["language"]})
        return clip_rows(subject, self.columns, rows)


def _clips_of(subject: Subject) -> np.ndarray:
    """(N, 2) int64 ticks."""
    clips = subject.rows["clips"]
    return np.column_stack([clips["start"].to_numpy(), clips["end"].to_numpy()]).astype(np.int64).reshape(-1, 2)


def _own_captions(
    subject: Subject, texts: Iterable[SideText], clips: np.ndarray
) -> Iterable[tuple[SideText, Ticks, int]]:
    """(caption, its ticks, index of a clip that gets it), captions in order of time, then of the files."""
    timed = [(text, ticks) for text in texts if text.scale == "clip" and (ticks := ticks_of(subject, text))]
    timed.sort(key=lambda pair: pair[1])
    spans = np.array([ticks for _, ticks in timed], np.int64).reshape(-1, 2)
    named = {ticks for _, ticks in timed}
    exact = np.array([(int(start), int(end)) in named for start, end in clips], bool)
    for (text, ticks), owned in zip(timed, owners(spans, clips), strict=True):
        for clip in owned:
            if not exact[clip] or ticks == (int(clips[clip, 0]), int(clips[clip, 1])):
                yield text, ticks, int(clip)


def _transcripts(
    subject: Subject, texts: Iterable[SideText], clips: np.ndarray
) -> Iterable[tuple[int, list[tuple[SideText, Ticks]]]]:
    """(index of a clip, the cues of one file that belong to it in order of time), clips and files in order."""
    timed = [(text, ticks) for text in texts if text.scale == "transcript" and (ticks := ticks_of(subject, text))]
    timed.sort(key=lambda pair: pair[1])
    spans = np.array([ticks for _, ticks in timed], np.int64).reshape(-1, 2)
    tracks: dict[tuple[int, str, str], list[tuple[SideText, Ticks]]] = {}
    for pair, owned in zip(timed, owners(spans, clips), strict=True):
        for clip in owned:
            tracks.setdefault((int(clip), pair[0].origin, pair[0].language), []).append(pair)
    for clip, origin, language in sorted(tracks):
        yield clip, tracks[clip, origin, language]


def _joined(cues: Sequence[tuple[SideText, Ticks]]) -> str:
    return " ".join(text.text for text, _ in cues)


def _caption_row(text: SideText, ticks: Ticks | None, clip: np.ndarray) -> dict[str, Any]:
    row: dict[str, Any] = {"text": text.text, "scale": text.scale, "origin": text.origin, "language": text.language}
    if ticks:
        start, end = int(clip[0]), int(clip[1])
        shared = max(0, min(end, ticks[1]) - max(start, ticks[0]))
        row |= {"inside": shared / (ticks[1] - ticks[0]), "covers": shared / (end - start)}
    return row


def _numbered(clips: np.ndarray, rows: Sequence[Sequence[dict[str, Any]]]) -> Iterable[dict[str, Any]]:
    for (start, end), own in zip(clips, rows, strict=True):
        for item, row in enumerate(own):
            yield {"start": int(start), "end": int(end), "item": item, **row}
