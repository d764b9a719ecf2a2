"""Cross-model attention: VideoMAE-H (32 frames of 384 px) and UniFormerV2-L/14 at 336 px, both trained on Kinetics-400
and frozen, learn to read each other. Numbers of the InternVideo paper, its learning rate read as 5e-5; what it
leaves open is decided in docs/decisions/0010-cross-model-attention.md.

Run     internvideo train configs/finetune/internvideo_cma_h_k400.py --out runs/internvideo_cma_h_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import Coordinate
from internvideo.training.recipe import Optimiser, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    return TrainRecipe(
        model="internvideo-cma-h",
        part_weights={
            "masked": ("videomae-h-16", "runs/videomae_h_16_k400_384"),
            "frames": ("uniformerv2-l-14-336", "runs/uniformerv2_l_14_336_k710_k400"),
        },
        network=("masked.head_dropout=0.9", "frames.head_dropout=0.9"),
        corpora=beside(__file__, "videomae_b_16_k400.py").corpora,  # Kinetics-400
        objective=Coordinate(classes=400),
        augment=AUGMENTS["uniformerv2"],
        batch=64,
        processes=8,
        epochs=5,
        optimiser=Optimiser(groups="viclip", rate=5e-5, weight_decay=0.001),
        schedule=Schedule(kind="viclip", warmup=1.0),
        average=0.9999,
        precision="bf16",
        workers=8,
    )
