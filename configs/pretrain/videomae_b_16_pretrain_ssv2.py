"""VideoMAE-B/16 on the videos of Something-Something V2 alone, every second frame. All else as on the mixture.

Run     internvideo train configs/pretrain/videomae_b_16_pretrain_ssv2.py --out runs/videomae_b_16_pretrain_ssv2
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_b_16_hybrid.py")
    return replace(base, corpora=tuple(one for one in base.corpora if one.frames == "videomae-pretrain-2"))
