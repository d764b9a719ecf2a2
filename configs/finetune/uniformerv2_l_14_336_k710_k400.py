"""UniFormerV2-L/14 at 336 px, trained on K710, then for five epochs on Kinetics-400, 64 frames.

Run     internvideo train configs/finetune/uniformerv2_l_14_336_k710_k400.py --out runs/uniformerv2_l_14_336_k710_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "uniformerv2_l_14_k710_k400.py")
    return replace(
        base,
        model="uniformerv2-l-14-336",
        weights="runs/uniformerv2_l_14_336_k710",
        preprocess=("frame_count=64",),
        batch=128,
        recompute=True,
    )
