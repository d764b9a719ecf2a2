"""VideoMAE-H/16, fine-tuned on Kinetics-600, then on Kinetics-400 with a new head.

Run     internvideo train configs/finetune/videomae_h_16_k600_k400.py --out runs/videomae_h_16_k600_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_h_16_k400.py")
    return replace(
        base,
        weights="runs/videomae_h_16_k600",
        network=("encoder.drop_path=0.3",),
        epochs=15,
        optimiser=replace(base.optimiser, rate=2.5e-4),
        schedule=Schedule(kind="videomae", warmup=3.0, lowest=0.002),
    )
