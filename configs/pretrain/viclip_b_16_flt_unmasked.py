"""The last stage of ViCLIP-B/16 on InternVid-10M-FLT: half an epoch with all patches, from the masked stage. What
comes out is merged half and half with CLIP (WiSE-FT), as the published scores are.

Run     internvideo train configs/pretrain/viclip_b_16_flt_unmasked.py --out runs/viclip_b_16_flt_unmasked
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    last = beside(__file__, "viclip_l_14_flt_unmasked.py")
    base = beside(__file__, "viclip_b_16_flt.py")
    return replace(
        last, model=base.model, weights="runs/viclip_b_16_flt", merge_with=base.weights, recompute=base.recompute
    )
