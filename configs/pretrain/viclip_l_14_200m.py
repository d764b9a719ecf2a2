"""ViCLIP-L/14 on two hundred million clips of InternVid; all else as on FLT. The paper states no other number of
epochs.

Run     internvideo train configs/pretrain/viclip_l_14_200m.py --out runs/viclip_l_14_200m
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_flt.py")
    corpus = replace(
        base.corpora[0], name="InternVid-200M", list="data/internvid/InternVid-200M.jsonl", published=200_000_000
    )
    return replace(base, corpora=(corpus,))
