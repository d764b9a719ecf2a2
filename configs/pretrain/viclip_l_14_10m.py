"""ViCLIP-L/14 on ten million clips of InternVid, drawn at random; all else as on FLT.

Run     internvideo train configs/pretrain/viclip_l_14_10m.py --out runs/viclip_l_14_10m
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_flt.py")
    corpus = replace(
        base.corpora[0], name="InternVid-10M", list="data/internvid/InternVid-10M.jsonl", published=10_647_458
    )
    return replace(base, corpora=(corpus,))
