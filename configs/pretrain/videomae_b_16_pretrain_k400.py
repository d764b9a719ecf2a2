"""VideoMAE-B/16 on the videos of Kinetics-400 alone. All else as on the mixture.

Run     internvideo train configs/pretrain/videomae_b_16_pretrain_k400.py --out runs/videomae_b_16_pretrain_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "videomae_b_16_hybrid.py")
    corpus = CorpusRecipe(
        name="Kinetics-400", reader="labelled-list", list="data/kinetics-400/pretrain.txt", published=240_436
    )
    optimiser = replace(base.optimiser, rate=0.0006)
    return replace(base, corpora=(corpus,), batch=1024, processes=16, optimiser=optimiser)
