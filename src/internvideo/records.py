"""The nouns of the package: frozen, with units, refusing nonsense. No pixels, no files.

Time in files is integer ticks of a stream with its time base; seconds are for people. Spans are half open.
"""

from dataclasses import dataclass
from fractions import Fraction


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
