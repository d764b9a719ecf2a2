"""UniFormerV2-B/16 from CLIP on Kinetics-400, 8 frames. First `internvideo models fetch clip-b-16`. Source:
UniFormerV2 (Li et al., 2022) and its released settings.

Run     internvideo train configs/finetune/uniformerv2_b_16_k400.py --out runs/uniformerv2_b_16_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import Classify
from internvideo.training.recipe import Optimiser, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    return TrainRecipe(
        model="uniformerv2-b-16",
        weights="clip-b-16",
        corpora=beside(__file__, "videomae_b_16_k400.py").corpora,  # Kinetics-400
        objective=Classify(classes=400),
        augment=AUGMENTS["uniformerv2"],
        batch=256,
        processes=8,
        epochs=55,
        optimiser=Optimiser(groups="viclip", rate=1e-5, weight_decay=0.05),
        schedule=Schedule(kind="videomae", warmup=5.0, start=0.1, lowest=0.1),
        precision="bf16",
        clip=20.0,
        workers=8,
    )
