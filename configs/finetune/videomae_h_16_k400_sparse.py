"""VideoMAE-H/16, pre-trained on the mixture, fine-tuned on Kinetics-400 with frames from the whole clip.

Run     internvideo train configs/finetune/videomae_h_16_k400_sparse.py --out runs/videomae_h_16_k400_sparse
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_h_16_k400.py")
    return replace(
        base,
        preprocess=("frames=videomae-sparse",),
        augment=replace(base.augment, frames="videomae-sparse"),
        repeats=1,
        epochs=75,
        optimiser=replace(base.optimiser, rate=3e-4),
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=0.00333),
    )
