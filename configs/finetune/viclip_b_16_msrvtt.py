"""ViCLIP-B/16 fine-tuned to find clips of MSR-VTT by text, as L/14 is (no settings of B were published).

Run     internvideo train configs/finetune/viclip_b_16_msrvtt.py --out runs/viclip_b_16_msrvtt
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_msrvtt.py")
    return replace(base, model="viclip-b-16", weights="runs/viclip_b_16_flt_unmasked", parts=1)
