"""What is known of a written folder of films: every cut, caption, flaw, copy and broken file; as nouns and as JSON."""

import json
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from internvideo.datasets.moving_shapes.draw import frame_size
from internvideo.datasets.moving_shapes.film import Film
from internvideo.datasets.moving_shapes.wording import caption


@dataclass(frozen=True)
class ShotTruth:
    """Frames [start_frame, end_frame) of a file, the same in seconds, what is seen and what is wrong with it.

    join: how it follows the shot before ("cut", "fade", "dissolve"); the join takes the frames [join_start, join_end),
    which are equal for a cut. The first shot of a file has the join "cut" at its first frame.
    """

    start_frame: int
    end_frame: int
    start: float
    end: float
    caption: str
    flags: tuple[str, ...]
    join: str
    join_start: int
    join_end: int


@dataclass(frozen=True)
class FilmTruth:
    """One playable file. copy_of and relation: for copies, the file they were made from and how."""

    file: str  # path inside the folder, with forward slashes
    frames: int
    fps: str  # a fraction such as "30000/1001"
    width: int
    height: int
    codec: str
    audio: bool
    shots: tuple[ShotTruth, ...]
    sidecars: tuple[str, ...] = ()
    copy_of: str = ""
    relation: str = ""  # "exact", "re-encoded", "re-scaled", "re-muxed" or "excerpt"
    first_frame: int = 0  # of an excerpt, in the film that it was cut from

    @property
    def seconds(self) -> float:
        return float(self.frames / Fraction(self.fps))

    @property
    def cuts(self) -> tuple[int, ...]:
        """First frames of all shots but the first."""
        return tuple(shot.start_frame for shot in self.shots[1:])


@dataclass(frozen=True)
class BrokenFile:
    """kind: of the error that opening it must raise (`internvideo.errors`)."""

    file: str
    kind: str


@dataclass(frozen=True)
class Truth:
    """A folder that `write_world` made: films first, then copies, then broken files."""

    version: int
    seed: int
    films: tuple[FilmTruth, ...]
    broken: tuple[BrokenFile, ...] = field(default=())

    @property
    def duplicates(self) -> tuple[tuple[str, ...], ...]:
        """Groups of files with the same content from start to end, the film first. Excerpts are in none."""
        groups: dict[str, list[str]] = {}
        for film in self.films:
            if film.relation not in {"", "excerpt"}:
                groups.setdefault(film.copy_of, [film.copy_of]).append(film.file)
        return tuple(tuple(group) for group in groups.values())

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "duplicates": self.duplicates}, indent=1)

    @classmethod
    def read(cls, path: Path) -> "Truth":
        """Of a `truth.json`."""
        loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return cls(
            version=loaded["version"],
            seed=loaded["seed"],
            films=tuple(_film(film) for film in loaded["films"]),
            broken=tuple(BrokenFile(**broken) for broken in loaded["broken"]),
        )


def _film(loaded: dict[str, Any]) -> FilmTruth:
    shots = tuple(ShotTruth(**{**shot, "flags": tuple(shot["flags"])}) for shot in loaded["shots"])
    return FilmTruth(**{**loaded, "shots": shots, "sidecars": tuple(loaded["sidecars"])})


def truth_of(film: Film) -> FilmTruth:
    """Without its sidecars, which are not the film's."""
    height, width = frame_size(film.size, film.shots[0].scene.aspect)
    shots = tuple(
        ShotTruth(
            *(shot.start, shot.end),
            *_seconds(shot.start, shot.end, film.fps),
            caption=caption(shot.scene),
            flags=shot.flags,
            join=shot.join,
            join_start=shot.start - shot.half,
            join_end=shot.start + shot.half,
        )
        for shot in film.shots
    )
    return FilmTruth(
        file=film.name + film.suffix,
        frames=film.frames,
        fps=f"{film.fps.numerator}/{film.fps.denominator}",
        width=width,
        height=height,
        codec=film.codec,
        audio=film.audio is not None,
        shots=shots,
    )


def excerpt_of(film: FilmTruth, file: str, first: int, end: int, codec: str) -> FilmTruth:
    """The truth of a file that holds the frames [first, end) of another, without sound."""
    fps = Fraction(film.fps)
    shots = []
    for shot in film.shots:
        a, b = max(shot.start_frame, first) - first, min(shot.end_frame, end) - first
        if a < b:
            begins = shot.start_frame >= first
            join = (shot.join, shot.join_start - first, shot.join_end - first) if begins else ("cut", 0, 0)
            start, stop = _seconds(a, b, fps)
            shots.append(ShotTruth(a, b, start, stop, shot.caption, shot.flags, *join))
    return replace(
        film,
        file=file,
        frames=end - first,
        codec=codec,
        audio=False,
        shots=tuple(shots),
        sidecars=(),
        copy_of=film.file,
        relation="excerpt",
        first_frame=first,
    )


def _seconds(start: int, end: int, fps: Fraction) -> tuple[float, float]:
    return round(float(start / fps), 6), round(float(end / fps), 6)
