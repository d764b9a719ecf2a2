"""UniFormerV2-L/14 at 336 px on K710 with CLIP's tower frozen: only the global blocks and the head learn.

Run     internvideo train configs/finetune/uniformerv2_l_14_336_frozen_k710.py --out
        runs/uniformerv2_l_14_336_frozen_k710
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "uniformerv2_b_16_k710.py")
    return replace(
        base,
        model="uniformerv2-l-14-336",
        weights="clip-l-14",
        network=("frames.mix_frames=false",),
        frozen=(r"^frames\.(class_token|positions|patches|norm_in|blocks)",),
        batch=512,
        processes=32,
        epochs=50,
        optimiser=replace(base.optimiser, rate=8e-4),
        schedule=Schedule(kind="videomae", lowest=1.25e-3),
    )
