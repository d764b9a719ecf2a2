"""VideoMAE-L/16, pre-trained on the mixture, fine-tuned on Kinetics-400.

Run     internvideo train configs/finetune/videomae_l_16_k400.py --out runs/videomae_l_16_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_b_16_k400.py")
    return replace(
        base,
        model="videomae-l-16",
        weights="runs/videomae_l_16_hybrid",
        network=("encoder.drop_path=0.2",),
        batch=384,
        epochs=40,
        optimiser=replace(base.optimiser, rate=1.5e-3),
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=0.0005),
    )
