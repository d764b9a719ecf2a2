"""UniFormerV2-L/14, trained on K710, then for five epochs on Kinetics-400, 16 frames.

Run     internvideo train configs/finetune/uniformerv2_l_14_k710_k400.py --out runs/uniformerv2_l_14_k710_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "uniformerv2_b_16_k710_k400.py")
    return replace(
        base,
        model="uniformerv2-l-14",
        weights="runs/uniformerv2_l_14_k710",
        preprocess=("frame_count=16",),
        processes=32,
        optimiser=replace(base.optimiser, rate=1.5e-6),
        schedule=Schedule(kind="videomae", warmup=1.0, start=0.667, lowest=0.667),
    )
