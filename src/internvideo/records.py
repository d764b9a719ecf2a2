"""The nouns of the package: frozen, with units, refusing nonsense. No pixels, no files.

Time in files is integer ticks of a stream with its time base; seconds are for people. Spans are half open.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

EMBEDDING = "embedding-"  # names of operators whose values are vectors begin with this


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of video in seconds: start <= t < end. Starts may be negative (a stream may begin before zero)."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"Span needs start < end, got [{self.start}, {self.end}) seconds")

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def overlap(self, other: "Span") -> float:
        """Seconds that both cover.

        >>> Span(0.0, 2.0).overlap(Span(1.5, 9.0))
        0.5
        """
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True, order=True)
class Clip:
    """A virtual clip: nothing but bounds. `start` and `end` are ticks of stream `stream`: start <= tick < end."""

    video: str  # SHA-256 of the file's bytes, in hex; or ext:<catalogue>:<id>
    stream: int
    start: int
    end: int

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"Clip needs start < end, got [{self.start}, {self.end}) ticks of {self.video[:12]}")

    @property
    def name(self) -> str:
        """Short and stable, fit for file names and for `dataset why`.

        >>> Clip("ab" * 32, 0, 512, 1024).name
        'abababababab.0.512-1024'
        """
        head = self.video[:12] if not self.video.startswith("ext:") else self.video
        return f"{head}.{self.stream}.{self.start}-{self.end}"

    def span(self, time_base: Fraction) -> Span:
        """The same stretch in seconds."""
        return Span(float(self.start * time_base), float(self.end * time_base))


@dataclass(frozen=True, slots=True)
class Licence:
    """What may be done with a thing, and where that is written."""

    name: str  # an SPDX identifier where there is one, else the words of the source
    evidence: str = ""  # the file, page or field that says so
    commercial: bool | None = None  # None: not stated


CENTRES, CHANNELS = ("picture", "motion", "follow"), ("colour", "motion")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a checkpoint wants its clips: which frames, how resized and cut, how normalised. Travels with the weights.

    The function is `internvideo.video.transforms.preprocess`; the published ones are in `internvideo.models.families`.
    """

    size: int  # pixels per side of the square that the model sees
    mean: tuple[float, float, float]  # of R, G, B in [0, 1]
    std: tuple[float, float, float]
    resize: str = "short-side"  # then cut from the middle; or "short-side-round", or "squash": straight to the square
    short_side: int = 0  # pixels of the short side before cutting; 0: `size`
    interpolation: str = "bicubic"
    antialias: bool = True
    frames: str = "middle"  # a key of `internvideo.video.sampling.FRAME_POLICIES`
    frame_count: int = 8
    centre: str = (
        "picture"  # of the square that is cut; "motion": of what moves; "follow": going along with it sideways
    )
    channels: str = "colour"  # or "motion": brightness and its change (`internvideo.video.motion_view.as_motion`)

    def __post_init__(self) -> None:
        if self.size < 1 or self.frame_count < 1:
            raise ValueError(f"Preprocess needs size and frame_count >= 1, got {self.size} and {self.frame_count}")
        if self.short_side and self.short_side < self.size:
            raise ValueError(f"a short side of {self.short_side} is too small to cut {self.size} pixels from")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"Preprocess needs three means and three positive deviations, got {self.mean}, {self.std}")
        if self.centre not in CENTRES or self.channels not in CHANNELS:
            raise ValueError(f"centre is {CENTRES}, channels {CHANNELS}, got `{self.centre}` and `{self.channels}`")
        if self.centre != "picture" and self.resize != "short-side":
            raise ValueError(f"a square around motion is cut with resize=short-side, got `{self.resize}`")

    @property
    def joint(self) -> bool:
        """Whether what becomes of a frame depends on the other frames of its clip."""
        return self.centre != "picture" or self.channels != "colour"


@dataclass(frozen=True, slots=True)
class Space:
    """Where vectors may be compared with each other: all that they depend on beside the video and the text."""

    model: str  # key of `internvideo.models.MODELS`
    weights: str  # SHA-256 of the file, in hex, or "random"
    precision: str
    dimension: int
    preprocess: Preprocess

    @property
    def operator(self) -> str:
        """Name of the operator whose values are these vectors."""
        digest = hashlib.sha256(repr(self).encode("ascii")).hexdigest()
        return f"{EMBEDDING}{self.model}-{digest[:8]}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment that a search found.

    score: how likely it is what was asked for, in [0, 1]. why: what speaks for it: `cosine` to the query, `words` of
    the query that its texts have, `text`, the best of them.
    """

    clip: Clip
    span: Span  # in seconds of the file; neighbours that were merged reach beyond `clip`
    score: float
    name: str  # of the file, printable
    path: Path | None  # where it lay at the last scan
    why: Mapping[str, Any]

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "clip": self.clip.name,
            "video": self.clip.video,
            "name": self.name,
            "path": os.fsencode(self.path).decode("utf-8", "backslashreplace") if self.path else None,
            "start": round(self.span.start, 6),
            "end": round(self.span.end, 6),
            "score": round(self.score, 4),
            "why": dict(self.why),
        }
