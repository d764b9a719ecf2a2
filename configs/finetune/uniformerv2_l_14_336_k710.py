"""UniFormerV2-L/14 at 336 px from CLIP (of 224 px, its places interpolated; CLIP of 336 px, which the authors took, is
not in the zoo) on K710, 8 frames: what `uniformerv2_l_14_336_k710_k400.py` begins with. Settings of 224 px; those
of 336 were not published.

Run     internvideo train configs/finetune/uniformerv2_l_14_336_k710.py --out runs/uniformerv2_l_14_336_k710
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "uniformerv2_l_14_k710.py")
    return replace(
        base,
        model="uniformerv2-l-14-336",
        weights="clip-l-14",
        recompute=True,
    )
