"""What the moving-shapes world consists of, and which scene is number i of a split.

Nouns and choices only: no pixels, no words. A scene follows from (version, seed, split, plot, index) and is the same on
every machine. Lengths are in short sides of the picture, measured from its centre, y down; angles in turns clockwise;
times in seconds.

No peeking: in the middle of its motion every thing is where it was put, so in a scene of one thing the middle frame is
the same whatever the motion. A model that is shown that frame alone can only guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np

from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.shapes import extents
from internvideo.errors import UsageError, nearest

VERSION = 1  # of everything that a scene, its words and its pixels follow from; a change makes a new world

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS = {
    "red": (214, 38, 38),
    "orange": (240, 136, 20),
    "yellow": (238, 220, 40),
    "green": (40, 160, 60),
    "cyan": (40, 200, 214),
    "blue": (40, 70, 214),
    "purple": (136, 40, 190),
    "pink": (244, 120, 180),
}
MOTIONS = (
    "left",
    "right",
    "up",
    "down",
    "up and right",
    "down and left",
    "circle clockwise",
    "circle counter-clockwise",
    "spin clockwise",
    "spin counter-clockwise",
    "grow",
    "shrink",
    "bounce",
    "sway",
    "appear",
    "disappear",
)
TURNING = ("circle clockwise", "circle counter-clockwise", "spin clockwise", "spin counter-clockwise")
DIAGONAL = 0.5**0.5
DIRECTIONS = {  # of straight motions and of the camera, y down
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
    "up and right": (DIAGONAL, -DIAGONAL),
    "down and left": (-DIAGONAL, DIAGONAL),
}
UNKNOWN_MOTIONS = ("zigzag", "figure eight", "spiral", "blink")  # never in training: for open-set recognition
SPEEDS = ("slow", "fast")
TRAVEL = {"slow": 0.24, "fast": 0.56}  # of straight motions between start and end, in short sides
COLLISION_REACH = 0.6  # scale of the travel of things that collide
TEXTURES = ("clouds", "gradient", "stripes", "checker", "dots")
CAMERA_MOVES = ("pan left", "pan right", "pan up", "pan down", "zoom in", "zoom out", "shake")

Split = Literal["train", "validation", "test", "unknown"]
Plot = Literal["single", "together", "in order", "entrance", "collision"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "unknown")
PLOTS: Mapping[Plot, int] = {"single": 10, "together": 4, "in order": 3, "entrance": 1, "collision": 2}  # of 20


@dataclass(frozen=True, slots=True, order=True)
class Combination:
    """What a split may show: training and test never share one."""

    shape: str
    colour: str
    motion: str
    speed: str


@dataclass(frozen=True, slots=True)
class Thing:
    """A coloured shape that rests, moves during [start, end) and rests again. A dark mark shows how it is turned."""

    shape: str
    colour: str
    motion: str
    speed: str
    x: float  # where it is half way through its motion
    y: float
    size: float  # radius
    angle: float  # of its mark, half way
    phase: float  # of paths that may begin anywhere
    reach: float  # scale of its path: 1 alone, less in company
    start: float
    end: float
    rgb: tuple[int, int, int]  # its colour, slightly off

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, slots=True)
class Background:
    texture: str
    dark: tuple[int, int, int]
    light: tuple[int, int, int]
    period: float  # of stripes, squares, dots and clouds
    angle: float


@dataclass(frozen=True, slots=True)
class Camera:
    """`move` is "still" or one of CAMERA_MOVES; amount: how far it pans or shakes, or the whole zoom factor."""

    move: str = "still"
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A short video, completely known. `things` are in drawing order, which says nothing about when they move."""

    key: str  # names its random streams: pixels and wording follow from it
    plot: Plot
    seconds: float
    aspect: float  # width / height
    things: tuple[Thing, ...]
    background: Background
    camera: Camera = field(default_factory=Camera)
    noise: float = 0.0  # standard deviation of the sensor, in levels of 255

    @property
    def is_still(self) -> bool:
        """Nothing moves, neither things nor camera."""
        return self.camera.move == "still" and all(thing.start >= self.seconds for thing in self.things)

    @property
    def in_order(self) -> tuple[Thing, ...]:
        """The things by the time at which they begin to move."""
        return tuple(sorted(self.things, key=lambda thing: thing.start))

    @property
    def label(self) -> str:
        """The motion of the first thing to move: the class of a clip with one thing."""
        return self.in_order[0].motion


@cache
def combinations(split: Split) -> tuple[Combination, ...]:
    """All that `split` may show. 70 % train, 10 % validation, 20 % test, by a hash of the combination alone."""
    motions = UNKNOWN_MOTIONS if split == "unknown" else MOTIONS
    every = [Combination(s, c, m, v) for s in SHAPES for c in COLOURS for m in motions for v in SPEEDS]
    return tuple(one for one in every if split == "unknown" or _split_of(one) == split)


def _split_of(one: Combination) -> Split:
    ticket = Draws("moving-shapes", VERSION, "split", one.shape, one.colour, one.motion, one.speed).below(10)
    return "train" if ticket < 7 else "validation" if ticket < 8 else "test"


def scene(
    split: Split, index: int, *, seed: int = 0, plot: Plot | None = None, seconds: float = 3.0, aspect: float = 1.0
) -> Scene:
    """Number `index` of a split; of one kind of plot, or of the mixture of PLOTS.

    Scenes with one thing show the motions in equal numbers: each run of len(MOTIONS) indices has every one once.
    """
    if split not in SPLITS:
        raise UsageError(f"unknown split `{split}` of moving_shapes", nearest(split, SPLITS))
    if split == "unknown" and plot in {"entrance", "collision"}:
        raise UsageError(f"the split `unknown` has no plot `{plot}`", "its motions are " + ", ".join(UNKNOWN_MOTIONS))
    key = f"moving-shapes/{VERSION}/{seed}/{split}/{plot or 'any'}/{index}"
    draws = Draws(key)
    usual: Plot = draws.weighted(PLOTS)
    kind: Plot = plot or ("single" if split == "unknown" else usual)
    count = 1 if kind == "single" else 2 if kind == "collision" else draws.weighted({2: 2, 3: 1})
    cast = _cast(draws, split, kind, count, _turn(split, seed, index) if kind == "single" else None)
    return compose(key, kind, cast, seconds=seconds, aspect=aspect)


def compose(
    key: str, plot: Plot, cast: list[Combination], *, seconds: float = 3.0, aspect: float = 1.0, still: bool = False
) -> Scene:
    """Put things on a stage. They begin to move in the order of `cast`, unless the plot moves them together.

    still: nothing moves, neither things nor camera nor sensor.
    """
    draws = Draws(key, "stage")
    angles = [draws.uniform(0, 1) for _ in cast]
    places = _meeting(draws, cast, angles) if plot == "collision" else _places(draws, len(cast), aspect)
    spans = [(0.0, seconds)] * len(cast) if plot in {"single", "together"} else _slots(plot, len(cast), seconds)
    things = []
    for one, angle, (x, y, size), (start, end) in zip(cast, angles, places, spans, strict=True):
        start, end = (seconds, seconds + 1.0) if still else _own_span(draws, one, start, end)
        rgb = [min(255, max(0, level + draws.below(25) - 12)) for level in COLOURS[one.colour]]
        things.append(
            Thing(
                *(one.shape, one.colour, one.motion, one.speed, x, y, size),
                angle=angle,
                phase=draws.uniform(0, 1),
                reach={"single": 1.0, "collision": COLLISION_REACH}.get(plot, 0.75),
                start=round(start, 4),
                end=round(end, 4),
                rgb=(rgb[0], rgb[1], rgb[2]),
            )
        )
    camera = _camera(draws)
    return Scene(
        key=key,
        plot=plot,
        seconds=seconds,
        aspect=aspect,
        things=tuple(draws.shuffled(things)),
        background=background(draws),
        camera=Camera() if still else camera,
        noise=0.0 if still else draws.uniform(2, 7),
    )


def background(draws: Draws) -> Background:
    """Two greyish colours that differ enough for a camera move to be seen."""
    level, contrast = draws.uniform(70, 150), draws.uniform(30, 60)
    tints = [draws.uniform(-18, 18) for _ in range(3)]
    dark, light = ([round(level + side * contrast / 2 + tint) for tint in tints] for side in (-1, 1))
    texture, period, angle = draws.choose(TEXTURES), draws.uniform(0.12, 0.3), draws.uniform(0, 1)
    return Background(texture, (dark[0], dark[1], dark[2]), (light[0], light[1], light[2]), period, angle)


def _turn(split: Split, seed: int, index: int) -> str:
    """The motion of single scene `index`."""
    block, place = divmod(index, len(UNKNOWN_MOTIONS if split == "unknown" else MOTIONS))
    return _turns(split, seed, block)[place]


def turn_of(split: Split, seed: int, motions: Sequence[str], number: int) -> int:
    """The index of the single scene that is number `number` of those with these motions, one after the other."""
    block, place = divmod(number, len(motions))
    turns = _turns(split, seed, block)
    return block * len(turns) + turns.index(motions[place])


def _turns(split: Split, seed: int, block: int) -> list[str]:
    motions = UNKNOWN_MOTIONS if split == "unknown" else MOTIONS
    return Draws("moving-shapes", VERSION, seed, split, "turns", block).shuffled(motions)


def _cast(draws: Draws, split: Split, plot: Plot, count: int, motion: str | None) -> list[Combination]:
    """Who plays: things of different colour-and-shape, all of them combinations of the split."""
    pool = combinations(split)
    if plot == "entrance":
        motion = "appear"
    if plot == "collision":
        motion, speed = draws.choose(("left", "right", "up", "down")), draws.choose(SPEEDS)
        pool = tuple(one for one in pool if one.speed == speed)
    pool = tuple(one for one in pool if motion in (None, one.motion))
    cast: list[Combination] = []
    while len(cast) < count:
        taken = {(one.colour, one.shape) for one in cast}
        cast.append(draws.choose([one for one in pool if (one.colour, one.shape) not in taken]))
    return cast


def _places(draws: Draws, count: int, aspect: float) -> list[tuple[float, float, float]]:
    """(x, y, size) of each thing half way through its motion. Says nothing about the motions."""
    if count == 1:
        wide = 0.14 + (aspect - 1) / 2
        return [(draws.uniform(-wide, wide), draws.uniform(-0.14, 0.14), draws.uniform(0.09, 0.13))]
    places: list[tuple[float, float, float]] = []
    while len(places) < count:  # anywhere, but apart
        x, y = draws.uniform(-0.28, 0.28), draws.uniform(-0.28, 0.28)
        if all((x * aspect - a) ** 2 + (y - b) ** 2 > 0.24**2 for a, b, _ in places):
            places.append((round(x * aspect, 4), y, draws.uniform(0.07, 0.1)))
    return places


def _meeting(draws: Draws, cast: list[Combination], angles: list[float]) -> list[tuple[float, float, float]]:
    """Places for two things such that the first ends its motion touching the second, which then goes on."""
    (dx, dy), reach = DIRECTIONS[cast[0].motion], COLLISION_REACH
    sizes = [draws.uniform(0.08, 0.1) for _ in cast]
    x, y = draws.uniform(-0.05, 0.05), draws.uniform(-0.05, 0.05)
    facing = zip(cast, sizes, angles, (1, -1), strict=True)
    contact = 0.97 * sum(size * _extent(one.shape, angle, dx * s, dy * s) for one, size, angle, s in facing)
    apart = (contact + TRAVEL[cast[0].speed] * reach) / 2
    return [(round(x + s * dx * apart, 4), round(y + s * dy * apart, 4), sizes[i]) for i, s in enumerate((-1, 1))]


def _extent(shape: str, angle: float, dx: float, dy: float) -> float:
    """How far a shape of size 1 reaches to one of the four sides."""
    turned = (np.array([f(2 * np.pi * angle)]) for f in (np.cos, np.sin))
    left, top, right, bottom = (float(side[0]) for side in extents(shape, *turned))
    return max(-left * max(-dx, 0), right * max(dx, 0), -top * max(-dy, 0), bottom * max(dy, 0))


def _slots(plot: Plot, count: int, seconds: float) -> list[tuple[float, float]]:
    """One stretch after the other, with a rest between; colliding things follow without one."""
    if plot == "collision":
        return [(0.05 * seconds, 0.5 * seconds), (0.5 * seconds, 0.95 * seconds)]
    return [((i + 0.1) * seconds / count, (i + 0.9) * seconds / count) for i in range(count)]


def _own_span(draws: Draws, one: Combination, start: float, end: float) -> tuple[float, float]:
    """Appearing and disappearing take a part of the stretch, so that the thing is there half way through it."""
    if one.motion not in {"appear", "disappear"}:
        return start, end
    length = (end - start) * (0.3 if one.speed == "slow" else 0.08)
    first = start + draws.uniform(0.05, 0.4) * (end - start - 2 * length)
    return (first, first + length) if one.motion == "appear" else (start + end - first - length, start + end - first)


def _camera(draws: Draws) -> Camera:
    if not draws.chance(0.3):
        return Camera()
    move = draws.choose(CAMERA_MOVES)
    amount = draws.uniform(1.1, 1.25) if move.startswith("zoom") else draws.uniform(0.06, 0.12)
    return Camera(move, amount * 0.25 if move == "shake" else amount)
