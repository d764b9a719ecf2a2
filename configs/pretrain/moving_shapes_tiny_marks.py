"""`viclip-tiny`, sixth stage: which way a thing spins. The mark that tells it is a few pixels wide and is not found by
looking longer; where things are large it is found within 100 steps, and followed to where they are small.

Run     internvideo train configs/pretrain/moving_shapes_tiny_marks.py --out marks
        after moving_shapes_tiny_spins.py --out spins, of which it takes the video tower
Cost    61,440 clips; 7 minutes on two shared cores
Expect  of spins of other combinations (`eval/accuracy 3`) motion and speed together rise from 25 to 68 %
"""

from dataclasses import replace

from internvideo.datasets.moving_shapes.listed import PARTS
from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.objectives import ClassifyParts
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside

BATCH = 128
ENLARGED = (2.5,) * 6 + (1.7,) * 5 + (1.3,) * 5 + (1.0,) * 8


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_tiny_parts.py")
    return replace(
        base,
        part_weights={"video": ("viclip-tiny", "spins/model")},
        corpora=tuple(
            shapes(f"{name} {seed}", steps, seed, options)
            for seed, times in enumerate(ENLARGED, start=120)
            for name, steps, options in (
                ("spins", 15, {"motions": TURNING[2:], "enlarged": times, "balanced": True}),
                ("any", 5, {}),
            )
        ),
        # Motion and speed as one class: at 8 frames a quick star looks like a slow one that spins the other way
        objective=ClassifyParts(parts=(PARTS["shape"], PARTS["colour"], PARTS["motion"] * PARTS["speed"])),
        held_out=shapes("spins of others", 1, 7, {"motions": TURNING[2:], "split": "validation", "clips": 256}),
        optimiser=replace(base.optimiser, rate=6e-4),
    )


def shapes(name: str, steps: int, seed: int, options: dict[str, object]) -> CorpusRecipe:
    what = {"clips": steps * BATCH, "seed": seed, "plot": "single", "says": "parts", "coded": True, **options}
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=what)
