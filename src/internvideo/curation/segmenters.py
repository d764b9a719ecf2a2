"""Operators that make clips: the shots of a video, windows of equal length, or the whole of it.

A clip ends where the next frame begins, the last one when its last frame has been shown. Clips that are found in
catalogues are made elsewhere (`imported`).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import SPAN_COLUMNS, FrameRequest, Grain, Series, Subject, clip_rows
from internvideo.errors import UsageError, nearest
from internvideo.ops import shots

DETECTORS = ("adaptive", "adaptive+threshold", "adaptive+threshold+dissolve", "content", "threshold")
DISSOLVED = 50.0  # content score of two frames two seconds apart (LVD-2M: threshold 50 at half a frame per second)
DISSOLVE_SECONDS = 2.0
LEAST_THRESHOLD = 15.0  # content: below it, scores near the threshold are the rule and glances do not pay
Ranges = Iterable[tuple[int, int]]  # [first, stop) in frame numbers


@dataclass(frozen=True)
class Shots:
    """What lies between two cuts. Detectors and the meaning of their parameters: `internvideo.ops.shots`.

    detector: adaptive, content, threshold, or adaptive+threshold: adaptive for cuts and threshold for fades to black;
    with +dissolve also what looks different after two seconds, which slow transitions do, and long takes hardly.
    min_shot_seconds is the least distance between the cuts of a detector; min_shot_frames, where given, replaces it.

    Without what follows the shots cover the video. Then edge_frames are taken off on both sides of each cut, shots over
    max_seconds are divided into equal parts, and clips under min_seconds are not made.
    """

    name: str = "shots"
    detector: str = "adaptive+threshold"
    min_shot_seconds: float = 0.6
    min_shot_frames: int | None = None
    threshold: float = 27.0  # content: least score of a cut
    merge: bool = True  # content: cuts that come too early are joined, not passed over
    ratio: float = 3.5  # adaptive: how far a score must stand out
    window: int = 3  # adaptive: among how many frames before and after
    least_score: float = 15.0  # adaptive
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)  # of hue, saturation and value in the score
    dark_level: int = 12  # threshold: mean of R, G and B below which the picture is dark
    fade_bias: float = 0.0  # threshold: -1 cuts where it gets dark, 0 in the middle, 1 where it gets bright
    min_seconds: float = 0.0
    max_seconds: float | None = None
    edge_frames: int = 0

    version: ClassVar[int] = 2
    grain: ClassVar[Grain] = "clip"
    segmenter: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[pa.Schema] = SPAN_COLUMNS

    @property
    def frames(self) -> FrameRequest:
        levels: tuple[str, ...] = ("brightness",) if "threshold" in self.detector else ()
        levels += ("glimpse",) if "dissolve" in self.detector else ()
        simple = self.detector == "content" and len(set(self.weights)) == 1 and self.threshold >= LEAST_THRESHOLD
        return FrameRequest(("clock", "change", *levels), threshold=self.threshold if simple else None)

    def __post_init__(self) -> None:
        if self.detector not in DETECTORS:
            raise UsageError(f"unknown shot detector `{self.detector}`", nearest(self.detector, DETECTORS))
        if "dissolve" in self.detector and self.min_shot_frames is not None:
            raise UsageError("dissolves are found by time", "leave min_shot_frames out, or `+dissolve`")
        if self.max_seconds is not None and not 0 < self.max_seconds >= self.min_seconds:
            raise ValueError(f"max_seconds must be over 0 and not under min_seconds, got {self.max_seconds}")

    def cuts(self, series: Mapping[str, Series], time_base: Fraction) -> np.ndarray:
        """(cuts,) int64: numbers of the frames that begin a new shot, ascending; neither 0 nor beyond the last.

        series: the measures that `frames` names, of a whole video.
        """
        ticks = series["change"].ticks
        if not len(ticks):
            return np.empty(0, np.int64)
        if self.min_shot_frames is not None:
            clock, minimum = np.arange(len(ticks)), self.min_shot_frames
        else:
            clock = np.rint((ticks - ticks[0]) * float(time_base * 1_000_000)).astype(np.int64)
            minimum = round(self.min_shot_seconds * 1_000_000)
        cuts = np.empty(0, np.int64)
        for name in self.detector.split("+"):
            if name == "dissolve":  # where it begins is not known to a frame: any other cut nearby stands for it
                minimum = round(DISSOLVE_SECONDS * 1_000_000)
            found = self._detect(name, series, clock, minimum)
            if name == "threshold" and len(cuts):
                found = self._open_fades(found, series["brightness"].columns["level"], cuts)
            cuts = shots.join(cuts, found, clock, minimum) if len(cuts) else found
        return cuts[cuts > 0]

    def _detect(self, name: str, series: Mapping[str, Series], clock: np.ndarray, minimum: int) -> np.ndarray:
        if name == "threshold":
            levels = series["brightness"].columns["level"]
            return shots.fade_cuts(levels, clock, minimum, threshold=self.dark_level, bias=self.fade_bias)
        if name == "dissolve":
            return self._dissolves(series["glimpse"], series["change"].ticks)
        column = series["change"].columns
        scores = shots.content_scores(column["hue"], column["saturation"], column["value"], self.weights)
        if name == "content":
            return shots.content_cuts(scores, clock, minimum, threshold=self.threshold, merge=self.merge)
        return shots.adaptive_cuts(
            scores, clock, minimum, threshold=self.ratio, window=self.window, least=self.least_score
        )

    def _open_fades(self, fades: np.ndarray, levels: np.ndarray, cuts: np.ndarray) -> np.ndarray:
        """Fades whose darkness no other cut touches. A dark shot lies between two cuts and is no fade."""
        bright = np.flatnonzero(levels >= self.dark_level)
        place = np.searchsorted(bright, fades)
        begin = np.where(place > 0, bright[np.maximum(place - 1, 0)], 0)  # the last bright frame before
        end = np.where(place < len(bright), bright[np.minimum(place, len(bright) - 1)], len(levels))
        touched = np.searchsorted(cuts, end, side="right") > np.searchsorted(cuts, begin, side="left")
        found: np.ndarray = fades[~touched]
        return found

    def _dissolves(self, glimpses: Series, ticks: np.ndarray) -> np.ndarray:
        """Frames in the middle between two glimpses that differ."""
        seen = glimpses.columns["hsv"].astype(np.int16).reshape(len(glimpses.ticks), 3, -1)
        hue, saturation, value = np.abs(np.diff(seen, axis=0)).mean(axis=2).T
        changed = shots.content_scores(hue, saturation, value, self.weights) >= DISSOLVED
        middles = (glimpses.ticks[:-1] + glimpses.ticks[1:])[changed] // 2
        cuts: np.ndarray = np.searchsorted(ticks, middles)
        return cuts

    def process(self, subject: Subject) -> pa.Table:
        frames = _Frames(subject)
        cuts = self.cuts(subject.series, subject.time_base).tolist()
        kept: list[tuple[int, int]] = []
        for first, stop in pairwise([0, *cuts, len(frames)]):
            first += self.edge_frames if first else 0
            stop -= self.edge_frames if stop < len(frames) else 0
            if first < stop:
                kept += frames.divide(first, stop, self.max_seconds)
        least = _exact(self.min_seconds)
        return frames.rows((first, stop) for first, stop in kept if frames.seconds(first, stop) >= least)


SHOTS: dict[str, Shots] = {
    "default": Shots(),
    "internvid": Shots(detector="content", min_shot_frames=15),  # PySceneDetect's detector as its library has it
}


@dataclass(frozen=True)
class Windows:
    """Windows of equal length from the first frame on.

    stride: seconds from one start to the next, the length if left out. Windows that leave no gaps reach to the end of
    the video: a rest of less than half a window is joined to the last one, else it is a window. Of windows with gaps
    the last may be cut off by the end, down to half. Windows begin with a frame; one without frames is not made.
    """

    name: str = "windows-4s"
    seconds: float = 4.0
    stride: float | None = None

    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    segmenter: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("clock",))
    columns: ClassVar[pa.Schema] = SPAN_COLUMNS

    def __post_init__(self) -> None:
        if self.seconds <= 0 or (self.stride is not None and self.stride <= 0):
            raise ValueError(f"windows need a length and a stride over 0, got {self.seconds} and {self.stride} seconds")

    def process(self, subject: Subject) -> pa.Table:
        frames = _Frames(subject)
        return frames.rows(self._ranges(frames) if len(frames) else ())

    def _ranges(self, frames: "_Frames") -> Ranges:
        length, stride = _exact(self.seconds), _exact(self.seconds if self.stride is None else self.stride)
        total = frames.seconds(0, len(frames))
        # The start of window i is at i strides; the last is the last whose start leaves room for half of what is new.
        room = total - length / 2 if stride > length else total - length * 3 / 2 + stride
        starts = [stride * i for i in range(1 + max(0, math.floor(room / stride)))]
        stops = [frames.at(start + length) for start in starts]
        if stride <= length:
            stops[-1] = len(frames)
        return sorted({(frames.at(start), stop) for start, stop in zip(starts, stops, strict=True)})


@dataclass(frozen=True)
class Whole:
    """One clip: all of the video."""

    name: str = "whole"

    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    segmenter: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("clock",))
    columns: ClassVar[pa.Schema] = SPAN_COLUMNS

    def process(self, subject: Subject) -> pa.Table:
        frames = _Frames(subject)
        return frames.rows([(0, len(frames))] if len(frames) else [])


class _Frames:
    """When the frames of one video are shown, and rows for ranges of them."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        clock = subject.series["clock"]
        self._ticks = clock.ticks
        self._bounds = np.append(clock.ticks, _end(clock)) if len(clock.ticks) else clock.ticks

    def __len__(self) -> int:
        return len(self._ticks)

    def seconds(self, first: int, stop: int) -> Fraction:
        """How long frames [first, stop) are shown."""
        return int(self._bounds[stop] - self._bounds[first]) * self._subject.time_base

    def at(self, seconds: Fraction) -> int:
        """The first frame at or after this time, counted from the first frame."""
        tick = int(self._ticks[0]) + math.ceil(seconds / self._subject.time_base)
        return int(np.searchsorted(self._ticks, tick))

    def divide(self, first: int, stop: int, most: float | None) -> Ranges:
        """[first, stop) in the fewest equal parts of at most so many seconds, at frames."""
        parts = 1 if most is None else max(1, math.ceil(self.seconds(first, stop) / _exact(most)))
        begin = self.seconds(0, first)
        inner = [self.at(begin + self.seconds(first, stop) * i / parts) for i in range(1, parts)]
        return pairwise([first, *inner, stop])

    def rows(self, ranges: Ranges) -> pa.Table:
        rows = (self._row(first, stop) for first, stop in ranges if first < stop)
        return clip_rows(self._subject, SPAN_COLUMNS, rows)

    def _row(self, first: int, stop: int) -> Mapping[str, Any]:
        start, end = int(self._bounds[first]), int(self._bounds[stop])
        seconds = self._subject.seconds
        return {
            "start": start,
            "end": end,
            "start_seconds": seconds(start),
            "end_seconds": seconds(end),
            "frames": stop - first,
        }


def _end(clock: Series) -> int:
    """The tick when the last frame has been shown: by its own duration, else as long as the frame before it."""
    last, duration = int(clock.ticks[-1]), int(clock.columns["duration"][-1])
    if duration <= 0:
        duration = last - int(clock.ticks[-2]) if len(clock.ticks) > 1 else 1
    return last + max(duration, 1)


def _exact(seconds: float) -> Fraction:
    """0.1 means a tenth."""
    return Fraction(seconds).limit_denominator(1_000_000)
