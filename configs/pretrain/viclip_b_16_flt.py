"""ViCLIP-B/16 on the ten million clips of InternVid whose captions fit best (FLT): 90 % of the patches are dropped,
the text tower is CLIP's and frozen. Source: InternVid (Wang et al., 2023) and its released settings. First
`internvideo models fetch clip-b-16`; the list lies in data/internvid, its clips below data/internvid/videos.

Run     internvideo train configs/pretrain/viclip_b_16_flt.py --out runs/viclip_b_16_flt
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_flt.py")
    optimiser = replace(base.optimiser, rate=2e-4)
    return replace(base, model="viclip-b-16", weights="clip-b-16", optimiser=optimiser, recompute=False)
