"""VideoMAE-H/16, fine-tuned on K710, then for three epochs on Kinetics-400: the rows of the head are found by the
names of their classes.

Run     internvideo train configs/finetune/videomae_h_16_k710_k400.py --out runs/videomae_h_16_k710_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_h_16_k400.py")
    return replace(
        base,
        weights="runs/videomae_h_16_k710",
        relabel=("data/k710/classes.txt", "data/kinetics-400/classes.txt"),
        batch=64,
        processes=8,
        epochs=3,
        optimiser=replace(base.optimiser, rate=2.5e-7),
        schedule=Schedule(kind="videomae", warmup=1.0, lowest=0.5),
    )
