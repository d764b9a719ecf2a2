"""The last stage of ViCLIP-L/14 on InternVid-200M: half an epoch with all patches, as on FLT.

Run     internvideo train configs/pretrain/viclip_l_14_200m_unmasked.py --out runs/viclip_l_14_200m_unmasked
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    corpora = beside(__file__, "viclip_l_14_200m.py").corpora
    last = beside(__file__, "viclip_l_14_flt_unmasked.py")
    return replace(last, corpora=corpora, weights="runs/viclip_l_14_200m")
