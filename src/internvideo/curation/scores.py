"""Operators that tell how clips move and look, from the series of `score_measures`: model-free and cheap.

They give numbers and judge nothing: thresholds belong to views. A number that is not defined for a clip is null.

A measure with a period may have no sample in a short clip; then the last sample before the clip's end stands in, or the
first of the video where there is none. What compares a frame with the one before it says, at the first frame of a clip,
how the clip before ended; that frame is left out.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import FrameRequest, Grain, Series, Subject, clip_rows

UNIT = 1 / 30  # seconds: differences of frames are given per so much time, as most videos have 25 to 30 frames a second
LEAST_FLOW = 0.002  # frame heights per second: below it, nothing moves that a camera could be said to have moved
BAD_SHARE = 0.12  # of the pixels below 5 or above 250: UltraVideo's rule for a badly exposed frame
FLAT_VARIANCE = 1.2  # squared levels: UltraVideo's rule for a frame without content
STILL_BLOCK = 1.5  # grey levels that a block's mean may change while nothing moves: key frames of a coder do that
STILL_NOISE = 0.8  # and the multiple of the mean difference that noise alone stays below, see `ops.motion.movement`
REPEATED = 0.2  # seconds: shorter stills are frames shown twice (animation drawn at 8 to 12 a second, film in video)


def _floats(*names: str) -> pa.Schema:
    return pa.schema([(name, pa.float32()) for name in names])


def _clips(subject: Subject) -> Iterator[tuple[int, int]]:
    clips = subject.rows["clips"]
    yield from zip(clips["start"].to_pylist(), clips["end"].to_pylist(), strict=True)


def samples(series: Series, start: int, end: int, *, between: bool = False) -> Series:
    """The samples of a clip; if there are none, the last one before its end; if there is none either, the first.

    between: the numbers compare frames, so that a sample at tick `start` does not count. Empty only if `series` is.
    """
    if between:
        kept = series.ticks != start
        series = Series(series.ticks[kept], {name: column[kept] for name, column in series.columns.items()})
    inside = series.within(start, end)
    if len(inside.ticks):
        return inside
    place = max(0, int(np.searchsorted(series.ticks, end)) - 1)
    return Series(
        series.ticks[place : place + 1], {name: values[place : place + 1] for name, values in series.columns.items()}
    )


def _mean(values: np.ndarray) -> float:
    """Mean of the defined values, NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _quantile(values: np.ndarray, share: float, method: Literal["linear", "lower"] = "linear") -> float:
    defined = values[~np.isnan(values)]
    return float(np.quantile(defined, share, method=method)) if len(defined) else math.nan


def _row(start: int, end: int, values: Mapping[str, float]) -> dict[str, float | int | None]:
    return {"start": start, "end": end, **{n: None if math.isnan(value) else value for n, value in values.items()}}


def _steps(subject: Subject, start: int, end: int) -> tuple[np.ndarray, Series]:
    """Seconds that each frame of a clip comes after the one before, and its `movement`; without the first frame."""
    series = subject.series["movement"]
    lo, hi = np.searchsorted(series.ticks, [start, end])
    lo += 1  # of the first frame in a clip, the one before lies outside
    ticks = series.ticks[max(0, lo - 1) : hi]
    seconds = np.diff(ticks) * float(subject.time_base)
    return seconds, Series(series.ticks[lo:hi], {name: column[lo:hi] for name, column in series.columns.items()})


@dataclass(frozen=True)
class Motion:
    """How much changes and how fast things move.

    difference_mean: mean |luma difference| of consecutive frames, in grey levels of 255, summed up over the clip and
    divided by its time, per 1/30 s: half the frame rate with twice the step gives the same. difference_max: the largest
    difference of two consecutive frames, as it is: a flash is as bright at any frame rate. Null in clips of one frame.
    flow_mean, flow_p90: mean over two instants a second of the mean and of the 90th percentile of the optical flow's
    speed over the picture, in frame heights per second; null if nothing could be followed (cuts, whip pans).
    camera_share: share of that flow that one affine motion of the whole picture explains, 0 (things move) to 1 (the
    camera moves); null if nothing moves or too little of the picture has texture.
    """

    name: str = "motion"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("movement", "flow"))
    columns: ClassVar[pa.Schema] = _floats("difference_mean", "difference_max", "flow_mean", "flow_p90", "camera_share")

    def process(self, subject: Subject) -> pa.Table:
        return clip_rows(subject, self.columns, [self._score(subject, *bounds) for bounds in _clips(subject)])

    def _score(self, subject: Subject, start: int, end: int) -> dict[str, float | int | None]:
        seconds, steps = _steps(subject, start, end)
        difference = steps.columns["difference"]
        known = ~np.isnan(difference)
        time = float(seconds[known].sum())
        flow = samples(subject.series["flow"], start, end, between=True).columns
        split = ~np.isnan(flow["other"])
        whole, other = float(flow["mean"][split].sum()), float(flow["other"][split].sum())
        moves = split.any() and whole > LEAST_FLOW * split.sum()
        scores = {
            "difference_mean": float(difference[known].sum()) / time * UNIT if time else math.nan,
            "difference_max": float(difference[known].max()) if known.any() else math.nan,
            "flow_mean": _mean(flow["mean"]),
            "flow_p90": _mean(flow["p90"]),
            "camera_share": min(1.0, max(0.0, 1 - other / whole)) if moves else math.nan,
        }
        return _row(start, end, scores)


@dataclass(frozen=True)
class Exposure:
    """How bright a clip is: means over two frames a second.

    luma_mean: 0 black to 255 white. dark_share, bright_share: share of pixels with luma below 16 and above 235, [0, 1].
    bad_frames: share of frames with more than 12 % of pixels below 5 or above 250 (UltraVideo's rule), [0, 1].
    """

    name: str = "exposure"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("exposure",))
    columns: ClassVar[pa.Schema] = _floats("luma_mean", "dark_share", "bright_share", "bad_frames")

    def process(self, subject: Subject) -> pa.Table:
        rows = []
        for start, end in _clips(subject):
            found = samples(subject.series["exposure"], start, end).columns
            scores = {
                "luma_mean": _mean(found["luma"]),
                "dark_share": _mean(found["dark"]),
                "bright_share": _mean(found["bright"]),
                "bad_frames": _mean((found["extreme"] > BAD_SHARE).astype(np.float64)),
            }
            rows.append(_row(start, end, scores))
        return clip_rows(subject, self.columns, rows)


@dataclass(frozen=True)
class Bars:
    """Black bars that are there throughout: letterbox and pillarbox.

    top_bottom, left_right: shares of the height and of the width that bars cover on both sides together, in [0, 1]. On
    each side the bar that nine tenths of the frames that can be judged have at least; see `ops.quality.black_bars`. A
    clip that is too dark to judge has 0 and a low `exposure.luma_mean`.
    """

    name: str = "bars"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("bars",))
    columns: ClassVar[pa.Schema] = _floats("top_bottom", "left_right")

    def process(self, subject: Subject) -> pa.Table:
        rows = []
        for start, end in _clips(subject):
            found = samples(subject.series["bars"], start, end).columns
            side = {name: _quantile(values, 0.1, "lower") for name, values in found.items()}
            side = {name: 0.0 if math.isnan(share) else share for name, share in side.items()}
            scores = {"top_bottom": side["top"] + side["bottom"], "left_right": side["left"] + side["right"]}
            rows.append(_row(start, end, scores))
        return clip_rows(subject, self.columns, rows)


@dataclass(frozen=True)
class Stillness:
    """How long nothing moves.

    Two consecutive frames are still if no block of 8 x 8 pixels of the small picture changes its mean by more than 1.5
    grey levels, or than noise explains. So noise, and drifting by under a pixel of the small picture (256 on the longer
    side) in several frames, is still; `motion.flow_mean` sees the latter. Stills under 0.2 s are repeated frames and
    count as moving, unless they fill the clip.
    still_share: of the time from the first to the last frame, [0, 1]. longest_still_seconds: the longest still at a
    stretch. Both null in clips of one frame.
    """

    name: str = "stillness"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("movement",))
    columns: ClassVar[pa.Schema] = _floats("still_share", "longest_still_seconds")

    def process(self, subject: Subject) -> pa.Table:
        return clip_rows(subject, self.columns, [self._score(subject, *bounds) for bounds in _clips(subject)])

    def _score(self, subject: Subject, start: int, end: int) -> dict[str, float | int | None]:
        seconds, steps = _steps(subject, start, end)
        block, difference = steps.columns["block"], steps.columns["difference"]
        stills = still_stretches(seconds, block <= np.maximum(STILL_BLOCK, STILL_NOISE * difference))
        time = float(seconds.sum())
        scores = {
            "still_share": min(1.0, float(stills.sum()) / time) if time else math.nan,
            "longest_still_seconds": (float(stills.max()) if len(stills) else 0.0) if time else math.nan,
        }
        return _row(start, end, scores)


def still_stretches(seconds: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Lengths in seconds of the stretches in which nothing moves.

    seconds, still: (n,) how long each step between two frames takes and whether nothing moves in it -> (k,). Stretches
    under 0.2 s are left out, but for one that is all there is.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8)))
    passed = np.concatenate([[0.0], np.cumsum(seconds)])
    lengths: np.ndarray = passed[edges[1::2]] - passed[edges[::2]]
    return lengths if still.all() else lengths[lengths > REPEATED - 1e-6]  # sums of seconds are not exact


@dataclass(frozen=True)
class Sharpness:
    """How sharp a clip is at 256 pixels on the longer side, [0, 1]: see `ops.quality.sharpness`.

    median, low: median and 10th percentile over two frames a second; low tells of passing blur. Blur that cannot be
    seen at that size is not seen. Null if no frame has anything in it that could be sharp.
    """

    name: str = "sharpness"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("sharpness",))
    columns: ClassVar[pa.Schema] = _floats("median", "low")

    def process(self, subject: Subject) -> pa.Table:
        rows = []
        for start, end in _clips(subject):
            values = samples(subject.series["sharpness"], start, end).columns["value"]
            rows.append(_row(start, end, {"median": _quantile(values, 0.5), "low": _quantile(values, 0.1)}))
        return clip_rows(subject, self.columns, rows)


@dataclass(frozen=True)
class Colour:
    """How colourful a clip is: means over two frames a second.

    colourfulness: Hasler and Suesstrunk's M(3), 0 without colour, about 15 slight, 33 moderate, 59 much, 109 extreme.
    grey_share: share of pixels whose R, G and B differ by at most 12, [0, 1]. flat_frames: share of frames of (nearly)
    one colour: the variance of R, G and B over the picture is below 1.2 (UltraVideo's rule), [0, 1].
    """

    name: str = "colour"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("colour",))
    columns: ClassVar[pa.Schema] = _floats("colourfulness", "grey_share", "flat_frames")

    def process(self, subject: Subject) -> pa.Table:
        rows = []
        for start, end in _clips(subject):
            found = samples(subject.series["colour"], start, end).columns
            scores = {
                "colourfulness": _mean(found["colourfulness"]),
                "grey_share": _mean(found["grey"]),
                "flat_frames": _mean((found["variance"] < FLAT_VARIANCE).astype(np.float64)),
            }
            rows.append(_row(start, end, scores))
        return clip_rows(subject, self.columns, rows)
