"""What an operator is: a small class that says what it looks at and turns it into rows.

An operator never opens files, never imports an engine and never drops rows. It is a frozen dataclass: its fields are
its parameters, so the fingerprint of its values follows from the class and travels to worker processes by pickle.

Grains: a `video` operator gives rows per video, a `clip` operator rows per clip (a *segmenter* makes the clips
themselves: its rows are the clip set of its name), a `dataset` operator sees all rows at the end of a run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from internvideo.records import Preprocess
from internvideo.store.values import CLIP_KEY, VIDEO_KEY

Grain = Literal["video", "clip", "dataset"]

SPAN_COLUMNS = pa.schema([("start_seconds", pa.float64()), ("end_seconds", pa.float64()), ("frames", pa.int32())])


@dataclass(frozen=True)
class Series:
    """What one measure said about one video: one row per frame that was sampled.

    ticks: (F,) int64, ascending; columns: name -> (F,) or (F, k) array, same order.
    """

    ticks: np.ndarray
    columns: Mapping[str, np.ndarray]

    def within(self, start: int, end: int) -> "Series":
        """The rows with start <= tick < end. Views, no copies."""
        lo, hi = np.searchsorted(self.ticks, [start, end])
        return Series(self.ticks[lo:hi], {name: column[lo:hi] for name, column in self.columns.items()})


@dataclass(frozen=True)
class Resources:
    """What an operator takes of a machine while it runs; it says so in an attribute `resources`, this is the default.

    gpus: also a share of one, for small networks. memory: bytes beside what every worker takes.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0

    def together(self, other: "Resources") -> "Resources":
        """Enough for either of them, one after the other."""
        return Resources(max(self.cpus, other.cpus), max(self.gpus, other.gpus), max(self.memory, other.memory))


def resources_of(factory: object) -> Resources:
    """What a factory of networks takes: a GPU if its `device` is one."""
    return Resources(gpus=1.0) if str(getattr(factory, "device", None) or "").startswith("cuda") else Resources()


@dataclass(frozen=True)
class FrameRequest:
    """Which frames an operator looks at; the planner merges the requests of all due operators.

    measures: per-frame numbers from the one dense pass over the video (names of `curation.measures.MEASURES`).
    threshold: of `change`, only on which side of it its mean is; if nobody asks for more, see `threshold_pass`.
    per_clip: pictures of every clip: 0 none, 1 the middle frame, n uniform ones; short side `size` pixels.
    network: every clip as a network wants it, instead.
    """

    measures: tuple[str, ...] = ()
    threshold: float | None = None
    per_clip: int = 0
    size: int = 0
    network: Preprocess | None = None

    @property
    def of_clips(self) -> bool:
        """Whether it looks at pictures of clips, which the worker hands out some clips at a time."""
        return self.per_clip > 0 or self.network is not None


@dataclass(frozen=True)
class Subject:
    """Everything an operator may know about one video.

    rows: tables of the operators it needs, by name; `rows["clips"]` are the distinct spans of all segmenters.
    series: measures of the dense pass, by name. pictures: (clips, n, H, W, 3) uint8 RGB, in the order of the clips; as
    a network wants them (clips, 3, T, size, size) float32.
    side: contents of the sidecar files of this video, by suffix (".srt", ".txt", ".info.json" ...).
    """

    video: str
    stream: int
    time_base: Fraction
    facts: Mapping[str, Any]
    rows: Mapping[str, pa.Table] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    pictures: np.ndarray | None = None
    side: Mapping[str, bytes] = field(default_factory=dict)

    def seconds(self, tick: int) -> float:
        return float(tick * self.time_base)

    def tick(self, seconds: float) -> int:
        """The first tick at or after `seconds`."""
        ticks = Fraction(seconds).limit_denominator(1_000_000_000) / self.time_base
        return -int(-ticks // 1)


@runtime_checkable
class Operator(Protocol):
    """Video and clip operators."""

    @property
    def name(self) -> str: ...

    version: ClassVar[int]
    grain: ClassVar[Grain]

    @property
    def needs(self) -> tuple[str, ...]: ...  # operators whose rows of the same video it reads; "clips" for all spans

    @property
    def frames(self) -> FrameRequest: ...

    @property
    def columns(self) -> pa.Schema: ...  # beside the key columns

    def process(self, subject: Subject) -> pa.Table:
        """Rows for this video: the key columns of the grain, then `columns`. Sorted by key."""
        ...


@runtime_checkable
class DatasetOperator(Protocol):
    """Sees the rows of all videos, once, after the last one: groups, clusters, ranks. `grain`: of its rows' keys.

    needs: operators whose rows it reads, `places` (sources of videos) among them. optional: those that it reads if the
    recipe has them.
    """

    @property
    def name(self) -> str: ...

    version: ClassVar[int]
    grain: ClassVar[Grain]

    optional: ClassVar[tuple[str, ...]]

    @property
    def needs(self) -> tuple[str, ...]: ...

    @property
    def columns(self) -> pa.Schema: ...

    def process_all(self, rows: Mapping[str, pa.Table]) -> pa.Table:
        """Rows for the whole dataset, keyed like a video or a clip operator's. Sorted by key."""
        ...


def video_rows(subject: Subject, columns: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table keyed by video: one row per mapping, `item` counts them."""
    keyed = [{"video": subject.video, "item": item, **row} for item, row in enumerate(rows)]
    return pa.Table.from_pylist(keyed, schema=pa.schema([*VIDEO_KEY, *columns]))


def clip_rows(subject: Subject, columns: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A table keyed by clip: each mapping has `start` and `end` ticks, may have `item` (0 if not), then the columns."""
    keyed = [{"video": subject.video, "stream": subject.stream, "item": 0, **row} for row in rows]
    keyed.sort(key=lambda row: (row["start"], row["end"], row["item"]))
    return pa.Table.from_pylist(keyed, schema=pa.schema([*CLIP_KEY, *columns]))
