"""ViCLIP-B/16's video tower fine-tuned on the classes of Kinetics-400, as that of L/14 is.

Run     internvideo train configs/finetune/viclip_b_16_k400.py --out runs/viclip_b_16_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_k400.py")
    return replace(base, model="viclip-b-16-classifier", weights="runs/viclip_b_16_flt_unmasked")
