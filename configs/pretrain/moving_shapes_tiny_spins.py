"""`viclip-tiny`, fifth stage: more of what is hardest, shapes and spins.

Run     internvideo train configs/pretrain/moving_shapes_tiny_spins.py --out spins
        after moving_shapes_tiny_coded.py --out coded
Cost    51,200 clips; 8 minutes on two shared cores
Expect  captions of one thing exactly right in 63 instead of 58 of 100 clips of the validation split; spins stay a guess
"""

from dataclasses import replace

from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside

BATCH = 128


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_tiny_coded.py")
    return replace(
        base,
        weights="coded/model",
        corpora=tuple(
            shapes(name, steps, 90 + seed, options)
            for seed in range(1, 5)
            for name, steps, options in (
                ("shapes", 30, {"twins": 4, "differ": "shapes"}),
                ("spins", 45, {"plot": "single", "motions": TURNING[2:], "twins": 4}),
                ("twins", 10, {"twins": 4}),
                ("orders", 8, {"plot": "in order", "twins": 2}),
                ("any", 7, {}),
            )
        ),
        optimiser=replace(base.optimiser, rate=4e-4),
    )


def shapes(name: str, steps: int, seed: int, options: dict[str, object]) -> CorpusRecipe:
    what = {"clips": steps * BATCH, "seed": seed, "coded": True, **options}
    return CorpusRecipe(name=f"{name} {seed}", reader="drawn_shapes", list="moving_shapes", options=what)
