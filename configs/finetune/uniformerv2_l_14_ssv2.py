"""UniFormerV2-L/14 from CLIP on Something-Something V2, 32 frames, sixteen global blocks.

Run     internvideo train configs/finetune/uniformerv2_l_14_ssv2.py --out runs/uniformerv2_l_14_ssv2
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "uniformerv2_b_16_ssv2.py")
    return replace(
        base,
        model="uniformerv2-l-14",
        weights="clip-l-14",
        network=("frames.global_layers=8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23", *base.network[1:]),
        preprocess=("frame_count=32",),
        processes=32,
        optimiser=replace(base.optimiser, rate=2e-5),
        schedule=Schedule(kind="videomae", warmup=5.0, start=0.05, lowest=0.05),
    )
