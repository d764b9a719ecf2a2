"""ViCLIP-B/16 on fifty million clips of InternVid, drawn at random; all else as on FLT. The paper states no other
number of epochs.

Run     internvideo train configs/pretrain/viclip_b_16_50m.py --out runs/viclip_b_16_50m
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_b_16_flt.py")
    corpus = replace(
        base.corpora[0], name="InternVid-50M", list="data/internvid/InternVid-50M.jsonl", published=50_000_000
    )
    return replace(base, corpora=(corpus,))
