"""UniFormerV2-B/16, trained on K710, then for five epochs on Kinetics-400, 8 frames. The rows of the head are found by
the names of their classes.

Run     internvideo train configs/finetune/uniformerv2_b_16_k710_k400.py --out runs/uniformerv2_b_16_k710_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "uniformerv2_b_16_k400.py")
    return replace(
        base,
        weights="runs/uniformerv2_b_16_k710",
        relabel=("data/k710/classes.txt", "data/kinetics-400/classes.txt"),
        epochs=5,
        optimiser=replace(base.optimiser, rate=2e-6),
        schedule=Schedule(kind="videomae", warmup=1.0, start=0.5, lowest=0.5),
    )
