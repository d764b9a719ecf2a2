"""Scenes as a list of samples without files: words are found and pixels drawn when they are looked at.

So training sees as many different clips as it likes, at no cost in disk space; files are for whoever is marked.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache
from io import BytesIO
from typing import Literal, overload

import numpy as np
from PIL import Image

from internvideo.datasets.moving_shapes.draw import moments, render
from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.motions import THEN
from internvideo.datasets.moving_shapes.quiz import ANSWERS, group_of, open_questions
from internvideo.datasets.moving_shapes.wording import caption, deed, meaning
from internvideo.datasets.moving_shapes.world import (
    COLOURS,
    MOTIONS,
    SHAPES,
    SPEEDS,
    VERSION,
    Combination,
    Plot,
    Scene,
    Split,
    combinations,
    compose,
    scene,
    turn_of,
)
from internvideo.datasets.sample import DRAWN, Sample, Samples, hash_of
from internvideo.errors import UsageError, pick

FPS = Fraction(16)
NEARER = 0.6  # of its way from the middle an enlarged thing keeps
Twins = Literal["deeds", "shapes"]
Says = Literal["all", "motion", "parts", "question"]
EVERY = tuple(Combination(*one) for one in itertools.product(SHAPES, COLOURS, MOTIONS, SPEEDS))
PARTS = {"shape": len(SHAPES), "colour": len(COLOURS), "motion": len(MOTIONS), "speed": len(SPEEDS)}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Which scenes a list has. size: pixels per side; seconds: of a clip; plot: "" is the mixture of all.

    twins: so many neighbours in the list show the same things, which do something else, or in another order: what a
    batch is to tell apart must not be told by colours and shapes. differ: "shapes", they do the same, in the same
    colours, but have other shapes. says: "motion" leaves the thing out of the captions;
    "parts" makes a class of each of the combinations in `EVERY`; "question" asks one of the open questions about the
    scene instead, the label is its answer's number in `ANSWERS`.
    coded: frames come as files leave them, with half of the colours' resolution and the marks of a codec: a network
    that is trained without sees edges that no file has. seed: another one gives other scenes. motions: these alone, in
    equal numbers, of scenes with one thing; () is all. enlarged: of scenes with one thing, it is 0.8 to 1.1 times so
    many times as large and nearer to the middle: which way a thing spins is told by a mark of a few pixels, which is
    found where it is large, and then followed to where it is small. balanced: only things that the split may show with
    each of `motions` at that speed. Otherwise what a thing looks like tells which motions are left for the other
    splits: what is learned of that is wrong there in every case. shapes: in balance, these alone; () is all.
    mixed: the one thing makes two motions of different kinds, one after the other: nothing that has a name, so such
    scenes have neither captions nor classes.
    """

    split: Split = "train"
    size: int = 96
    seconds: float = 3.0
    plot: Plot | Literal[""] = ""
    twins: int = 1
    differ: Twins = "deeds"
    says: Says = "all"
    seed: int = 0
    motions: tuple[str, ...] = ()
    coded: bool = False
    enlarged: float = 1.0
    balanced: bool = False
    shapes: tuple[str, ...] = ()
    mixed: bool = False

    def scene(self, number: int) -> Scene:
        """Number `number` of the list."""
        group, place = divmod(number, self.twins)
        if self.motions:
            group = turn_of(self.split, self.seed, self.motions, group)
        first = scene(self.split, group, seed=self.seed, plot=self.plot or None, seconds=self.seconds)
        if self.balanced:
            first = _balanced(first, self._in_balance)
        one = _twin(first, place, self.split, self.differ) if place else first
        one = one if self.enlarged == 1 else _enlarged(one, self.enlarged)
        return _mixed(one) if self.mixed else one

    @property
    def _in_balance(self) -> tuple[Combination, ...]:
        return _in_balance(self.split, self.motions, self.shapes)


class DrawnScenes(Samples):
    """The first `count` scenes of a drawing with their captions; where one thing moves, the class is its motion.

    Scenes of which the same can be said have the same uid: they are no negatives of each other.
    """

    def __init__(self, drawing: Drawing, count: int) -> None:
        super().__init__(())
        alone = drawing.says in {"motion", "parts"} or drawing.motions or drawing.enlarged != 1 or drawing.mixed
        if alone and drawing.plot != "single":
            raise UsageError(
                "`says: motion`, `says: parts`, `motions`, `enlarged` and `mixed` are for scenes with one thing",
                "plot: single",
            )
        if not 1 <= drawing.enlarged <= 4:
            raise UsageError(f"`enlarged` is {drawing.enlarged}", "1 (as large as things are) to 4")
        for shape in drawing.shapes:
            pick(dict.fromkeys(SHAPES), shape, "shape")
        if drawing.shapes and not drawing.balanced:
            raise UsageError("`shapes` are chosen among `balanced` things", "balanced: true")
        if drawing.balanced and not drawing._in_balance:
            raise UsageError(
                "`balanced` needs `motions` that some thing of the split has all of", "motions of two or four kinds"
            )
        for motion in drawing.motions:
            pick(dict.fromkeys(one.motion for one in combinations(drawing.split)), motion, "motion")
        if drawing.mixed and drawing.says != "all":
            raise UsageError("nothing can be said of `mixed` motions", "leave out `says`")
        if drawing.says == "question" and drawing.split == "unknown":
            raise UsageError("what the split `unknown` shows is no answer", "split: train")
        self._drawing, self._count = drawing, count
        self._about = json.dumps(asdict(drawing), sort_keys=True)
        self.captioned, self.media, self.has_files = (0 if drawing.mixed else count), ("video",), False
        single = drawing.plot == "single" and drawing.split != "unknown" and not drawing.mixed
        named = {"question": ANSWERS, "parts": tuple(map(_name, EVERY))}
        self.classes = named.get(drawing.says, MOTIONS if single else ())
        self.labelled, self.highest_label = (count if self.classes else 0), len(self.classes) - 1
        self.hash = hashlib.sha256(f"{VERSION} {count} {self._about}".encode()).hexdigest()  # all the rest follows

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: int | slice) -> Sample | Samples:
        if isinstance(index, slice):
            return Samples((self[place] for place in range(*index.indices(self._count))), self.classes)
        if not -self._count <= index < self._count:
            raise IndexError(f"no scene {index} among {self._count}")
        number = index % self._count
        one = self._drawing.scene(number)
        path = f"{DRAWN}{number}{self._about}"
        if self._drawing.mixed:
            return Sample(hash_of(f"moving_shapes\0{one.key} mixed"), path, source=one.key)
        told, text, name = self._said(one)
        label = self.classes.index(name) if self.classes else None
        return Sample(hash_of(f"moving_shapes\0{told}"), path, captions=(text,), label=label, source=one.key)

    def _said(self, one: Scene) -> tuple[object, str, str]:
        """What decides whether two scenes are negatives of each other; the text; the name of the class."""
        if self._drawing.says == "question":
            asked = Draws(one.key, "asked").choose(open_questions(one))
            return one.key, asked.text, asked.answer
        told, text = deed(one) if self._drawing.says == "motion" else (meaning(one), caption(one))
        return told, text, _name(meaning(one).parts[0]) if self._drawing.says == "parts" else one.label

    def __iter__(self) -> Iterator[Sample]:
        return (self[place] for place in range(self._count))


def drawn(path: str, choose: Callable[[int], Sequence[int]]) -> np.ndarray:
    """Chosen frames of the scene that a path of `DrawnScenes` names: (T, size, size, 3) uint8 RGB."""
    number, _, about = path.removeprefix(DRAWN).partition("{")
    said = json.loads("{" + about)
    drawing = Drawing(**said | {name: tuple(said[name]) for name in ("motions", "shapes")})
    one = drawing.scene(int(number))
    frames = render(one, size=drawing.size, fps=FPS, numbers=choose(len(moments(one, FPS))))
    return _coded(frames, Draws(one.key, "codec")) if drawing.coded else frames


def _coded(frames: np.ndarray, draws: Draws) -> np.ndarray:
    """(T, H, W, 3) uint8 through JPEG, at a quality from 30 to 95."""
    quality, out = 30 + draws.below(66), np.empty_like(frames)
    for frame, place in zip(frames, out, strict=True):
        file = BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        place[:] = np.asarray(Image.open(file))
    return out


@cache
def _in_balance(split: Split, motions: tuple[str, ...], shapes: tuple[str, ...]) -> tuple[Combination, ...]:
    """Combinations of the split whose thing and speed it has with each of `motions`; none without motions."""
    every = combinations(split)
    allowed = set(every)
    return tuple(
        one
        for one in every
        if one.motion in motions
        and (not shapes or one.shape in shapes)
        and all(replace(one, motion=m) in allowed for m in motions)
    )


def _balanced(first: Scene, things: tuple[Combination, ...]) -> Scene:
    """A scene with the same motion of one of these things."""
    pool = [one for one in things if one.motion == first.label]
    cast = [Draws(first.key, "balanced").choose(pool)]
    return compose(f"{first.key}/balanced", first.plot, cast, seconds=first.seconds, aspect=first.aspect)


def _enlarged(one: Scene, times: float) -> Scene:
    """The same scene with a larger thing, which still fits."""
    (thing,) = one.things
    size = thing.size * times * Draws(one.key, "enlarged").uniform(0.8, 1.1)
    return replace(one, things=(replace(thing, size=size, x=thing.x * NEARER, y=thing.y * NEARER),))


def _mixed(one: Scene) -> Scene:
    """The same scene, whose thing goes on to a motion of another kind half way."""
    (thing,) = one.things
    draws = Draws(one.key, "mixed")
    second = draws.choose([motion for motion in MOTIONS if motion not in group_of(thing.motion)])
    start, end = draws.uniform(0.05, 0.25) * one.seconds, draws.uniform(0.75, 0.95) * one.seconds
    motion, reach = thing.motion + THEN + second, draws.uniform(0.5, 0.9)
    return replace(one, things=(replace(thing, motion=motion, reach=reach, start=start, end=end),))


def _name(one: Combination) -> str:
    return f"{one.colour} {one.shape}, {one.motion}, {one.speed}"


def _twin(first: Scene, place: int, split: Split, differ: Twins) -> Scene:
    """Another scene of the same things: the first twin exchanges deeds or order, the others draw new deeds as well."""
    draws = Draws(first.key, "twin", place)
    parts = list(meaning(first).parts)
    allowed = set(combinations(split))
    if differ == "shapes":
        parts = _other_shapes(draws, parts, allowed)
        return compose(f"{first.key}/twin {place}", first.plot, parts, seconds=first.seconds, aspect=first.aspect)
    if place > 1 or len(parts) == 1:
        parts = _new_deeds(draws, parts, allowed, first.plot)
    if first.plot == "together":
        parts = _exchanged(parts, allowed)
    else:
        parts = parts[1:] + parts[:1] if place == 1 else draws.shuffled(parts)
    return compose(f"{first.key}/twin {place}", first.plot, parts, seconds=first.seconds, aspect=first.aspect)


def _other_shapes(draws: Draws, parts: list[Combination], allowed: set[Combination]) -> list[Combination]:
    """The same colours, motions and speeds; no two things are alike, as before."""
    found: list[Combination] = []
    for part in parts:
        taken = {(one.colour, one.shape) for one in found}
        others = [replace(part, shape=shape) for shape in SHAPES if (part.colour, shape) not in taken]
        found.append(draws.choose([one for one in others if one in allowed] or [part]))
    return found


def _new_deeds(draws: Draws, parts: list[Combination], allowed: set[Combination], plot: Plot) -> list[Combination]:
    """Motions of the same groups and speeds, as far as the split allows; what collides goes on as it came."""
    if plot == "collision":
        ways = [(motion, speed) for motion in group_of(parts[0].motion) for speed in SPEEDS]
        possible = [[replace(part, motion=m, speed=s) for part in parts] for m, s in ways]
        return draws.choose([cast for cast in possible if allowed.issuperset(cast)])
    found = []
    for part in parts:
        motions = (part.motion,) if plot == "entrance" else group_of(part.motion)
        deeds = [replace(part, motion=motion, speed=speed) for motion in motions for speed in SPEEDS]
        found.append(draws.choose([one for one in deeds if one in allowed]))
    return found


def _exchanged(parts: list[Combination], allowed: set[Combination]) -> list[Combination]:
    """Each thing does what the next one did, if the split allows it."""
    others = parts[1:] + parts[:1]
    moved = [replace(p, motion=o.motion, speed=o.speed) for p, o in zip(parts, others, strict=True)]
    return moved if allowed.issuperset(moved) else parts
