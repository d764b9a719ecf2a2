"""VideoMAE-L/16 on the videos of Kinetics-700 alone. All else as on the mixture.

Run     internvideo train configs/pretrain/videomae_l_16_pretrain_k700.py --out runs/videomae_l_16_pretrain_k700
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_l_16_hybrid.py")
    corpus = CorpusRecipe(
        name="Kinetics-700", reader="labelled-list", list="data/kinetics-700/pretrain.txt", published=542_357
    )
    optimiser = replace(base.optimiser, rate=0.000675)
    return replace(base, corpora=(corpus,), batch=1152, processes=48, optimiser=optimiser)
