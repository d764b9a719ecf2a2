"""`viclip-tiny`, seventh stage: spins that the mark alone tells. Turned squares, triangles and crosses look different,
circles and rings never do, and a star that turns quickly looks like one that turns slowly the other way.

Run     internvideo train configs/pretrain/moving_shapes_tiny_rounds.py --out rounds
        after moving_shapes_tiny_marks.py --out marks
Cost    51,200 clips; 5 minutes on two cores
Expect  of spins of other combinations (`eval/accuracy 3`), motion and speed together rise from 68 to 77 %
"""

from dataclasses import replace

from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside

BATCH = 128
ENLARGED = (2.5,) * 4 + (1.7,) * 4 + (1.3,) * 4 + (1.0,) * 8
SPINS = {"motions": TURNING[2:], "balanced": True}


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_tiny_marks.py")
    return replace(
        base,
        weights="marks/model",
        part_weights={},
        corpora=tuple(
            shapes(f"{name} {seed}", steps, seed, options)
            for seed, times in enumerate(ENLARGED, start=170)
            for name, steps, options in (
                ("rounds", 12, {**SPINS, "shapes": ("circle", "ring", "star"), "enlarged": times}),
                ("spins", 3, {**SPINS, "enlarged": times}),
                ("any", 5, {}),
            )
        ),
    )


def shapes(name: str, steps: int, seed: int, options: dict[str, object]) -> CorpusRecipe:
    what = {"clips": steps * BATCH, "seed": seed, "plot": "single", "says": "parts", "coded": True, **options}
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=what)
