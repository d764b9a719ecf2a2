"""Keyframes of the small world in AVA's terms: boxes of things, and of each its colour, its shape and what it does."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from internvideo.datasets.ava import Persons
from internvideo.datasets.moving_shapes.truth import boxes
from internvideo.datasets.moving_shapes.world import COLOURS, MOTIONS, SHAPES, Split, Thing, scene
from internvideo.tasks.data import Data, Rendered, world

KINDS = tuple(dict.fromkeys(motion.partition(" c")[0] for motion in MOTIONS))  # circles and spins, whichever way
ACTIONS: Mapping[int, str] = dict(enumerate((*COLOURS, *SHAPES, *KINDS), start=1))
NUMBERS = {name: number for number, name in ACTIONS.items()}
FPS = Fraction(16)  # of what `world` renders


def shape_keyframes(data: Data) -> tuple[list[Persons], dict[str, str]]:
    """The middle frame of every clip, and the clips' files by name. options: clips, size."""
    split: Split = data.split or "test"  # type: ignore[assignment]
    scenes = [scene(split, number, seed=2) for number in range(data.number("clips", 200))]
    found = world(data, f"keyframes-{split}", scenes)
    named = {f"{split}-{number:05}": one for number, one in enumerate(found)}
    return [_keyframe(name, one) for name, one in named.items()], {name: one.sample.path for name, one in named.items()}


def _keyframe(name: str, one: Rendered) -> Persons:
    where, visible = boxes(one.scene, fps=FPS)
    frame = len(where) // 2
    second = frame / float(FPS)
    things = [
        (box, _actions(thing, second))
        for thing, box, seen in zip(one.scene.things, where[frame].tolist(), visible[frame], strict=True)
        if seen
    ]
    placed = np.array([box for box, _ in things], np.float64).reshape(-1, 4)
    return Persons(name, second, placed, tuple(actions for _, actions in things), np.ones(len(things)))


def _actions(thing: Thing, second: float) -> frozenset[int]:
    names = [thing.colour, thing.shape]
    if thing.start <= second < thing.end:
        names.append(thing.motion.partition(" c")[0])
    return frozenset(NUMBERS[name] for name in names)
