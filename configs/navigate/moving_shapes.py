"""A small policy in random graphs where coloured shapes mark the way; unseen graphs are held out.

Run     internvideo train configs/navigate/moving_shapes.py --out run
Cost    printed by `--estimate`
Expect  SR 93: in so many of a hundred walks through graphs it has never seen it stops where it should (docs/results.md)
"""

from internvideo.training.head_recipe import HeadRecipe, WalkData
from internvideo.training.navigation import Imitate
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    return HeadRecipe(
        model="navigator-b-debug",
        data=WalkData(world_graphs=200, world_episodes=4000),
        held_out=WalkData(world_graphs=20, world_episodes=200, world_seed=1),
        objective=Imitate(share=0.75, every=300),
        network=("steps=8", "text_layers=1"),
        batch=32,
        epochs=7,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=1.0, lowest=0.01),
        average=0.98,
        evaluate_every=100,
        log_every=10,
    )
