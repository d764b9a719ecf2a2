"""VideoMAE-L/16 on the mixture of `videomae_b_16_hybrid.py`, with a decoder of twelve blocks as released.

Run     internvideo train configs/pretrain/videomae_l_16_hybrid.py --out runs/videomae_l_16_hybrid
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_b_16_hybrid.py")
    return replace(
        base,
        model="videomae-l-16-pretrain",
        batch=1152,
        processes=48,
        epochs=801,
        optimiser=replace(base.optimiser, rate=6.75e-4),
        schedule=Schedule(kind="videomae", warmup=40.0, lowest=1 / 15),
    )
