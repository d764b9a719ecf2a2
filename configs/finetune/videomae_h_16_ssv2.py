"""VideoMAE-H/16, pre-trained on the mixture, fine-tuned on Something-Something V2.

Run     internvideo train configs/finetune/videomae_h_16_ssv2.py --out runs/videomae_h_16_ssv2
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_b_16_ssv2.py")
    return replace(
        base,
        model="videomae-h-16",
        weights="runs/videomae_h_16_hybrid",
        network=("encoder.drop_path=0.2", "head_dropout=0.3"),
        batch=256,
        repeats=1,
        processes=32,
        epochs=30,
        optimiser=replace(base.optimiser, rate=5e-4, layer_decay=0.8),
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=0.002),
    )
