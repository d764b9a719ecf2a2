"""What is said about a scene: captions in several wordings and the names of the classes.

Words follow from the meaning alone (which things, what they do, how fast, in what order): two scenes that mean
different things never have the same caption. Camera, background and sizes are not mentioned. All captions fit into the
32 tokens of ViCLIP.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.world import MOTIONS, UNKNOWN_MOTIONS, Combination, Scene

# motion -> wordings as (finite, -ing) pairs; the first -ing form is the name of the class
PHRASES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "left": (("moves left", "moving left"), ("slides to the left", "sliding to the left")),
    "right": (("moves right", "moving right"), ("slides to the right", "sliding to the right")),
    "up": (("moves up", "moving up"), ("rises", "rising")),
    "down": (("moves down", "moving down"), ("sinks", "sinking")),
    "up and right": (("moves up and right", "moving up and right"), ("climbs to the right", "climbing to the right")),
    "down and left": (("moves down and left", "moving down and left"), ("falls to the left", "falling to the left")),
    "circle clockwise": (("circles clockwise", "circling clockwise"), ("orbits clockwise", "orbiting clockwise")),
    "circle counter-clockwise": (
        ("circles anticlockwise", "circling anticlockwise"),
        ("orbits anticlockwise", "orbiting anticlockwise"),
    ),
    "spin clockwise": (("spins clockwise", "spinning clockwise"), ("rotates clockwise", "rotating clockwise")),
    "spin counter-clockwise": (
        ("spins anticlockwise", "spinning anticlockwise"),
        ("rotates anticlockwise", "rotating anticlockwise"),
    ),
    "grow": (("grows", "growing"), ("gets bigger", "getting bigger")),
    "shrink": (("shrinks", "shrinking"), ("gets smaller", "getting smaller")),
    "bounce": (("bounces", "bouncing"), ("bobs up and down", "bobbing up and down")),
    "sway": (("sways", "swaying"), ("swings left and right", "swinging left and right")),
    "appear": (("appears", "appearing"), ("comes into view", "coming into view")),
    "disappear": (("disappears", "disappearing"), ("fades away", "fading away")),
    "zigzag": (("zigzags", "zigzagging"), ("moves in a zigzag", "moving in a zigzag")),
    "figure eight": (("moves in a figure eight", "moving in a figure eight"), ("draws an eight", "drawing an eight")),
    "spiral": (("spirals outwards", "spiralling outwards"), ("moves in a spiral", "moving in a spiral")),
    "blink": (("blinks", "blinking"), ("flashes on and off", "flashing on and off")),
}
ADVERBS: Mapping[str, tuple[str, ...]] = {"slow": ("slowly", "gently"), "fast": ("quickly", "rapidly")}
CLASS_NAMES: Mapping[str, str] = {motion: PHRASES[motion][0][1] for motion in MOTIONS + UNKNOWN_MOTIONS}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a caption has to say. kind: "together", "in order" (also one alone), "collision" or "still"."""

    kind: str
    parts: tuple[Combination, ...]  # in order of time; sorted when there is none


def meaning(scene: Scene) -> Meaning:
    """Equal for two scenes exactly when the same captions are true of both."""
    parts = tuple(Combination(thing.shape, thing.colour, thing.motion, thing.speed) for thing in scene.in_order)
    if scene.is_still or scene.plot == "together":
        return Meaning("still" if scene.is_still else "together", tuple(sorted(parts)))
    return Meaning("collision" if scene.plot == "collision" else "in order", parts)


def caption(scene: Scene) -> str:
    """The scene's own wording of what happens."""
    return say(meaning(scene), Draws(scene.key, "wording"))


def deed(scene: Scene) -> tuple[str, str]:
    """What the only thing of a scene does, by name and in words that do not say what it is."""
    thing = scene.things[0]
    draws = Draws(scene.key, "wording")
    phrase = PHRASES[thing.motion][draws.below(2)][draws.below(2)]
    return f"{thing.motion}, {thing.speed}", f"{phrase} {draws.choose(ADVERBS[thing.speed])}"


def captions(scene: Scene, count: int) -> tuple[str, ...]:
    """`count` wordings, different while there are any left; the first is `caption(scene)`."""
    found = [caption(scene)]
    for attempt in range(20 * count):
        if len(found) < count:
            other = say(meaning(scene), Draws(scene.key, "wording", attempt))
            found += [other] if other not in found else []
    return tuple(found[i % len(found)] for i in range(count))


def say(what: Meaning, draws: Draws) -> str:
    """One sentence without a full stop. Equal draws word different meanings alike."""
    return _said(what, draws.below(6), draws.below(2), draws.below(2))


def wordings(what: Meaning) -> frozenset[str]:
    """All that `say` can make of it."""
    return frozenset(_said(what, *chosen) for chosen in itertools.product(range(6), range(2), range(2)))


def _said(what: Meaning, form: int, phrase: int, adverb: int) -> str:
    if len(what.parts) > 2:
        form = phrase = 0  # the shortest
    names = [f"{_article(part.colour)} {part.colour} {part.shape}" for part in what.parts]
    pace = [ADVERBS[part.speed][adverb] for part in what.parts]
    finite = [PHRASES[part.motion][phrase][0] for part in what.parts]
    if what.kind == "still":
        return " and ".join(names) + (" at rest" if form % 2 else " not moving")
    if what.kind == "collision":
        return _collision(form % 2, names, finite, pace)
    if len(names) == 1:
        gerund = PHRASES[what.parts[0].motion][phrase][1]
        return (
            f"{names[0]} {finite[0]} {pace[0]}",
            f"{names[0]} {gerund} {pace[0]}",
            f"there is {names[0]} that {finite[0]} {pace[0]}",
        )[form % 3]
    clauses = [f"{name} {verb} {how}" for name, verb, how in zip(names, finite, pace, strict=True)]
    return _together(form % 2, clauses) if what.kind == "together" else _in_order(form % 3, clauses)


def _collision(form: int, names: list[str], finite: list[str], pace: list[str]) -> str:
    if form == 0:
        return f"{names[0]} {finite[0]} {pace[0]} and hits {names[1]}, which then {finite[1]}"
    return f"{names[1]} is hit by {names[0]} that {finite[0]} {pace[0]}, and {finite[1]} too"


def _together(form: int, clauses: list[str]) -> str:
    before = ", ".join(clauses[:-1])
    return f"{before} while {clauses[-1]}" if form == 0 else f"{before} and at the same time {clauses[-1]}"


def _in_order(form: int, clauses: list[str]) -> str:
    if form == 0:
        return "first " + ", then ".join(clauses)
    if form == 1:
        return ", and then ".join(clauses)
    return " after ".join(reversed(clauses))


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
