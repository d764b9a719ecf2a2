"""Candidates for retrieval that cannot be told apart by what they show, only by what happens."""

from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.quiz import alternatives
from internvideo.datasets.moving_shapes.wording import Meaning, meaning
from internvideo.datasets.moving_shapes.world import VERSION, Plot, Scene, Split, combinations, compose, scene

TWINS = 5  # scenes of the same coloured shapes in a group
SHARE = 4  # one in so many candidates belongs to a group


def retrieval_scenes(count: int = 200, *, seed: int = 0, split: Split = "test", seconds: float = 3.0) -> list[Scene]:
    """`count` scenes of different meaning, so that all captions differ; item i does not depend on the machine.

    At least a quarter comes in groups of TWINS scenes with exactly the same colours and shapes. All things are
    combinations of `split`.
    """
    draws = Draws("moving-shapes", VERSION, seed, split, "retrieval", count)
    found: dict[Meaning, Scene] = {}
    while len(found) < -(-count // (SHARE * TWINS)) * TWINS and len(found) + TWINS <= count:
        _add_twins(found, draws, split, seconds)
    while len(found) < count:
        one = scene(split, draws.below(1 << 30), seconds=seconds)
        found.setdefault(meaning(one), one)
    return draws.shuffled(list(found.values()))


def _add_twins(found: dict[Meaning, Scene], draws: Draws, split: Split, seconds: float) -> None:
    """One more group, if the split allows what a random scene suggests."""
    plot: Plot = draws.choose(("together", "in order"))
    allowed = set(combinations(split))
    model = meaning(scene(split, draws.below(1 << 30), plot=plot, seconds=seconds))
    legal = [one for one in alternatives(model) if set(one.parts) <= allowed and one not in found]
    if len(legal) >= TWINS:
        for number, one in enumerate(draws.shuffled(legal)[:TWINS]):
            key = f"moving-shapes/{VERSION}/twin/{draws.below(1 << 60)}/{number}"
            found[one] = compose(key, plot, list(one.parts), seconds=seconds)
