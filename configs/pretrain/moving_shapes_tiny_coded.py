"""`viclip-tiny`, fourth stage: frames as files leave them. Drawn frames have edges between colours that no file keeps:
the stages before learn shapes by them, and then take the squares of a file for circles.

Run     internvideo train configs/pretrain/moving_shapes_tiny_coded.py --out coded
        after moving_shapes_tiny_twins.py --out twins
Cost    76,800 clips; 12 minutes on two shared cores
Expect  the loss of the lists `shapes` falls from 1.4 to 0.7, of captions to 0.4
"""

from dataclasses import replace

from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside

BATCH = 128


def config() -> TrainRecipe:
    return replace(
        beside(__file__, "moving_shapes_tiny_twins.py"),
        weights="twins/model",
        corpora=tuple(
            shapes(name, steps, 80 + seed, options)
            for seed in range(1, 7)
            for name, steps, options in (
                ("shapes", 30, {"twins": 4, "differ": "shapes"}),
                ("spins", 15, {"plot": "single", "motions": TURNING[2:], "twins": 4}),
                ("twins", 25, {"twins": 4}),
                ("orders", 15, {"plot": "in order", "twins": 2}),
                ("any", 15, {}),
            )
        ),
    )


def shapes(name: str, steps: int, seed: int, options: dict[str, object]) -> CorpusRecipe:
    what = {"clips": steps * BATCH, "seed": seed, "coded": True, **options}
    return CorpusRecipe(name=f"{name} {seed}", reader="drawn_shapes", list="moving_shapes", options=what)
