"""VideoMAE-H/16 on Kinetics-400 with 32 frames of 384 px, from the run at 224 px: no Mixup, no CutMix, no warm-up, a
tenth of the rate, a quarter of the epochs, more stochastic depth (0.3 is ours: the authors say only `larger`).

Run     internvideo train configs/finetune/videomae_h_16_k400_384.py --out runs/videomae_h_16_k400_384
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_h_16_k400.py")
    return replace(
        base,
        weights="runs/videomae_h_16_k400",
        network=("clip.frames=32", "clip.size=384", "encoder.drop_path=0.3"),
        objective=replace(base.objective, mixup=0.0, cutmix=0.0),
        epochs=9,
        recompute=True,
        optimiser=replace(base.optimiser, rate=5e-5),
        schedule=Schedule(kind="videomae", lowest=2e-3),
    )
