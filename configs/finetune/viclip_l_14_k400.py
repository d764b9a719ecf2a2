"""ViCLIP-L/14's video tower fine-tuned on the classes of Kinetics-400. The InternVid paper gives scores and no
settings; these are those of UniFormerV2, the nearest published relative.

Run     internvideo train configs/finetune/viclip_l_14_k400.py --out runs/viclip_l_14_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import Classify
from internvideo.training.recipe import Optimiser, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-l-14-classifier",
        weights="runs/viclip_l_14_flt_unmasked",
        network=("video.drop_path=0.1", "head_dropout=0.5"),
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
