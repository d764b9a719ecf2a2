"""Cross-model attention between VideoMAE-B and UniFormerV2-B, 16 frames of 224 px: what can be tried on one GPU.

Run     internvideo train configs/finetune/internvideo_cma_b_k400.py --out runs/internvideo_cma_b_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    parts = {
        "masked": ("videomae-b-16", "runs/videomae_b_16_k400"),
        "frames": ("uniformerv2-b-16", "runs/uniformerv2_b_16_k400"),
    }
    base = beside(__file__, "internvideo_cma_h_k400.py")
    return replace(base, model="internvideo-cma-b", part_weights=parts, processes=1)
