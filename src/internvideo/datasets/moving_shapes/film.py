"""Long films of many shots, for curation: which shots, how they are joined, what is wrong with them.

Specifications and frames; files are written by `write`. Everything follows from (version, seed, number of the film).
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from internvideo.datasets.moving_shapes.draw import render
from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.world import VERSION, Combination, Scene, Split, compose, scene

Flag = Literal["still", "dark", "blurred", "overexposed", "letterboxed"]
Join = Literal["cut", "fade", "dissolve"]
Audio = Literal["silent", "tone"]
JOINS: tuple[Join, ...] = ("cut", "fade", "dissolve")
FLAGS: tuple[Flag, ...] = ("still", "dark", "blurred", "overexposed", "letterboxed")

# container, encoder and its options, sound; film i takes row i % len
FORMATS: tuple[tuple[str, str, dict[str, str], Audio | None], ...] = (
    (".mp4", "libx264", {"preset": "ultrafast", "crf": "26"}, "tone"),
    (".mkv", "libx264", {"preset": "superfast", "crf": "28"}, None),
    (".avi", "mpeg4", {}, None),
    (".webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "32", "b": "0"}, "silent"),
    (".mp4", "libx265", {"preset": "ultrafast", "crf": "24"}, None),
    (".mov", "libx264", {"preset": "ultrafast", "crf": "26"}, "silent"),
)
RATES = (Fraction(25), Fraction(30), Fraction(24), Fraction(30_000, 1001))
FILMS_VERSION = 1  # of what follows in this module; beside the version of the world
SHORTEST, LONGEST = 2.0, 6.0  # seconds of a shot


@dataclass(frozen=True)
class Shot:
    """A scene that is on screen during the frames [start, end) of a film.

    join: how it follows the shot before, within `half` frames on either side of `start`; a cut has half = 0. A dissolve
    mixes both shots there, so that each is seen beyond its bounds; a fade goes through black.
    """

    scene: Scene
    start: int
    end: int
    join: Join
    half: int
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class Film:
    """name: of its file without suffix. size: of the short side. Wide pictures: 16 to 9."""

    name: str
    shots: tuple[Shot, ...]
    size: int
    fps: Fraction
    suffix: str
    codec: str
    options: Mapping[str, str]
    audio: Audio | None

    @property
    def frames(self) -> int:
        return self.shots[-1].end


def films(
    count: int,
    *,
    seed: int = 0,
    seconds: tuple[float, float] = (20.0, 40.0),
    size: int = 180,
    split: Split = "test",
) -> list[Film]:
    """`count` films, about as long as `seconds` (least, most); short side `size` pixels, a third more for one in six.

    Any four films in a row have a still, a dark, a blurred and an overexposed shot; every fifth film is letterboxed.
    """
    return [_film(seed, number, seconds, size * (4 if number % 6 == 1 else 3) // 3, split) for number in range(count)]


def film_frames(film: Film) -> Iterator[np.ndarray]:
    """All frames in order, (H, W, 3) uint8 each. Holds one shot in memory."""
    over = np.empty(0, np.uint8)  # of the shot before, to be mixed
    for shot, after in zip(film.shots, (*film.shots[1:], None), strict=True):
        frames = render(shot.scene, size=film.size, fps=film.fps)
        for flag in shot.flags:
            _spoil(frames, flag)
        if shot.join == "fade":
            _dim(frames[: shot.half])
        if shot.join == "dissolve":
            _mix(over, frames[: len(over)])
        if after and after.join == "fade":
            _dim(frames[: -after.half - 1 : -1])
        end = len(frames) - (2 * after.half if after and after.join == "dissolve" else 0)
        yield from frames[:end]
        over = frames[end:]


def _film(seed: int, number: int, seconds: tuple[float, float], size: int, split: Split) -> Film:
    draws = Draws("moving-shapes", VERSION, seed, "film", number)
    fps = RATES[number % len(RATES)]
    suffix, codec, options, audio = FORMATS[number % len(FORMATS)]
    least = draws.uniform(*seconds) - LONGEST / 2
    bounds = [0]
    while bounds[-1] < least * fps:
        bounds.append(bounds[-1] + round(draws.uniform(SHORTEST, LONGEST) * float(fps)))
    joins = _joins(draws, number, len(bounds) - 1)
    halves = [0 if join == "cut" else round(draws.uniform(0.2, 0.4) * float(fps)) for join in joins]
    mixed = [half if join == "dissolve" else 0 for join, half in zip(joins, halves, strict=True)] + [0]
    shots: list[Shot] = []
    for i, (start, end) in enumerate(itertools.pairwise(bounds)):
        flags = _flags(draws, number, i)
        length = float((mixed[i] + end - start + mixed[i + 1]) / fps)
        before = shots[-1].scene if shots else None
        staged = _staged(f"{seed}/{number}/{i}", split, length, "still" in flags, before)
        shots.append(Shot(staged, start, end, joins[i], halves[i], flags))
    return Film(f"film-{number:02}", tuple(shots), size, fps, suffix, codec, options, audio)


def _joins(draws: Draws, number: int, count: int) -> list[Join]:
    """Cuts for the most part; the second join of two films in three is a fade or a dissolve."""
    joins: list[Join] = [draws.weighted({"cut": 6, "fade": 1, "dissolve": 1}) for _ in range(count)]
    joins[0] = "cut"
    if count > 2:
        joins[2] = JOINS[number % len(JOINS)]
    return joins


def _flags(draws: Draws, number: int, shot: int) -> tuple[Flag, ...]:
    """What is wrong with a shot: one thing in shot 1 of every film, now and then elsewhere."""
    flags: list[Flag] = []
    stray, chosen = draws.chance(0.15), draws.choose(FLAGS[:4])
    if shot == 1 or stray:
        flags.append(FLAGS[number % 4] if shot == 1 else chosen)
    if number % 5 == 3:
        flags.append("letterboxed")
    return tuple(flags)


def _staged(key: str, split: Split, seconds: float, still: bool, before: Scene | None) -> Scene:
    """A scene that does not look like the one before."""
    for attempt in range(100):
        draws = Draws("moving-shapes", VERSION, "shot", key, attempt)
        staged = scene(split, draws.below(1 << 30), seconds=seconds, aspect=16 / 9)
        if still:
            cast = [Combination(thing.shape, thing.colour, thing.motion, thing.speed) for thing in staged.in_order]
            staged = compose(staged.key, "together", cast, seconds=seconds, aspect=16 / 9, still=True)
        if before is None or _unlike(staged, before):
            return staged
    raise AssertionError("a hundred scenes look alike")


def _unlike(one: Scene, other: Scene) -> bool:
    levels = [sum(s.background.dark + s.background.light) / 6 for s in (one, other)]
    return one.background.texture != other.background.texture and abs(levels[0] - levels[1]) > 20


def _dim(frames: np.ndarray) -> None:
    """In place: from black up to nearly full light."""
    for i, frame in enumerate(frames):
        frame[:] = frame.astype(np.uint16) * (i * 256 // len(frames)) >> 8


def _mix(old: np.ndarray, new: np.ndarray) -> None:
    """In place: from `old` to `new` over the length of both."""
    for i, (before, after) in enumerate(zip(old, new, strict=True), start=1):
        weight = i * 256 // (len(new) + 1)
        after[:] = (after.astype(np.uint16) * weight + before.astype(np.uint16) * (256 - weight)) >> 8


def _spoil(frames: np.ndarray, flag: Flag) -> None:
    """In place."""
    height, width = frames.shape[1:3]
    if flag == "letterboxed":
        bar = (height - round(width / 2.39)) // 2
        frames[:, :bar] = frames[:, height - bar :] = 0
    for frame in frames if flag in {"dark", "overexposed", "blurred"} else ():
        if flag == "dark":
            frame[:] = np.multiply(frame, 24, dtype=np.uint16) >> 8
        elif flag == "overexposed":
            frame[:] = np.minimum(np.multiply(frame, 3, dtype=np.uint16) + 20, 255)
        else:
            frame[:] = _box_blur(_box_blur(frame, 0), 1)


def _box_blur(image: np.ndarray, axis: Literal[0, 1]) -> np.ndarray:
    """Mean over a window of about a twentieth of the short side, a power of two; the edges repeat."""
    power = round(float(np.log2(min(image.shape[:2]) / 20)))
    window = 1 << power
    pad = [(0, 0), (0, 0), (0, 0)]
    pad[axis] = (window // 2, window - window // 2)
    sums = np.cumsum(np.pad(image, pad, mode="edge"), axis=axis, dtype=np.uint16)  # differences survive the overflow
    early, late = (slice(0, -window), slice(window, None))
    means: np.ndarray = (sums[late] - sums[early] if axis == 0 else sums[:, late] - sums[:, early]) >> power
    return means.astype(np.uint8)
