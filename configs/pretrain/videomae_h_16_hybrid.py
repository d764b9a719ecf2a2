"""VideoMAE-H/16 on the mixture of `videomae_b_16_hybrid.py`: four views of each clip are learned from, so 301 epochs
are about 1,200.

Run     internvideo train configs/pretrain/videomae_h_16_hybrid.py --out runs/videomae_h_16_hybrid
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_b_16_hybrid.py")
    return replace(
        base,
        model="videomae-h-16-pretrain",
        batch=1536,
        repeats=4,
        processes=64,
        epochs=301,
        optimiser=replace(base.optimiser, rate=1.5e-3),
        schedule=Schedule(kind="videomae", warmup=15.0, lowest=0.05),
    )
