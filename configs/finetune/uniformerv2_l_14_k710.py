"""UniFormerV2-L/14 from CLIP on K710, 8 frames.

Run     internvideo train configs/finetune/uniformerv2_l_14_k710.py --out runs/uniformerv2_l_14_k710
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "uniformerv2_b_16_k710.py")
    return replace(
        base,
        model="uniformerv2-l-14",
        weights="clip-l-14",
        batch=512,
        processes=32,
        epochs=40,
    )
