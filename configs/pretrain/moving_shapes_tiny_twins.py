"""`viclip-tiny`, third stage: what is still confused. Twins that differ in their shapes alone, or in the way they spin.

Run     internvideo train configs/pretrain/moving_shapes_tiny_twins.py --out twins
        after moving_shapes_tiny.py --out run
Cost    115,200 clips; 15 minutes on two shared cores
Expect  the loss of the lists `shapes` falls from 0.7 to 0.5, of drawn clips; files are told apart worse than before
"""

from dataclasses import replace

from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe, beside

BATCH = 128


def config() -> TrainRecipe:
    return replace(
        beside(__file__, "moving_shapes_tiny.py"),
        weights="run/model",
        part_weights={},
        corpora=tuple(
            shapes(name, steps, 50 + seed, options)
            for seed in range(1, 10)
            for name, steps, options in (
                ("shapes", 40, {"twins": 4, "differ": "shapes"}),
                ("spins", 30, {"plot": "single", "motions": TURNING[2:], "twins": 4}),
                ("twins", 15, {"twins": 4}),
                ("orders", 15, {"plot": "in order", "twins": 2}),
            )
        ),
        optimiser=Optimiser(groups="viclip", rate=5e-4, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.03),
    )


def shapes(name: str, steps: int, seed: int, options: dict[str, object]) -> CorpusRecipe:
    what = {"clips": steps * BATCH, "seed": seed, **options}
    return CorpusRecipe(name=f"{name} {seed}", reader="drawn_shapes", list="moving_shapes", options=what)
