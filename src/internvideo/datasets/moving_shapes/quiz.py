"""Questions about a scene with options and the number of the right one, made so that only watching helps.

The options of a question are what the answer could have been, each as likely as the others: whoever reads them without
the video is right once in len(options) times, and so is whoever sees the middle frame of a scene with one thing.
"""

import itertools
from dataclasses import dataclass, replace

from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.wording import ADVERBS, CLASS_NAMES, Meaning, meaning, say
from internvideo.datasets.moving_shapes.world import (
    COLOURS,
    MOTIONS,
    SHAPES,
    SPEEDS,
    UNKNOWN_MOTIONS,
    Combination,
    Scene,
)

# What is asked about one motion offers the others of its group: easily confused, and nothing but time tells them apart.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("left", "right", "up", "down"),
    ("up and right", "down and left", "bounce", "sway"),
    ("circle clockwise", "circle counter-clockwise", "spin clockwise", "spin counter-clockwise"),
    ("grow", "shrink", "appear", "disappear"),
    UNKNOWN_MOTIONS,
)

# All that can be an answer to an open question; the number of an answer is its place here.
ANSWERS = (
    *(CLASS_NAMES[motion] for motion in MOTIONS),
    *(ADVERBS[speed][0] for speed in SPEEDS),
    *(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES),
)


@dataclass(frozen=True, slots=True)
class Question:
    """kind: "motion", "speed", "which", "first", "hit", "order" or "caption"."""

    kind: str
    text: str
    options: tuple[str, ...]
    right: int  # number of the true option

    @property
    def answer(self) -> str:
        return self.options[self.right]


def group_of(motion: str) -> tuple[str, ...]:
    """The motions among which `motion` is one."""
    return next(group for group in GROUPS if motion in group)


def questions(scene: Scene) -> tuple[Question, ...]:
    """All that can be asked about the scene with one right answer, the multiple choice of captions last."""
    return () if scene.is_still else (*open_questions(scene), choose_caption(scene))


def open_questions(scene: Scene) -> list[Question]:
    """Those whose answer is in `ANSWERS`."""
    if scene.is_still:
        return []
    draws = Draws(scene.key, "questions")
    things = scene.in_order
    names = [thing.name for thing in things]
    found = []
    for thing in things:
        group = [CLASS_NAMES[motion] for motion in group_of(thing.motion)]
        found.append(_ask(draws, "motion", f"what is the {thing.name} doing?", group, CLASS_NAMES[thing.motion]))
        paces = [ADVERBS[speed][0] for speed in SPEEDS]
        text = f"is the {thing.name} {CLASS_NAMES[thing.motion]} slowly or quickly?"
        found.append(_ask(draws, "speed", text, paces, ADVERBS[thing.speed][0]))
    motions = [thing.motion for thing in things]
    alone = [thing for thing in things if len(things) > 1 and motions.count(thing.motion) == 1]
    found += [_ask(draws, "which", f"which shape is {CLASS_NAMES[t.motion]}?", names, t.name) for t in alone]
    if scene.plot in {"in order", "entrance"}:
        verb = "appears" if scene.plot == "entrance" else "begins"
        found.append(_ask(draws, "first", f"which shape {verb} first?", names, names[0]))
    if scene.plot == "collision":
        found.append(_ask(draws, "hit", "which shape is hit by the other?", names, names[1]))
    return found


def choose_caption(scene: Scene, count: int = 5) -> Question:
    """Which of `count` captions is true? All name the same things and are worded alike."""
    draws = Draws(scene.key, "multiple choice")
    true = meaning(scene)
    others = [other for other in alternatives(true) if other != true]
    shown = draws.shuffled([true, *draws.shuffled(others)[: count - 1]])
    options = tuple(say(one, Draws(scene.key, "options")) for one in shown)
    return Question("caption", "which caption is true?", options, shown.index(true))


def choose_motion(scene: Scene, count: int = 12) -> Question:
    """Which of `count` motions does the only thing of the scene make? Those like it are among the options."""
    draws = Draws(scene.key, "motion choice")
    true = meaning(scene)
    part = true.parts[0]
    near = [motion for motion in group_of(part.motion) if motion != part.motion]
    far = draws.shuffled([motion for motion in MOTIONS if motion not in group_of(part.motion)])
    motions = draws.shuffled([part.motion, *near, *far[: count - 1 - len(near)]])
    told = [Meaning(true.kind, (replace(part, motion=motion),)) for motion in motions]
    options = tuple(say(one, Draws(scene.key, "options")) for one in told)
    return Question("motion", "which motion is it?", options, motions.index(part.motion))


def choose_order(scene: Scene) -> Question:
    """In which order did it happen? The options are all orders of what the things of the scene do."""
    true = meaning(scene)
    orders = Draws(scene.key, "order choice").shuffled(list(itertools.permutations(true.parts)))
    options = tuple(say(Meaning(true.kind, order), Draws(scene.key, "options")) for order in orders)
    return Question("order", "in which order?", options, orders.index(true.parts))


def alternatives(true: Meaning) -> tuple[Meaning, ...]:
    """Everything that the same things could have done instead: motions of the same groups, speeds and orders.

    Equal for all of its members, so that the true one does not stand out.
    """
    if true.kind == "collision":
        found = [
            Meaning("collision", tuple(replace(part, motion=motion, speed=speed) for part in order))
            for order in itertools.permutations(sorted(true.parts, key=_who))
            for motion, speed in itertools.product(group_of(true.parts[0].motion), SPEEDS)
        ]
        return tuple(found)
    deeds = [
        [Combination(part.shape, part.colour, m, s) for m in group_of(part.motion) for s in SPEEDS]
        for part in sorted(true.parts, key=_who)
    ]
    casts = itertools.product(*deeds)
    if true.kind == "together":
        return tuple(Meaning("together", tuple(sorted(cast))) for cast in casts)
    return tuple(Meaning("in order", order) for cast in casts for order in itertools.permutations(cast))


def _who(part: Combination) -> tuple[str, str]:
    return part.colour, part.shape


def _ask(draws: Draws, kind: str, text: str, options: list[str], answer: str) -> Question:
    shuffled = draws.shuffled(options)
    return Question(kind, text, tuple(shuffled), shuffled.index(answer))
